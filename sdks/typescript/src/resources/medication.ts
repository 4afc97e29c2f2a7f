/** Medication orders, their requests, prescriptions and refill requests. */

import type {
  CancelBody,
  Eligibility,
  GetRefillEligibilityQuery,
  ListMedicationOrdersQuery,
  ListPrescriptionsQuery,
  ListRefillRequestsQuery,
  MedicationRequest,
  Order,
  OrderCreate,
  OrderCreated,
  Prescription,
  Refill,
  RefillCreate,
  RefillCreated,
  ResolveBody,
} from "../generated/partner.js";
import type { RequestOptions } from "../options.js";
import type { PagePromise } from "../pagination.js";
import type { ApiPromise } from "../promise.js";
import { PartnerResource } from "../resource.js";
import { path } from "../transport.js";

/** Orders with their medication requests. */
export class MedicationOrders extends PartnerResource {
  /** 1 to 25 medication requests: all of them, or none. */
  create(body: OrderCreate, options?: RequestOptions): ApiPromise<OrderCreated> {
    return this.send("createMedicationOrder", "POST", "/medication-order", { json: body, options });
  }

  /** Newest first. */
  list(query: ListMedicationOrdersQuery = {}, options?: RequestOptions): PagePromise<Order> {
    return this.paged("listMedicationOrders", "/medication-order", { query, options });
  }

  /** With its requests, holds, shipments and history. */
  retrieve(orderId: string, options?: RequestOptions): ApiPromise<Order> {
    return this.send("getMedicationOrder", "GET", path`/medication-order/${orderId}`, { options });
  }

  /** At once until filling begins; from then until it is shipped, a request that the pharmacy answers. */
  cancel(orderId: string, body: CancelBody = {}, options?: RequestOptions): ApiPromise<Order> {
    return this.send("cancelMedicationOrder", "POST", path`/medication-order/${orderId}/cancel`, { json: body, options });
  }

  /** Gives what a hold of yours waits for. */
  resolveHold(orderId: string, holdId: string, body: ResolveBody = {}, options?: RequestOptions): ApiPromise<Order> {
    return this.send("resolveHold", "POST", path`/medication-order/${orderId}/holds/${holdId}/resolve`, { json: body, options });
  }
}

/** The lines of medication orders. */
export class MedicationRequests extends PartnerResource {
  retrieve(medicationRequestId: string, options?: RequestOptions): ApiPromise<MedicationRequest> {
    return this.send("getMedicationRequest", "GET", path`/medication-request/${medicationRequestId}`, { options });
  }
}

/** What may be filled and refilled. */
export class Prescriptions extends PartnerResource {
  /** Newest first. */
  list(query: ListPrescriptionsQuery = {}, options?: RequestOptions): PagePromise<Prescription> {
    return this.paged("listPrescriptions", "/prescription", { query, options });
  }

  retrieve(prescriptionId: string, options?: RequestOptions): ApiPromise<Prescription> {
    return this.send("getPrescription", "GET", path`/prescription/${prescriptionId}`, { options });
  }
}

/** Refills of medication requests. */
export class RefillRequests extends PartnerResource {
  /** Makes the refill request and its medication order. */
  create(body: RefillCreate, options?: RequestOptions): ApiPromise<RefillCreated> {
    return this.send("createRefillRequest", "POST", "/refill-request", { json: body, options });
  }

  /** Newest first. */
  list(query: ListRefillRequestsQuery = {}, options?: RequestOptions): PagePromise<Refill> {
    return this.paged("listRefillRequests", "/refill-request", { query, options });
  }

  retrieve(refillRequestId: string, options?: RequestOptions): ApiPromise<Refill> {
    return this.send("getRefillRequest", "GET", path`/refill-request/${refillRequestId}`, { options });
  }

  cancel(refillRequestId: string, body: CancelBody = {}, options?: RequestOptions): ApiPromise<Refill> {
    return this.send("cancelRefillRequest", "POST", path`/refill-request/${refillRequestId}/cancel`, { json: body, options });
  }

  /** Every rule that stands in the way, with the day on which it will pass. */
  eligibility(query: GetRefillEligibilityQuery, options?: RequestOptions): ApiPromise<Eligibility> {
    return this.send("getRefillEligibility", "GET", "/refill-request/eligibility", { query, options });
  }
}
