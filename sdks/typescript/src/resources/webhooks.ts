/** Webhooks that are sent the events of the partner API. */

import type {
  DeleteNamedWebhookQuery,
  Delivery,
  Empty,
  EventTypeList,
  GetWebhookStatsQuery,
  ListWebhookDeliveriesQuery,
  ListWebhooksQuery,
  Replay,
  ReplayCreate,
  ResentDelivery,
  SecretRotation,
  Webhook,
  WebhookCreate,
  WebhookEvent,
  WebhookStats,
  WebhookTested,
  WebhookUpdate,
} from "../generated/partner.js";
import type { RequestOptions } from "../options.js";
import type { PagePromise } from "../pagination.js";
import type { ApiPromise } from "../promise.js";
import { PartnerResource } from "../resource.js";
import { path, type Transport } from "../transport.js";
import type { PublicKeys } from "../webhooks/public-keys.js";
import { verifyWebhook, type VerifyOptions, type WebhookHeaders } from "../webhooks/verify.js";

/** Endpoints that receive `WebhookEvent`s. */
export class Webhooks extends PartnerResource {
  readonly #publicKeys: PublicKeys;

  constructor(transport: Transport, publicKeys: PublicKeys) {
    super(transport);
    this.#publicKeys = publicKeys;
  }

  /** The reply shows the `signing_secret`, once. The same clinic and URL again answers the webhook there is, without
   * it. */
  create(body: WebhookCreate, options?: RequestOptions): ApiPromise<Webhook> {
    return this.send("createWebhook", "POST", "/webhook", { json: body, options });
  }

  /** Newest first. */
  list(query: ListWebhooksQuery = {}, options?: RequestOptions): PagePromise<Webhook> {
    return this.paged("listWebhooks", "/webhook", { query, options });
  }

  retrieve(webhookId: string, options?: RequestOptions): ApiPromise<Webhook> {
    return this.send("getWebhook", "GET", path`/webhook/${webhookId}`, { options });
  }

  /** Changes what is given; `status` pauses it and has it go on. */
  update(webhookId: string, body: WebhookUpdate, options?: RequestOptions): ApiPromise<Webhook> {
    return this.send("updateWebhook", "PATCH", path`/webhook/${webhookId}`, { json: body, options });
  }

  /** Deliveries stop at once. */
  delete(webhookId: string, options?: RequestOptions): ApiPromise<Empty> {
    return this.send("deleteWebhook", "DELETE", path`/webhook/${webhookId}`, { options });
  }

  /** The older form of `delete`, which names the webhook in the query. */
  deleteNamed(query: DeleteNamedWebhookQuery = {}, options?: RequestOptions): ApiPromise<Empty> {
    return this.send("deleteNamedWebhook", "DELETE", "/webhook", { query, options });
  }

  /** A new secret, shown once; the one before signs too for a while, 24 hours if not given. */
  rotateSecret(webhookId: string, body: SecretRotation = {}, options?: RequestOptions): ApiPromise<Webhook> {
    return this.send("rotateWebhookSecret", "POST", path`/webhook/${webhookId}/rotate-secret`, { json: body, options });
  }

  /** Sends a `webhook:test`. */
  test(webhookId: string, options?: RequestOptions): ApiPromise<WebhookTested> {
    return this.send("testWebhook", "POST", path`/webhook/${webhookId}/test`, { options });
  }

  /** How it does: deliveries, latencies, causes of failure. */
  stats(webhookId: string, query: GetWebhookStatsQuery = {}, options?: RequestOptions): ApiPromise<WebhookStats> {
    return this.send("getWebhookStats", "GET", path`/webhook/${webhookId}/stats`, { query, options });
  }

  /** Newest first, each with its attempts. */
  listDeliveries(
    webhookId: string,
    query: ListWebhookDeliveriesQuery = {},
    options?: RequestOptions,
  ): PagePromise<Delivery> {
    return this.paged("listWebhookDeliveries", path`/webhook/${webhookId}/deliveries`, { query, options });
  }

  /** Sends a delivery again, under its `webhook-id`. */
  retryDelivery(webhookId: string, deliveryId: string, options?: RequestOptions): ApiPromise<Empty> {
    return this.send("retryWebhookDelivery", "POST", path`/webhook/${webhookId}/deliveries/${deliveryId}/retry`, { options });
  }

  /** Sends one event of the log to this webhook. */
  resendEvent(webhookId: string, eventId: string, options?: RequestOptions): ApiPromise<ResentDelivery> {
    return this.send("resendWebhookEvent", "POST", path`/webhook/${webhookId}/events/${eventId}/resend`, { options });
  }

  /** Sends again what failed since a time, or everything. */
  replay(webhookId: string, body: ReplayCreate, options?: RequestOptions): ApiPromise<Replay> {
    return this.send("replayWebhook", "POST", path`/webhook/${webhookId}/replay`, { json: body, options });
  }

  /** How far a replay is. */
  retrieveReplay(webhookId: string, replayId: string, options?: RequestOptions): ApiPromise<Replay> {
    return this.send("getWebhookReplay", "GET", path`/webhook/${webhookId}/replay/${replayId}`, { options });
  }

  /** Ends a replay; what was sent stays sent. */
  cancelReplay(webhookId: string, replayId: string, options?: RequestOptions): ApiPromise<Replay> {
    return this.send("cancelWebhookReplay", "DELETE", path`/webhook/${webhookId}/replay/${replayId}`, { options });
  }

  /** Every event, with its schema and an example in both payloads. */
  eventTypes(options?: RequestOptions): ApiPromise<EventTypeList[]> {
    return this.send("listEventTypes", "GET", "/event-types", { options });
  }

  /** The event of a request that was sent to one of these: see `verifyWebhook`. */
  verify(
    payload: string | Uint8Array,
    headers: WebhookHeaders,
    secrets: string | readonly string[],
    options?: VerifyOptions,
  ): WebhookEvent {
    return verifyWebhook<WebhookEvent>(payload, headers, secrets, options);
  }

  /** The public keys of one that signs with ed25519, for `verify`. They are kept for five minutes. */
  publicKeys(webhookId: string): Promise<string[]> {
    return this.#publicKeys.of(webhookId);
  }
}
