# Generated from _async by sdks/generate/generate.py.
"""Carriers and shipments."""

from __future__ import annotations

from typing import Optional

from .._compat import Unpack
from .._options import RequestOptions
from .._request import path
from ..types.partner import (
    CarrierList,
    ListCarrierServicesQuery,
    ServiceList,
    Shipment,
    Tracking,
)
from ._resource import PartnerResource


class Carriers(PartnerResource):
    """Who carries parcels, and for how much."""

    def list(self, *, options: Optional[RequestOptions] = None) -> CarrierList:
        reply: CarrierList = self._send("listCarriers", "GET", "/carriers", options=options)
        return reply

    def services(
        self, carrier_id: str, *, options: Optional[RequestOptions] = None, **query: Unpack[ListCarrierServicesQuery]
    ) -> ServiceList:
        """The services that go to a patient's state, with their prices, and whether one of them is free."""
        reply: ServiceList = self._whole(
            "listCarrierServices", path("/carriers/{}/services", carrier_id), query=query, options=options
        )
        return reply


class Shipments(PartnerResource):
    """Parcels."""

    def retrieve(self, shipment_id: str, *, options: Optional[RequestOptions] = None) -> Shipment:
        """With fresh links to its label and barcode."""
        reply: Shipment = self._send("getShipment", "GET", path("/shipment/{}", shipment_id), options=options)
        return reply

    def tracking(self, shipment_id: str, *, options: Optional[RequestOptions] = None) -> Tracking:
        """Where it is, with every scan."""
        reply: Tracking = self._send(
            "getShipmentTracking", "GET", path("/shipment/{}/tracking", shipment_id), options=options
        )
        return reply
