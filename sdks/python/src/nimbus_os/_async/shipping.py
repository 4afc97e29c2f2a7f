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
from ._resource import AsyncPartnerResource


class AsyncCarriers(AsyncPartnerResource):
    """Who carries parcels, and for how much."""

    async def list(self, *, options: Optional[RequestOptions] = None) -> CarrierList:
        reply: CarrierList = await self._send("listCarriers", "GET", "/carriers", options=options)
        return reply

    async def services(
        self, carrier_id: str, *, options: Optional[RequestOptions] = None, **query: Unpack[ListCarrierServicesQuery]
    ) -> ServiceList:
        """The services that go to a patient's state, with their prices, and whether one of them is free."""
        reply: ServiceList = await self._whole(
            "listCarrierServices", path("/carriers/{}/services", carrier_id), query=query, options=options
        )
        return reply


class AsyncShipments(AsyncPartnerResource):
    """Parcels."""

    async def retrieve(self, shipment_id: str, *, options: Optional[RequestOptions] = None) -> Shipment:
        """With fresh links to its label and barcode."""
        reply: Shipment = await self._send("getShipment", "GET", path("/shipment/{}", shipment_id), options=options)
        return reply

    async def tracking(self, shipment_id: str, *, options: Optional[RequestOptions] = None) -> Tracking:
        """Where it is, with every scan."""
        reply: Tracking = await self._send(
            "getShipmentTracking", "GET", path("/shipment/{}/tracking", shipment_id), options=options
        )
        return reply
