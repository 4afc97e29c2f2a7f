/** What the resources of both APIs have in common: a request, its reply, what of it is handed on. */

import { NimbusError } from "./errors.js";
import type {
  Body,
  Data,
  Item,
  OperationId,
  OrdersOperationId,
  PartnerOperationId,
  QueryOf,
  Reply,
} from "./operations.js";
import type { RequestOptions } from "./options.js";
import { Page, PagePromise } from "./pagination.js";
import { ApiPromise, type ApiResponse } from "./promise.js";
import type { Method, Query, RawReply, Request, Transport } from "./transport.js";

/** What a call of some operation sends beside its path. */
interface AnyParts {
  readonly query?: unknown;
  readonly json?: unknown;
  readonly bytes?: { readonly data: Uint8Array; readonly contentType: string };
  readonly options?: RequestOptions | undefined;
}

/** What a call of this operation sends. */
export interface Parts<K extends OperationId> extends AnyParts {
  readonly query?: QueryOf<K> | undefined;
  readonly json?: Body<K> | undefined;
}

/** A page as it stands in a reply of either API. */
interface WirePage {
  readonly data: unknown[];
  readonly next_cursor?: string | null;
  readonly nextCursor?: string | null;
  readonly unreadable?: string[];
}

/** The partner API stands under this path, the orders API at the root. */
export const PARTNER_ROOT = "/api/external";

export abstract class Resource {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Not a plain property: those are shown by `console.log`. */
  protected get transport(): Transport {
    return this.#transport;
  }

  /** The reply of a request as `read` has it. */
  protected reply<T>(request: Request, read: (raw: RawReply) => T): ApiPromise<T> {
    return new ApiPromise(this.response(request, read));
  }

  protected async response<T>(request: Request, read: (raw: RawReply) => T): Promise<ApiResponse<T>> {
    const raw = await this.#transport.send(request);
    return {
      data: read(raw),
      status: raw.status,
      headers: raw.headers,
      requestId: raw.headers["x-request-id"],
      etag: raw.headers["etag"],
      replayed: raw.headers["idempotent-replayed"] === "true",
    };
  }

  protected pages<T>(request: Request): PagePromise<T> {
    const turn = (cursor: string): PagePromise<T> =>
      this.pages({ ...request, query: { ...request.query, cursor } });
    const read = (raw: RawReply): Page<T> => {
      const page = jsonOf(raw) as WirePage;
      const next = page.nextCursor ?? page.next_cursor ?? null;
      return new Page(page.data as T[], next, page.unreadable ?? [], turn);
    };
    return new PagePromise(this.response(request, read));
  }
}

/** A resource of the orders API, which answers with bare resources. */
export abstract class OrdersResource extends Resource {
  protected send<K extends OrdersOperationId>(
    operation: K,
    method: Method,
    path: string,
    parts: Parts<K>,
  ): ApiPromise<Reply<K>> {
    return this.reply(requestOf(operation, method, path, parts), (raw) => jsonOf(raw) as Reply<K>);
  }

  protected paged<K extends OrdersOperationId>(operation: K, path: string, parts: Parts<K>): PagePromise<Item<K>> {
    return this.pages(requestOf(operation, "GET", path, parts));
  }
}

/** A resource of the partner API: what its envelope holds is handed on. */
export abstract class PartnerResource extends Resource {
  protected send<K extends PartnerOperationId>(
    operation: K,
    method: Method,
    path: string,
    parts: Parts<K>,
  ): ApiPromise<Data<K>> {
    const request = requestOf(operation, method, PARTNER_ROOT + path, parts);
    return this.reply(request, (raw) => (jsonOf(raw) as { data: Data<K> }).data);
  }

  /** A reply that says more beside its `data`. */
  protected whole<K extends PartnerOperationId>(operation: K, path: string, parts: Parts<K>): ApiPromise<Reply<K>> {
    const request = requestOf(operation, "GET", PARTNER_ROOT + path, parts);
    return this.reply(request, (raw) => jsonOf(raw) as Reply<K>);
  }

  /** A reply that is not JSON. */
  protected bytes<K extends PartnerOperationId>(operation: K, path: string, parts: Parts<K>): ApiPromise<Uint8Array> {
    return this.reply(requestOf(operation, "GET", PARTNER_ROOT + path, parts), (raw) => raw.body);
  }

  protected paged<K extends PartnerOperationId>(operation: K, path: string, parts: Parts<K>): PagePromise<Item<K>> {
    return this.pages(requestOf(operation, "GET", PARTNER_ROOT + path, parts));
  }
}

export function requestOf(operation: OperationId, method: Method, path: string, parts: AnyParts): Request {
  return { operation, method, path, ...parts, query: parts.query as Query | undefined };
}

/** The JSON of a success; nothing where it has no body. */
export function jsonOf(raw: RawReply): unknown {
  if (raw.body.length === 0) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(raw.body));
  } catch {
    // The parser's message quotes the text.
    throw new NimbusError("The reply is not JSON.");
  }
}
