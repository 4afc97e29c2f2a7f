/** What a client and a single call can be told, and how it is checked. */

import { NimbusError } from "./errors.js";

/** As much of an `AbortSignal` as is needed. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** As much of a `Response` as is needed. */
export interface FetchResponse {
  readonly status: number;
  readonly headers: { forEach(visit: (value: string, name: string) => void): void };
  readonly body: unknown;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** `fetch`, or anything that is called alike. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>;

export interface FetchInit {
  method: string;
  headers: Record<string, string>;
  body?: string | Uint8Array<ArrayBuffer>;
  redirect: "manual";
  signal: AbortSignal;
}

export type Environment = "sandbox" | "production";

export interface ClientOptions {
  /** The API key; else that of the environment variable `NIMBUS_API_KEY`. */
  apiKey?: string | undefined;
  /** Which deployment; else the one that the key belongs to by its prefix, `dev_` or `prod_`. */
  environment?: Environment | undefined;
  /** Another deployment than the published two; else that of the environment variable `NIMBUS_BASE_URL`. */
  baseUrl?: string | undefined;
  /** How long a try may take in milliseconds, to the end of the reply. 30 seconds if not given. */
  timeoutMs?: number | undefined;
  /** How often a failed request is tried again. Twice if not given, 10 times at most. */
  maxRetries?: number | undefined;
  /** The longest `Retry-After` that is waited for, in milliseconds; after a longer one the error is thrown. One minute
   * if not given. */
  maxRetryAfterMs?: number | undefined;
  /** Header fields of every request. */
  headers?: Record<string, string> | undefined;
  /** What makes the requests, in the place of the global `fetch`. */
  fetch?: Fetch | undefined;
}

export interface RequestOptions {
  /** The key by which the server knows a POST again; a random one if not given. The same for every retry. */
  idempotencyKey?: string | undefined;
  /** The `ETag` that a PATCH is to apply to. */
  ifMatch?: string | undefined;
  /** The `ETag` of what you have: `NotModifiedError` is thrown while it is what there is. */
  ifNoneMatch?: string | undefined;
  timeoutMs?: number | undefined;
  maxRetries?: number | undefined;
  headers?: Record<string, string> | undefined;
  signal?: AbortSignalLike | undefined;
}

export interface Settings {
  readonly apiKey: string;
  readonly baseUrl: string;
  readonly timeoutMs: number;
  readonly maxRetries: number;
  readonly maxRetryAfterMs: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: Fetch;
}

const MOST_RETRIES = 10;
const HOSTS: Record<Environment, string> = {
  sandbox: "https://api-sandbox.nimbus-os.com",
  production: "https://api.nimbus-os.com",
};

/** The settings of a client. Throws a `NimbusError` about what cannot be meant, without repeating it. */
export function settingsOf(options: ClientOptions): Settings {
  const apiKey = options.apiKey ?? environmentVariable("NIMBUS_API_KEY");
  if (apiKey === undefined || apiKey === "") {
    throw new NimbusError("There is no API key: give apiKey, or set NIMBUS_API_KEY.");
  }
  if (!/^[\x21-\x7e]+$/.test(apiKey)) throw new NimbusError("The API key has a character that no key has.");
  const fetch = options.fetch ?? (globalThis.fetch as unknown as Fetch | undefined);
  if (fetch === undefined) throw new NimbusError("This runtime has no fetch: give one, or use Node.js 18 or newer.");
  const maxRetries = options.maxRetries ?? 2;
  checkRetries(maxRetries);
  return {
    apiKey,
    baseUrl: baseUrlOf(options, apiKey),
    timeoutMs: checkedMs("timeoutMs", options.timeoutMs ?? 30_000),
    maxRetries,
    maxRetryAfterMs: checkedMs("maxRetryAfterMs", options.maxRetryAfterMs ?? 60_000),
    headers: options.headers ?? {},
    fetch,
  };
}

function baseUrlOf(options: ClientOptions, apiKey: string): string {
  const given = options.baseUrl ?? (options.environment ? undefined : environmentVariable("NIMBUS_BASE_URL"));
  if (given !== undefined) return checkedUrl(given);
  const ofKey: Environment = apiKey.startsWith("prod_") ? "production" : "sandbox";
  if (options.environment !== undefined && options.environment !== ofKey && /^(dev|prod)_/.test(apiKey)) {
    throw new NimbusError(`The API key is not one of ${options.environment}.`);
  }
  return HOSTS[options.environment ?? ofKey];
}

/** A key is never sent in the clear, except to this machine. */
function checkedUrl(given: string): string {
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw new NimbusError("baseUrl is not a URL.");
  }
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && local)) {
    throw new NimbusError("baseUrl is neither https nor on this machine.");
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new NimbusError("baseUrl has more than a host and a path.");
  }
  return url.href.replace(/\/+$/, "");
}

export function checkRetries(maxRetries: number): void {
  if (!Number.isInteger(maxRetries) || maxRetries < 0 || maxRetries > MOST_RETRIES) {
    throw new NimbusError(`maxRetries is not a whole number from 0 to ${MOST_RETRIES}.`);
  }
}

/** The longest that a timer of the runtime can wait. */
const MOST_MS = 2 ** 31 - 1;

export function checkedMs(name: string, value: number): number {
  if (!(value > 0 && value <= MOST_MS)) throw new NimbusError(`${name} is not a number of milliseconds above 0.`);
  return value;
}

function environmentVariable(name: string): string | undefined {
  return typeof process === "undefined" ? undefined : process.env[name];
}
