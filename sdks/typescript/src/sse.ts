/** Server-sent events: what a connection says, and coming back after it has ended. */

import { ApiConnectionError } from "./errors.js";
import type { AbortSignalLike } from "./options.js";
import { delayMs, mayRetry } from "./retry.js";
import type { Stream } from "./transport.js";
import { sleep } from "./transport.js";

/** One message of a stream. `fields` has those that are not of the standard, such as `webhook-signature`. */
export interface ServerSentEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** A comment line comes every 15 seconds: after three of them have failed to, the connection is dead. */
export const IDLE_MS = 45_000;
/** More than any event is long. */
const LONGEST_MESSAGE = 16 * 1024 * 1024;

export interface Reconnecting {
  /** A connection that begins after the message of this id. */
  open(lastId: string | undefined): Promise<Stream>;
  readonly lastId: string | undefined;
  /** Whether to come back when the server has ended the stream. */
  readonly reconnect: boolean;
  /** How many connections in a row may fail without having told anything. */
  readonly maxRetries: number;
  readonly maxRetryAfterMs: number;
  readonly signal: AbortSignalLike | undefined;
}

/** Messages over as many connections as it takes: nothing is passed over, and nothing comes twice. */
export async function* messages(source: Reconnecting): AsyncGenerator<ServerSentEvent, void, undefined> {
  let lastId = source.lastId;
  let failures = 0;
  let pauseMs: number | undefined;
  for (;;) {
    try {
      const stream = await source.open(lastId);
      try {
        const parser = new Parser();
        for await (const chunk of stream.chunks) {
          for (const message of parser.read(chunk)) {
            failures = 0;
            yield message;
            if (message.id !== "") lastId = message.id;
          }
        }
        pauseMs = parser.retryMs;
      } finally {
        stream.close();
      }
      if (!source.reconnect) return;
    } catch (error) {
      if (source.signal?.aborted) throw error;
      if (!source.reconnect || failures >= source.maxRetries || !mayRetry(error, true)) throw error;
      const delay = delayMs(error, failures, source.maxRetryAfterMs, Math.random());
      if (delay === undefined) throw error;
      failures += 1;
      pauseMs = delay;
    }
    await sleep(pauseMs ?? 0, source.signal);
  }
}

/** Reads the lines of a stream as the HTML standard has them ("9.2.6 Interpreting an event stream"). */
export class Parser {
  /** What the server asks to wait before coming back. */
  retryMs = 1_000;
  readonly #decoder = new TextDecoder();
  #rest = "";
  #id = "";
  #event = "";
  #data: string[] = [];
  #fields: Record<string, string> = {};

  /** The messages that these bytes complete. */
  *read(chunk: Uint8Array): Generator<ServerSentEvent, void, undefined> {
    this.#rest += this.#decoder.decode(chunk, { stream: true });
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > LONGEST_MESSAGE) throw new ApiConnectionError("A message of the stream is too long.");
    for (const line of lines) {
      if (line === "") yield* this.#dispatch();
      else this.#field(line);
    }
  }

  *#dispatch(): Generator<ServerSentEvent, void, undefined> {
    const { length } = this.#data;
    const message = { id: this.#id, event: this.#event, data: this.#data.join("\n"), fields: this.#fields };
    this.#event = "";
    this.#data = [];
    this.#fields = {};
    if (length > 0) yield message;
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#event = value;
    else if (name === "id") this.#id = value;
    else if (name === "retry") this.retryMs = /^\d{1,6}$/.test(value) ? Number(value) : this.retryMs;
    else this.#fields[name] = value;
  }
}
