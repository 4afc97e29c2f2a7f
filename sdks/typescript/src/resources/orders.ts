/** Orders, refills and prescriptions of the orders API. */

import type {
  CancelOrder,
  CancelRefill,
  Eligibility,
  GetPrescriptionRefillEligibilityQuery,
  ListOrdersQuery,
  ListPatientPrescriptionsQuery,
  ListRefillsQuery,
  Order,
  OrderCreate,
  Prescription,
  Refill,
  RefillCreate,
  Tracking,
} from "../generated/orders.js";
import type { RequestOptions } from "../options.js";
import type { PagePromise } from "../pagination.js";
import type { ApiPromise } from "../promise.js";
import { OrdersResource } from "../resource.js";
import { path } from "../transport.js";

/** Fills of prescriptions on file. */
export class Orders extends OrdersResource {
  /** Orders a fill: the first one of a prescription, or one that consumes a refill. */
  create(body: OrderCreate, options?: RequestOptions): ApiPromise<Order> {
    return this.send("createOrder", "POST", "/orders", { json: body, options });
  }

  /** Newest first. */
  list(query: ListOrdersQuery = {}, options?: RequestOptions): PagePromise<Order> {
    return this.paged("listOrders", "/orders", { query, options });
  }

  retrieve(orderId: string, options?: RequestOptions): ApiPromise<Order> {
    return this.send("getOrder", "GET", path`/orders/${orderId}`, { options });
  }

  /** At once until filling begins; from then until it is shipped, a request that the pharmacy answers. */
  cancel(orderId: string, body: CancelOrder = {}, options?: RequestOptions): ApiPromise<Order> {
    return this.send("cancelOrder", "POST", path`/orders/${orderId}/cancel`, { json: body, options });
  }

  /** Where the parcel is, with every scan. */
  tracking(orderId: string, options?: RequestOptions): ApiPromise<Tracking> {
    return this.send("getOrderTracking", "GET", path`/orders/${orderId}/tracking`, { options });
  }
}

/** Refills, which may go to review. */
export class Refills extends OrdersResource {
  /** A clean one is approved at once; one that a pharmacist has to look at is pending, with its `reviewReason`. */
  create(body: RefillCreate, options?: RequestOptions): ApiPromise<Refill> {
    return this.send("createRefill", "POST", "/refills", { json: body, options });
  }

  /** Newest first. */
  list(query: ListRefillsQuery = {}, options?: RequestOptions): PagePromise<Refill> {
    return this.paged("listRefills", "/refills", { query, options });
  }

  retrieve(refillId: string, options?: RequestOptions): ApiPromise<Refill> {
    return this.send("getRefill", "GET", path`/refills/${refillId}`, { options });
  }

  cancel(refillId: string, body: CancelRefill = {}, options?: RequestOptions): ApiPromise<Refill> {
    return this.send("cancelRefill", "POST", path`/refills/${refillId}/cancel`, { json: body, options });
  }

  /** Every rule that stands in the way, with the day on which it will pass. */
  eligibility(query: GetPrescriptionRefillEligibilityQuery, options?: RequestOptions): ApiPromise<Eligibility> {
    return this.send("getPrescriptionRefillEligibility", "GET", "/refills/eligibility", { query, options });
  }
}

/** What may be ordered and refilled for a patient. */
export class PatientPrescriptions extends OrdersResource {
  /** Newest first. */
  list(query: ListPatientPrescriptionsQuery = {}, options?: RequestOptions): PagePromise<Prescription> {
    return this.paged("listPatientPrescriptions", "/prescriptions", { query, options });
  }

  retrieve(prescriptionId: string, options?: RequestOptions): ApiPromise<Prescription> {
    return this.send("getPatientPrescription", "GET", path`/prescriptions/${prescriptionId}`, { options });
  }
}
