/** Webhook endpoints that are sent the events of the orders API. */

import type {
  Delivery,
  ListWebhookEndpointDeliveriesQuery,
  ListWebhookEndpointsQuery,
  OrdersWebhookEvent,
  Replay,
  ReplayRequest,
  ResentDelivery,
  SecretRotation,
  Webhook,
  WebhookCreate,
  WebhookTest,
  WebhookTestResult,
  WebhookUpdate,
} from "../generated/orders.js";
import type { RequestOptions } from "../options.js";
import type { PagePromise } from "../pagination.js";
import type { ApiPromise } from "../promise.js";
import { OrdersResource } from "../resource.js";
import { path, type Transport } from "../transport.js";
import type { PublicKeys } from "../webhooks/public-keys.js";
import { verifyWebhook, type VerifyOptions, type WebhookHeaders } from "../webhooks/verify.js";

/** Endpoints that receive `OrdersWebhookEvent`s. */
export class WebhookEndpoints extends OrdersResource {
  readonly #publicKeys: PublicKeys;

  constructor(transport: Transport, publicKeys: PublicKeys) {
    super(transport);
    this.#publicKeys = publicKeys;
  }

  /** The reply shows the `signingSecret`, once. The same URL again answers the endpoint there is, without it. */
  create(body: WebhookCreate, options?: RequestOptions): ApiPromise<Webhook> {
    return this.send("createWebhookEndpoint", "POST", "/webhooks", { json: body, options });
  }

  /** Newest first. */
  list(query: ListWebhookEndpointsQuery = {}, options?: RequestOptions): PagePromise<Webhook> {
    return this.paged("listWebhookEndpoints", "/webhooks", { query, options });
  }

  retrieve(webhookId: string, options?: RequestOptions): ApiPromise<Webhook> {
    return this.send("getWebhookEndpoint", "GET", path`/webhooks/${webhookId}`, { options });
  }

  /** Changes what is given; `status` pauses it and has it go on. */
  update(webhookId: string, body: WebhookUpdate, options?: RequestOptions): ApiPromise<Webhook> {
    return this.send("updateWebhookEndpoint", "PATCH", path`/webhooks/${webhookId}`, { json: body, options });
  }

  /** Deliveries stop at once. */
  delete(webhookId: string, options?: RequestOptions): ApiPromise<undefined> {
    return this.send("deleteWebhookEndpoint", "DELETE", path`/webhooks/${webhookId}`, { options });
  }

  /** A new secret, shown once; the one before signs too for a while, 24 hours if not given. */
  rotateSecret(webhookId: string, body: SecretRotation = {}, options?: RequestOptions): ApiPromise<Webhook> {
    return this.send("rotateWebhookEndpointSecret", "POST", path`/webhooks/${webhookId}/rotate-secret`, { json: body, options });
  }

  /** Sends one signed sample, and tells what was answered. */
  test(body: WebhookTest = {}, options?: RequestOptions): ApiPromise<WebhookTestResult> {
    return this.send("sendTestWebhook", "POST", "/webhooks/test", { json: body, options });
  }

  /** Newest first, each with its attempts. */
  listDeliveries(
    webhookId: string,
    query: ListWebhookEndpointDeliveriesQuery = {},
    options?: RequestOptions,
  ): PagePromise<Delivery> {
    return this.paged("listWebhookEndpointDeliveries", path`/webhooks/${webhookId}/deliveries`, { query, options });
  }

  /** Sends a delivery again, under its `webhook-id`. */
  retryDelivery(webhookId: string, deliveryId: string, options?: RequestOptions): ApiPromise<ResentDelivery> {
    return this.send("retryWebhookEndpointDelivery", "POST", path`/webhooks/${webhookId}/deliveries/${deliveryId}/retry`, { options });
  }

  /** Sends one event of the log to this endpoint. */
  resendEvent(webhookId: string, eventId: string, options?: RequestOptions): ApiPromise<ResentDelivery> {
    return this.send("resendWebhookEndpointEvent", "POST", path`/webhooks/${webhookId}/events/${eventId}/resend`, { options });
  }

  /** Sends again what failed since a time, or everything. */
  replay(webhookId: string, body: ReplayRequest, options?: RequestOptions): ApiPromise<Replay> {
    return this.send("replayWebhookEndpoint", "POST", path`/webhooks/${webhookId}/replay`, { json: body, options });
  }

  /** How far a replay is. */
  retrieveReplay(webhookId: string, replayId: string, options?: RequestOptions): ApiPromise<Replay> {
    return this.send("getWebhookEndpointReplay", "GET", path`/webhooks/${webhookId}/replay/${replayId}`, { options });
  }

  /** Ends a replay; what was sent stays sent. */
  cancelReplay(webhookId: string, replayId: string, options?: RequestOptions): ApiPromise<Replay> {
    return this.send("cancelWebhookEndpointReplay", "DELETE", path`/webhooks/${webhookId}/replay/${replayId}`, { options });
  }

  /** The event of a request that was sent to one of these: see `verifyWebhook`. */
  verify(
    payload: string | Uint8Array,
    headers: WebhookHeaders,
    secrets: string | readonly string[],
    options?: VerifyOptions,
  ): OrdersWebhookEvent {
    return verifyWebhook<OrdersWebhookEvent>(payload, headers, secrets, options);
  }

  /** The public keys of one that signs with ed25519, for `verify`. They are kept for five minutes. */
  publicKeys(webhookId: string): Promise<string[]> {
    return this.#publicKeys.of(webhookId);
  }
}
