# Generated from _async by sdks/generate/generate.py.
"""Orders, refills and prescriptions of the orders API."""

from __future__ import annotations

from typing import Optional

from .._compat import Unpack
from .._options import RequestOptions
from .._request import path
from ..types.orders import (
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
)
from ._pages import Page
from ._resource import OrdersResource


class Orders(OrdersResource):
    """Fills of prescriptions on file."""

    def create(self, body: OrderCreate, *, options: Optional[RequestOptions] = None) -> Order:
        """Orders a fill: the first one of a prescription, or one that consumes a refill."""
        reply: Order = self._send("createOrder", "POST", "/orders", body=body, options=options)
        return reply

    def list(self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListOrdersQuery]) -> Page[Order]:
        """Newest first."""
        return self._paged("listOrders", "/orders", query=query, options=options)

    def retrieve(self, order_id: str, *, options: Optional[RequestOptions] = None) -> Order:
        reply: Order = self._send("getOrder", "GET", path("/orders/{}", order_id), options=options)
        return reply

    def cancel(
        self, order_id: str, body: Optional[CancelOrder] = None, *, options: Optional[RequestOptions] = None
    ) -> Order:
        """At once until filling begins; from then until it is shipped, a request that the pharmacy answers."""
        reply: Order = self._send(
            "cancelOrder", "POST", path("/orders/{}/cancel", order_id), body=body or {}, options=options
        )
        return reply

    def tracking(self, order_id: str, *, options: Optional[RequestOptions] = None) -> Tracking:
        """Where the parcel is, with every scan."""
        reply: Tracking = self._send("getOrderTracking", "GET", path("/orders/{}/tracking", order_id), options=options)
        return reply


class Refills(OrdersResource):
    """Refills, which may go to review."""

    def create(self, body: RefillCreate, *, options: Optional[RequestOptions] = None) -> Refill:
        """A clean one is approved at once; one that a pharmacist has to look at is pending, with its `reviewReason`."""
        reply: Refill = self._send("createRefill", "POST", "/refills", body=body, options=options)
        return reply

    def list(self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListRefillsQuery]) -> Page[Refill]:
        """Newest first."""
        return self._paged("listRefills", "/refills", query=query, options=options)

    def retrieve(self, refill_id: str, *, options: Optional[RequestOptions] = None) -> Refill:
        reply: Refill = self._send("getRefill", "GET", path("/refills/{}", refill_id), options=options)
        return reply

    def cancel(
        self, refill_id: str, body: Optional[CancelRefill] = None, *, options: Optional[RequestOptions] = None
    ) -> Refill:
        reply: Refill = self._send(
            "cancelRefill", "POST", path("/refills/{}/cancel", refill_id), body=body or {}, options=options
        )
        return reply

    def eligibility(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[GetPrescriptionRefillEligibilityQuery]
    ) -> Eligibility:
        """Every rule that stands in the way, with the day on which it will pass."""
        reply: Eligibility = self._send(
            "getPrescriptionRefillEligibility", "GET", "/refills/eligibility", query=query, options=options
        )
        return reply


class PatientPrescriptions(OrdersResource):
    """What may be ordered and refilled for a patient."""

    def list(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListPatientPrescriptionsQuery]
    ) -> Page[Prescription]:
        """Newest first."""
        return self._paged("listPatientPrescriptions", "/prescriptions", query=query, options=options)

    def retrieve(self, prescription_id: str, *, options: Optional[RequestOptions] = None) -> Prescription:
        reply: Prescription = self._send(
            "getPatientPrescription", "GET", path("/prescriptions/{}", prescription_id), options=options
        )
        return reply
