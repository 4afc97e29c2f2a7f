/** What can go wrong: refusals of the server by what to do about them, broken connections, false webhooks. */

/** A field that was refused, by its JSON path such as `medication_requests[1].quantity`. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/** The ancestor of every error that this library makes. */
export class NimbusError extends Error {
  override name = "NimbusError";
}

/** No reply came: the name did not resolve, nothing listened, the connection broke. `cause` has what the runtime said. */
export class ApiConnectionError extends NimbusError {
  override name = "ApiConnectionError";
}

/** The reply did not come within `timeoutMs`. What was asked for may have happened all the same. */
export class ApiTimeoutError extends ApiConnectionError {
  override name = "ApiTimeoutError";
}

/** The parts of a refusal. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly requestId: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly details: unknown;
  readonly fields: readonly FieldError[];
}

/** The server answered with something other than success. Decide by the class or by `code`, never by `message`. */
export class ApiError extends NimbusError {
  override name = "ApiError";
  readonly status: number;
  /** The server's word, as it wrote it: `VALIDATION_ERROR` on the partner API, `validation_error` on the orders API. */
  readonly code: string;
  /** Quote it when you ask support. */
  readonly requestId: string | undefined;
  /** The reply's header fields, with names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** What the refusal says besides, in the shape of its API. */
  readonly details: unknown;
  /** The fields that were refused, in one shape for both APIs. */
  readonly fields: readonly FieldError[];

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.status = refusal.status;
    this.code = refusal.code;
    this.requestId = refusal.requestId;
    this.headers = refusal.headers;
    this.details = refusal.details;
    this.fields = refusal.fields;
  }
}

/** 304: what you have, by the `ifNoneMatch` that you sent, is what there is. */
export class NotModifiedError extends ApiError {
  override name = "NotModifiedError";
}

/** 400, 405, 413, 415: the request could not be read. */
export class BadRequestError extends ApiError {
  override name = "BadRequestError";
}

/** 400 or 422: `fields` says what to correct. */
export class ValidationError extends BadRequestError {
  override name = "ValidationError";
}

/** 400 or 422: the request is well formed, and a rule of the pharmacy stands against it. */
export class BusinessRuleError extends ApiError {
  override name = "BusinessRuleError";

  /** The words to decide by, such as `already_open`. `details` says more, such as the day on which a rule passes. */
  get reasons(): string[] {
    return listed(this.details).flatMap((one) => text(member(one, "reason")) ?? []);
  }
}

/** 401: the key is missing, mistyped, revoked, or of the other environment. */
export class AuthenticationError extends ApiError {
  override name = "AuthenticationError";
}

/** 403: the key lacks the scope. */
export class PermissionDeniedError extends ApiError {
  override name = "PermissionDeniedError";
}

/** 404: nothing that this key can see. */
export class NotFoundError extends ApiError {
  override name = "NotFoundError";
}

/** 409, and 400 `INVALID_STATUS_TRANSITION`: it is in another state than you thought. Read it again. */
export class ConflictError extends ApiError {
  override name = "ConflictError";
}

/** 409: this idempotency key was sent before with something else (or, `…_in_use`, is still being worked on). */
export class IdempotencyError extends ConflictError {
  override name = "IdempotencyError";
}

/** 410: an event or a cursor that is not kept any more. Go on without the cursor. */
export class GoneError extends ApiError {
  override name = "GoneError";
}

/** 412: somebody changed it since you read the tag in your `ifMatch`. */
export class PreconditionFailedError extends ApiError {
  override name = "PreconditionFailedError";
}

/** 429: too many requests. */
export class RateLimitError extends ApiError {
  override name = "RateLimitError";

  /** Seconds to wait, where the server said so. */
  get retryAfter(): number | undefined {
    return retryAfterSeconds(this.headers);
  }
}

/** 5xx: not your fault. */
export class ServerError extends ApiError {
  override name = "ServerError";
}

const OF_RULES = new Set([
  "refill_not_eligible",
  "refill_exists",
  "service_not_available",
  "order_rejected",
  "duplicate_patient",
]);

const OF_CODE: Record<string, typeof ApiError> = {
  validation_error: ValidationError,
  invalid_status_transition: ConflictError,
  idempotency_key_conflict: IdempotencyError,
  idempotency_key_in_use: IdempotencyError,
};

const OF_STATUS: Record<number, typeof ApiError> = {
  304: NotModifiedError,
  400: BadRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  405: BadRequestError,
  409: ConflictError,
  410: GoneError,
  412: PreconditionFailedError,
  413: BadRequestError,
  415: BadRequestError,
  422: ValidationError,
  429: RateLimitError,
};

/** The error of a reply, by its code first: both APIs have the same reasons under different statuses. */
export function errorOf(status: number, headers: Record<string, string>, body: unknown): ApiError {
  const refusal = refusalOf(status, headers, body);
  const code = refusal.code.toLowerCase();
  if (OF_RULES.has(code)) return new BusinessRuleError(refusal);
  const Chosen = OF_CODE[code] ?? OF_STATUS[status] ?? (status >= 500 ? ServerError : ApiError);
  return new Chosen(refusal);
}

/** Reads the two shapes of a refusal, and one that a proxy on the way has written. */
function refusalOf(status: number, headers: Record<string, string>, body: unknown): Refusal {
  const error = member(body, "error");
  const code = text(member(error, "code")) ?? "";
  const message = text(member(error, "message")) ?? `The server answered with status ${status}.`;
  const requestId = text(member(error, "requestId")) ?? text(member(error, "request_id")) ?? headers["x-request-id"];
  const details = member(error, "details");
  return { status, code, message, requestId, headers, details, fields: fieldsOf(details) };
}

function fieldsOf(details: unknown): FieldError[] {
  return listed(details).flatMap((one) => {
    const field = text(member(one, "field"));
    const message = text(member(one, "message")) ?? text(member(one, "reason"));
    return field === undefined || message === undefined ? [] : [{ field, message }];
  });
}

/** The entries of `details`: a list on the partner API, its member `errors` on the orders API. */
function listed(details: unknown): unknown[] {
  const entries = Array.isArray(details) ? details : member(details, "errors");
  return Array.isArray(entries) ? entries : [];
}

/** `Retry-After` in seconds; the server writes no dates, so neither is one read. */
export function retryAfterSeconds(headers: Readonly<Record<string, string>>): number | undefined {
  const value = headers["retry-after"];
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
