/** The event logs of both APIs: read by pages, followed as they grow, or streamed. */

import type * as OrdersApi from "../generated/orders.js";
import type * as PartnerApi from "../generated/partner.js";
import type { RequestOptions, Settings } from "../options.js";
import { Page, PagePromise } from "../pagination.js";
import { ApiPromise } from "../promise.js";
import { OrdersResource, PartnerResource, PARTNER_ROOT, requestOf } from "../resource.js";
import { IDLE_MS, messages, type ServerSentEvent } from "../sse.js";
import { path, type Request, type Transport } from "../transport.js";

/** The longest that the server waits for an event, in seconds; and how much longer a reply may take. */
const WAIT_SECONDS = 15;
const WAIT_TIMEOUT_MS = 30_000;

export interface StreamOptions extends RequestOptions {
  /** Whether to come back when a connection ends: yes, if not given. */
  reconnect?: boolean | undefined;
}

/** Events that the partner API tells, oldest first. */
export class Events extends PartnerResource {
  readonly #settings: Settings;

  constructor(transport: Transport, settings: Settings) {
    super(transport);
    this.#settings = settings;
  }

  /** What is kept; `cursor` is the last event that you have, `wait` the seconds to wait where there is none after it. */
  list(query: PartnerApi.ListEventsQuery = {}, options?: RequestOptions): PagePromise<PartnerApi.WebhookEvent> {
    return this.paged("listEvents", "/events", { query, options });
  }

  retrieve(eventId: string, options?: RequestOptions): ApiPromise<PartnerApi.WebhookEvent> {
    return this.send("getEvent", "GET", path`/events/${eventId}`, { options });
  }

  /** All events from `cursor` on, and then each as it comes, by asking again and again. It ends when you leave it. */
  follow(
    query: Omit<PartnerApi.ListEventsQuery, "wait"> = {},
    options?: RequestOptions,
  ): AsyncGenerator<PartnerApi.WebhookEvent, void, undefined> {
    const list = (cursor: string | undefined, limits: RequestOptions) =>
      this.list({ ...query, ...(cursor === undefined ? {} : { cursor }), wait: WAIT_SECONDS }, limits);
    return followed(list, (event) => event.event_id, query.cursor, waiting(this.#settings, options));
  }

  /** The same over one connection, which is made again when it ends. */
  async *stream(
    query: PartnerApi.StreamEventsQuery = {},
    options?: StreamOptions,
  ): AsyncGenerator<PartnerApi.WebhookEvent, void, undefined> {
    for await (const message of this.messages(query, options)) yield JSON.parse(message.data);
  }

  /** The messages of the stream as they are sent. With `webhook_id` their `fields` have the signature of `data`. */
  messages(
    query: PartnerApi.StreamEventsQuery = {},
    options?: StreamOptions,
  ): AsyncGenerator<ServerSentEvent, void, undefined> {
    const request = requestOf("streamEvents", "GET", `${PARTNER_ROOT}/events/stream`, { query, options });
    return streamed(this.transport, this.#settings, request, options);
  }
}

/** Events that the orders API tells, oldest first. */
export class OrderEvents extends OrdersResource {
  readonly #settings: Settings;

  constructor(transport: Transport, settings: Settings) {
    super(transport);
    this.#settings = settings;
  }

  /** What is kept; `cursor` is the last event that you have, `wait` the seconds to wait where there is none after it. */
  list(
    query: OrdersApi.ListOrderEventsQuery = {},
    options?: RequestOptions,
  ): PagePromise<OrdersApi.OrdersWebhookEvent> {
    return this.paged("listOrderEvents", "/events", { query, options });
  }

  retrieve(eventId: string, options?: RequestOptions): ApiPromise<OrdersApi.OrdersWebhookEvent> {
    return this.send("getOrderEvent", "GET", path`/events/${eventId}`, { options });
  }

  /** All events from `cursor` on, and then each as it comes, by asking again and again. It ends when you leave it. */
  follow(
    query: Omit<OrdersApi.ListOrderEventsQuery, "wait"> = {},
    options?: RequestOptions,
  ): AsyncGenerator<OrdersApi.OrdersWebhookEvent, void, undefined> {
    const list = (cursor: string | undefined, limits: RequestOptions) =>
      this.list({ ...query, ...(cursor === undefined ? {} : { cursor }), wait: WAIT_SECONDS }, limits);
    return followed(list, (event) => event.id, query.cursor, waiting(this.#settings, options));
  }

  /** The same over one connection, which is made again when it ends. */
  async *stream(
    query: OrdersApi.StreamOrderEventsQuery = {},
    options?: StreamOptions,
  ): AsyncGenerator<OrdersApi.OrdersWebhookEvent, void, undefined> {
    for await (const message of this.messages(query, options)) yield JSON.parse(message.data);
  }

  /** The messages of the stream as they are sent. With `webhookId` their `fields` have the signature of `data`. */
  messages(
    query: OrdersApi.StreamOrderEventsQuery = {},
    options?: StreamOptions,
  ): AsyncGenerator<ServerSentEvent, void, undefined> {
    const request = requestOf("streamOrderEvents", "GET", "/events/stream", { query, options });
    return streamed(this.transport, this.#settings, request, options);
  }
}

/** A request that waits needs more time than one that does not. */
function waiting(settings: Settings, options: RequestOptions = {}): RequestOptions {
  return { ...options, timeoutMs: Math.max(options.timeoutMs ?? settings.timeoutMs, WAIT_TIMEOUT_MS) };
}

async function* followed<T>(
  list: (cursor: string | undefined, options: RequestOptions) => PagePromise<T>,
  idOf: (event: T) => string,
  from: string | undefined,
  options: RequestOptions,
): AsyncGenerator<T, void, undefined> {
  let cursor = from;
  for (;;) {
    const page: Page<T> = await list(cursor, options);
    for (const event of page.data) {
      cursor = idOf(event);
      yield event;
    }
  }
}

function streamed(
  transport: Transport,
  settings: Settings,
  request: Request,
  options: StreamOptions = {},
): AsyncGenerator<ServerSentEvent, void, undefined> {
  const open = (lastId: string | undefined) => {
    const headers = { ...options.headers, accept: "text/event-stream" };
    const resumed = lastId === undefined ? headers : { ...headers, "last-event-id": lastId };
    return transport.open({ ...request, options: { ...options, headers: resumed, maxRetries: 0 } }, IDLE_MS);
  };
  return messages({
    open,
    lastId: undefined,
    reconnect: options.reconnect ?? true,
    maxRetries: options.maxRetries ?? settings.maxRetries,
    maxRetryAfterMs: settings.maxRetryAfterMs,
    signal: options.signal,
  });
}
