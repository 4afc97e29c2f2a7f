/** Sends requests: header fields, deadlines, retries, replies and refusals. Knows nothing of what they are about. */

import { randomUUID } from "node:crypto";

import { ApiConnectionError, ApiTimeoutError, errorOf, NimbusError } from "./errors.js";
import type { OperationId } from "./operations.js";
import type { AbortSignalLike, FetchInit, FetchResponse, RequestOptions, Settings } from "./options.js";
import { checkedMs, checkRetries } from "./options.js";
import { delayMs, mayRetry } from "./retry.js";
import { VERSION } from "./version.js";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Query = Readonly<Record<string, unknown>>;

export interface Request {
  readonly operation: OperationId | "listWebhookKeys";
  readonly method: Method;
  /** With its ids filled in by `path`. */
  readonly path: string;
  readonly query?: Query | undefined;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly bytes?: { readonly data: Uint8Array; readonly contentType: string };
  readonly options?: RequestOptions | undefined;
}

/** A success. */
export interface RawReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** A path with ids in it. An id that would make it another path is refused. */
export function path(parts: TemplateStringsArray, ...ids: string[]): string {
  return parts.reduce((made, part, at) => {
    const id = ids[at - 1];
    if (typeof id !== "string" || /^\.{0,2}$/.test(id)) throw new NimbusError("An id of the path is empty or not one.");
    return made + encodeURIComponent(id) + part;
  });
}

export class Transport {
  readonly #settings: Settings;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** A whole reply. Throws an `ApiError` or an `ApiConnectionError` after the last try. */
  async send(request: Request): Promise<RawReply> {
    return this.#retried(request, (init, deadline) => this.#attempt(request, init, deadline));
  }

  /** The bytes of a reply as they come. `idleMs` is the longest silence. */
  async open(request: Request, idleMs: number): Promise<Stream> {
    return this.#retried(request, async (init, deadline) => {
      const response = await this.#fetch(request, init, deadline);
      if (response.status !== 200) throw await refusal(response, deadline);
      deadline.restart(idleMs);
      return { chunks: chunksOf(response, deadline, idleMs), close: () => deadline.abort() };
    });
  }

  async #retried<T>(request: Request, attempt: (init: FetchInit, deadline: Deadline) => Promise<T>): Promise<T> {
    const { options = {} } = request;
    const maxRetries = options.maxRetries ?? this.#settings.maxRetries;
    checkRetries(maxRetries);
    const timeoutMs = checkedMs("timeoutMs", options.timeoutMs ?? this.#settings.timeoutMs);
    const headers = this.#headers(request);
    const body = bodyOf(request);
    for (let retry = 0; ; retry += 1) {
      throwIfAborted(options.signal);
      const deadline = new Deadline(timeoutMs, options.signal);
      try {
        const init: FetchInit = { method: request.method, headers, redirect: "manual", signal: deadline.signal };
        return await attempt(body === undefined ? init : { ...init, body }, deadline);
      } catch (error) {
        deadline.end();
        throwIfAborted(options.signal);
        if (retry >= maxRetries || !mayRetry(error, request.method !== "PATCH")) throw error;
        const delay = delayMs(error, retry, this.#settings.maxRetryAfterMs, Math.random());
        if (delay === undefined) throw error;
        await sleep(delay, options.signal);
      }
    }
  }

  async #attempt(request: Request, init: FetchInit, deadline: Deadline): Promise<RawReply> {
    const response = await this.#fetch(request, init, deadline);
    if (response.status < 200 || response.status > 299) throw await refusal(response, deadline);
    const body = await deadline.guard(bytesOf(response));
    deadline.end();
    return { status: response.status, headers: headersOf(response), body };
  }

  #fetch(request: Request, init: FetchInit, deadline: Deadline): Promise<FetchResponse> {
    const url = this.#settings.baseUrl + request.path + queryText(request.query);
    // Called as a plain function: a browser's fetch refuses to be anybody's method.
    const { fetch } = this.#settings;
    return deadline.guard(fetch(url, init));
  }

  #headers(request: Request): Record<string, string> {
    const { options = {} } = request;
    const own: Record<string, string | undefined> = {
      "accept": "application/json",
      "user-agent": `nimbus-typescript/${VERSION}`,
      "content-type": request.bytes?.contentType ?? (request.json === undefined ? undefined : "application/json"),
      ...lowerCase(this.#settings.headers),
      ...lowerCase(options.headers ?? {}),
      "if-match": options.ifMatch,
      "if-none-match": options.ifNoneMatch,
      "idempotency-key": request.method === "POST" ? idempotencyKeyOf(options) : undefined,
      "x-api-key": this.#settings.apiKey,
    };
    return Object.fromEntries(Object.entries(own).filter((one): one is [string, string] => one[1] !== undefined));
  }
}

/** Bytes as they come, until `close`. */
export interface Stream {
  readonly chunks: AsyncIterable<Uint8Array>;
  close(): void;
}

/** One try's time, and the caller's wish to stop. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #given: AbortSignalLike | undefined;
  readonly #stop = (): void => this.#controller.abort();
  #timer: ReturnType<typeof setTimeout>;
  #timeoutMs: number;
  #isOver = false;

  constructor(timeoutMs: number, given: AbortSignalLike | undefined) {
    this.#timeoutMs = timeoutMs;
    this.#timer = this.#timed(timeoutMs);
    this.#given = given;
    given?.addEventListener("abort", this.#stop);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  #timed(timeoutMs: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.#isOver = true;
      this.#controller.abort();
    }, timeoutMs);
  }

  restart(timeoutMs: number): void {
    clearTimeout(this.#timer);
    this.#timeoutMs = timeoutMs;
    this.#timer = this.#timed(timeoutMs);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#given?.removeEventListener("abort", this.#stop);
  }

  abort(): void {
    this.end();
    this.#controller.abort();
  }

  /** The work, or its end by this deadline: also of a `fetch` that does not look at its signal. */
  async guard<T>(work: Promise<T>): Promise<T> {
    let stop = (): void => {};
    const stopped = new Promise<never>((_resolve, reject) => {
      stop = () => reject(this.signal.reason);
      this.signal.addEventListener("abort", stop);
      if (this.signal.aborted) stop();
    });
    try {
      return await Promise.race([work, stopped]);
    } catch (cause) {
      // In this library's words, which name no host, no path and no query.
      if (this.#isOver) throw new ApiTimeoutError(`No reply within ${this.#timeoutMs} ms.`, { cause });
      throw new ApiConnectionError("The connection failed.", { cause });
    } finally {
      this.signal.removeEventListener("abort", stop);
    }
  }
}

async function* chunksOf(response: FetchResponse, deadline: Deadline, idleMs: number): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  try {
    for (;;) {
      const { done, value } = await deadline.guard(reader.read());
      if (done) return;
      deadline.restart(idleMs);
      yield value;
    }
  } finally {
    deadline.abort();
  }
}

async function refusal(response: FetchResponse, deadline: Deadline): Promise<Error> {
  const bytes = await deadline.guard(bytesOf(response));
  deadline.end();
  return errorOf(response.status, headersOf(response), jsonOrNothing(bytes));
}

async function bytesOf(response: FetchResponse): Promise<Uint8Array> {
  return new Uint8Array(await response.arrayBuffer());
}

/** The JSON of a refusal. Whatever is not JSON was written by something on the way, and says nothing to decide by. */
function jsonOrNothing(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

function headersOf(response: FetchResponse): Record<string, string> {
  const headers: Record<string, string> = {};
  response.headers.forEach((value, name) => {
    headers[name.toLowerCase()] = value;
  });
  return headers;
}

/** Refused here rather than there, where a broken header field breaks the request. */
function idempotencyKeyOf(options: RequestOptions): string {
  const { idempotencyKey = randomUUID() } = options;
  if (/^[\x21-\x7e]{1,255}$/.test(idempotencyKey)) return idempotencyKey;
  throw new NimbusError("idempotencyKey is not 1 to 255 visible ASCII characters.");
}

function bodyOf(request: Request): string | Uint8Array<ArrayBuffer> | undefined {
  if (request.bytes !== undefined) return new Uint8Array(request.bytes.data);
  return request.json === undefined ? undefined : JSON.stringify(request.json);
}

function queryText(query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) parameters.append(name, String(value));
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

function lowerCase(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function throwIfAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted) throw signal.reason ?? new NimbusError("The request was aborted.");
}

/** Waits, or throws at once what the caller's signal says. */
export function sleep(delayInMs: number, signal?: AbortSignalLike): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason ?? new NimbusError("The request was aborted."));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, delayInMs);
    signal?.addEventListener("abort", stop);
  });
}
