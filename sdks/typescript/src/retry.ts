/** Whether a request is tried again, and when. */

import { ApiConnectionError, ApiError, retryAfterSeconds } from "./errors.js";

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 8_000;

/** Failures in which nothing was sent, by the codes of Node.js and its fetch. */
const NEVER_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);

/** Whether what failed may pass by itself, and whether a repeat is safe: of a request that is not `repeatable` only
 * where the server cannot have begun it. */
export function mayRetry(error: unknown, repeatable: boolean): boolean {
  if (error instanceof ApiError) {
    if (error.status === 429) return true;
    return repeatable && (error.status === 408 || error.status >= 500 || isInUse(error));
  }
  return error instanceof ApiConnectionError && (repeatable || wasNeverSent(error));
}

/** Another request with the same idempotency key is being worked on: its reply will be told again. */
function isInUse(error: ApiError): boolean {
  return error.status === 409 && error.code.toLowerCase() === "idempotency_key_in_use";
}

function wasNeverSent(error: ApiConnectionError): boolean {
  const cause = (error.cause as { cause?: { code?: unknown } } | undefined)?.cause;
  return typeof cause?.code === "string" && NEVER_SENT.has(cause.code);
}

/** How long to wait before try number `retry` (from 0), in milliseconds: what the server asks for; or else exponential
 * back-off with full jitter, as Marc Brooker of AWS describes it. Undefined where the server asks for too long a wait.
 * `random` is between 0 and 1. */
export function delayMs(error: unknown, retry: number, longestMs: number, random: number): number | undefined {
  const asked = error instanceof ApiError ? retryAfterSeconds(error.headers) : undefined;
  if (asked !== undefined) return asked * 1_000 <= longestMs ? asked * 1_000 : undefined;
  return random * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** retry);
}
