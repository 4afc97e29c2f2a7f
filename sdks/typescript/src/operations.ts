/** The types of every operation of both APIs, by its id in the OpenAPI documents. */

import type { components as OrdersComponents, operations as OrdersOperations } from "./generated/orders.js";
import type { components as PartnerComponents, operations as PartnerOperations } from "./generated/partner.js";

export interface Operations extends OrdersOperations, PartnerOperations {}
export type OperationId = keyof Operations;
export type OrdersOperationId = keyof OrdersOperations;
export type PartnerOperationId = keyof PartnerOperations;

type Responses<K extends OperationId> = Operations[K]["responses"];
type Json<R> = R extends { content: { "application/json": infer T } } ? T : undefined;

/** The body of a success, as it is sent. */
export type Reply<K extends OperationId> = Json<Responses<K>[keyof Responses<K>]>;

/** What the partner API's envelope holds. */
export type Data<K extends OperationId> = Reply<K> extends { data: infer D } ? D : never;

/** What a list lists. */
export type Item<K extends OperationId> = Reply<K> extends { data: (infer T)[] } ? T : never;

/** The JSON that an operation takes. */
export type Body<K extends OperationId> = Operations[K] extends {
  requestBody?: { content: { "application/json": infer B } };
}
  ? B
  : never;

type Schemas = OrdersComponents["schemas"] & PartnerComponents["schemas"];

/** The query parameters that an operation takes; their type is named for it. */
export type QueryOf<K extends OperationId> = `${Capitalize<K>}Query` extends keyof Schemas
  ? Schemas[`${Capitalize<K>}Query`]
  : never;
