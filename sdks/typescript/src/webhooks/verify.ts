/** Verifying and signing webhooks by the Standard Webhooks scheme: `v1` (HMAC-SHA256) and `v1a` (ed25519). */

import { createHmac, createPublicKey, randomUUID, timingSafeEqual, verify as verifyEd25519 } from "node:crypto";

import { NimbusError } from "../errors.js";
import type { OrdersWebhookEvent } from "../generated/orders.js";
import type { WebhookEvent } from "../generated/partner.js";

/** Why a webhook was refused. */
export type WebhookFault =
  | "missing_header"
  | "invalid_timestamp"
  | "too_old"
  | "too_new"
  | "no_known_signature"
  | "no_match"
  | "not_json";

/** A request that is not one of Nimbus's, or not as it was sent. Answer it with 400 or 401. */
export class WebhookVerificationError extends NimbusError {
  override name = "WebhookVerificationError";
  readonly fault: WebhookFault;

  constructor(fault: WebhookFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** Any event of either API: those of the orders API have a `type`, those of the partner API an `event_name`. */
export type AnyWebhookEvent = WebhookEvent | OrdersWebhookEvent;

/** The headers of a request: of Node.js, of `fetch`, or as a plain object. */
export type WebhookHeaders =
  | { get(name: string): string | null | undefined }
  | { readonly [name: string]: string | readonly string[] | undefined };

export interface VerifyOptions {
  /** How many seconds the time of signing may be away from now. 5 minutes if not given. */
  toleranceSeconds?: number | undefined;
  /** The present time in milliseconds since 1970, for tests. */
  nowMs?: number | undefined;
}

const TOLERANCE_SECONDS = 300;
const SECRET = "whsec_";
const PUBLIC_KEY = "whpk_";
/** What stands before the 32 bytes of an ed25519 key in DER (RFC 8410). */
const DER_HEAD = Buffer.from("302a300506032b6570032100", "hex");

/** The event of a request that Nimbus has signed; anything else throws a `WebhookVerificationError`. `payload` is the
 * body as it came, before anything has parsed it. `secrets` are the endpoint's `whsec_…`, or its public keys `whpk_…`:
 * several while they are being changed. */
export function verifyWebhook<E = AnyWebhookEvent>(
  payload: string | Uint8Array,
  headers: WebhookHeaders,
  secrets: string | readonly string[],
  options: VerifyOptions = {},
): E {
  const keys = (typeof secrets === "string" ? [secrets] : secrets).map(keyOf);
  if (keys.length === 0) throw new NimbusError("There is no secret to verify with.");
  const id = header(headers, "webhook-id");
  const timestamp = header(headers, "webhook-timestamp");
  const signatures = header(headers, "webhook-signature").split(" ");
  checkTime(timestamp, options);
  const body = Buffer.from(payload);
  checkSignatures(signatures, keys, signedPart(id, timestamp, body));
  return parsed(body) as E;
}

export interface SignOptions {
  /** The event's id; a random one if not given. */
  id?: string | undefined;
  /** When it is signed, in milliseconds since 1970; now, if not given. */
  nowMs?: number | undefined;
}

/** The headers with which Nimbus would send this body to an endpoint of this secret: to test a receiver of your own. */
export function signWebhook(
  payload: string | Uint8Array,
  secret: string,
  options: SignOptions = {},
): Record<"webhook-id" | "webhook-timestamp" | "webhook-signature", string> {
  const id = options.id ?? `msg_${randomUUID()}`;
  const timestamp = Math.floor((options.nowMs ?? Date.now()) / 1_000).toString();
  const signature = hmac(secretOf(secret), signedPart(id, timestamp, Buffer.from(payload))).toString("base64");
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${signature}` };
}

function signedPart(id: string, timestamp: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
}

function hmac(key: Buffer, signed: Buffer): Buffer {
  return createHmac("sha256", key).update(signed).digest();
}

interface Key {
  readonly version: "v1" | "v1a";
  isOf(signed: Buffer, signature: Buffer): boolean;
}

function keyOf(secret: string): Key {
  if (secret.startsWith(PUBLIC_KEY)) {
    const der = Buffer.concat([DER_HEAD, decoded(secret.slice(PUBLIC_KEY.length))]);
    if (der.length !== DER_HEAD.length + 32) throw new NimbusError("A public key is not 32 bytes long.");
    const key = createPublicKey({ key: der, format: "der", type: "spki" });
    return { version: "v1a", isOf: (signed, signature) => verifyEd25519(null, signed, key, signature) };
  }
  const bytes = secretOf(secret);
  const isOf = (signed: Buffer, signature: Buffer): boolean => {
    const expected = hmac(bytes, signed);
    return signature.length === expected.length && timingSafeEqual(signature, expected);
  };
  return { version: "v1", isOf };
}

function secretOf(secret: string): Buffer {
  if (!secret.startsWith(SECRET)) throw new NimbusError("A secret begins with neither whsec_ nor whpk_.");
  const bytes = decoded(secret.slice(SECRET.length));
  if (bytes.length === 0) throw new NimbusError("A secret is empty.");
  return bytes;
}

/** Node.js passes over what is not base64, so that a mistyped secret would be another secret. */
function decoded(base64: string): Buffer {
  const bytes = Buffer.from(base64, "base64");
  if (bytes.toString("base64").replace(/=+$/, "") !== base64.replace(/=+$/, "")) {
    throw new NimbusError("A secret or public key is not base64.");
  }
  return bytes;
}

function header(headers: WebhookHeaders, name: string): string {
  const found = isMap(headers) ? headers.get(name) : ownHeader(headers, name);
  if (typeof found === "string" && found !== "") return found;
  throw new WebhookVerificationError("missing_header", `The header ${name} is missing, or there more than once.`);
}

function isMap(headers: WebhookHeaders): headers is { get(name: string): string | null | undefined } {
  return typeof (headers as { get?: unknown }).get === "function";
}

function ownHeader(headers: { readonly [name: string]: unknown }, name: string): unknown {
  const found = Object.entries(headers).filter(([key]) => key.toLowerCase() === name);
  const value = found.length === 1 ? found[0]?.[1] : undefined;
  return Array.isArray(value) && value.length === 1 ? value[0] : value;
}

function checkTime(timestamp: string, options: VerifyOptions): void {
  if (!/^\d{1,10}$/.test(timestamp)) {
    throw new WebhookVerificationError("invalid_timestamp", "webhook-timestamp is not a number of seconds since 1970.");
  }
  const tolerance = options.toleranceSeconds ?? TOLERANCE_SECONDS;
  if (!(tolerance >= 0)) throw new NimbusError("toleranceSeconds is not a number from 0.");
  const ageSeconds = Math.floor((options.nowMs ?? Date.now()) / 1_000) - Number(timestamp);
  if (ageSeconds > tolerance) {
    throw new WebhookVerificationError("too_old", "It was signed too long ago: it is replayed, or a clock is off.");
  }
  if (ageSeconds < -tolerance) {
    throw new WebhookVerificationError("too_new", "It was signed in the future: a clock is off.");
  }
}

function checkSignatures(signatures: string[], keys: readonly Key[], signed: Buffer): void {
  const candidates = signatures.flatMap((signature) => {
    const [version, base64 = ""] = signature.split(",", 2);
    return keys.filter((key) => key.version === version).map((key) => ({ key, bytes: Buffer.from(base64, "base64") }));
  });
  if (candidates.length === 0) {
    const wanted = [...new Set(keys.map((key) => key.version))].join(" or ");
    throw new WebhookVerificationError("no_known_signature", `webhook-signature has no signature of ${wanted}.`);
  }
  if (!candidates.some(({ key, bytes }) => key.isOf(signed, bytes))) {
    throw new WebhookVerificationError(
      "no_match",
      "No signature matches: it is another endpoint's secret, or the body is not as it came.",
    );
  }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new WebhookVerificationError("not_json", "The body is signed, and is not JSON.");
  }
}
