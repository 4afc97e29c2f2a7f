/** Carriers and shipments. */

import type { CarrierList, ListCarrierServicesQuery, ServiceList, Shipment, Tracking } from "../generated/partner.js";
import type { RequestOptions } from "../options.js";
import type { ApiPromise } from "../promise.js";
import { PartnerResource } from "../resource.js";
import { path } from "../transport.js";

/** Who carries parcels, and for how much. */
export class Carriers extends PartnerResource {
  list(options?: RequestOptions): ApiPromise<CarrierList> {
    return this.send("listCarriers", "GET", "/carriers", { options });
  }

  /** The services that go to a patient's state, with their prices, and whether one of them is free. */
  services(carrierId: string, query: ListCarrierServicesQuery, options?: RequestOptions): ApiPromise<ServiceList> {
    return this.whole("listCarrierServices", path`/carriers/${carrierId}/services`, { query, options });
  }
}

/** Parcels. */
export class Shipments extends PartnerResource {
  /** With fresh links to its label and barcode. */
  retrieve(shipmentId: string, options?: RequestOptions): ApiPromise<Shipment> {
    return this.send("getShipment", "GET", path`/shipment/${shipmentId}`, { options });
  }

  /** Where it is, with every scan. */
  tracking(shipmentId: string, options?: RequestOptions): ApiPromise<Tracking> {
    return this.send("getShipmentTracking", "GET", path`/shipment/${shipmentId}/tracking`, { options });
  }
}
