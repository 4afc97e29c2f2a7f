/** A `fetch` that answers from a list, and a client on it. */

import type { ClientOptions, Fetch } from "@nimbus-os/sdk";
import { Nimbus } from "@nimbus-os/sdk";

export const KEY = "dev_key_that_is_never_shown";

export interface Sent {
  readonly url: URL;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
}

export type Answer = (sent: Sent, signal: AbortSignal) => Response | Promise<Response>;

/** A client whose requests are answered by one answer after the other, the last one for all the rest. */
export function stubbed(answers: Answer[], options: ClientOptions = {}): { nimbus: Nimbus; sent: Sent[] } {
  const sent: Sent[] = [];
  const fetch: Fetch = async (url, init) => {
    const body = init.body === undefined ? undefined : Buffer.from(init.body as string).toString();
    const request = { url: new URL(url), method: init.method, headers: init.headers, body };
    sent.push(request);
    const answer = answers[Math.min(sent.length, answers.length) - 1];
    if (answer === undefined) throw new Error("no answer was planned");
    return answer(request, init.signal);
  };
  return { nimbus: new Nimbus({ apiKey: KEY, environment: "sandbox", fetch, ...options }), sent };
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  const head = { "content-type": "application/json", "x-request-id": "req_stub", ...headers };
  return () => new Response(status === 304 ? null : JSON.stringify(body), { status, headers: head });
}

/** What the runtime says when the connection fails. */
export function broken(code: string): Answer {
  return () => Promise.reject(new TypeError("fetch failed", { cause: Object.assign(new Error(code), { code }) }));
}

/** What a call that has to fail fails with. */
export async function failureOf(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error("it succeeded");
}

/** Answers nothing until the request is aborted. */
export const silent: Answer = (_sent, signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
    if (signal.aborted) reject(signal.reason);
  });
