/** The Nimbus API for TypeScript and JavaScript. */

import type * as OrdersApi from "./generated/orders.js";
import type * as PartnerApi from "./generated/partner.js";

/** The types of each API, by their names in its OpenAPI document. */
export type { OrdersApi, PartnerApi };
export { Nimbus } from "./client.js";
export {
  ApiConnectionError,
  ApiError,
  ApiTimeoutError,
  AuthenticationError,
  BadRequestError,
  BusinessRuleError,
  ConflictError,
  GoneError,
  IdempotencyError,
  NimbusError,
  NotFoundError,
  NotModifiedError,
  PermissionDeniedError,
  PreconditionFailedError,
  RateLimitError,
  ServerError,
  ValidationError,
  type FieldError,
} from "./errors.js";
export type { ClientOptions, Environment, Fetch, RequestOptions } from "./options.js";
export { Page, PagePromise } from "./pagination.js";
export { ApiPromise, type ApiResponse } from "./promise.js";
export type { StreamOptions } from "./resources/events.js";
export type { ServerSentEvent } from "./sse.js";
export { VERSION } from "./version.js";
export {
  signWebhook,
  verifyWebhook,
  WebhookVerificationError,
  type AnyWebhookEvent,
  type SignOptions,
  type VerifyOptions,
  type WebhookFault,
  type WebhookHeaders,
} from "./webhooks/verify.js";
