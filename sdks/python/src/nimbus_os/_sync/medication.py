# Generated from _async by sdks/generate/generate.py.
"""Medication orders, their requests, prescriptions and refill requests."""

from __future__ import annotations

from typing import Optional

from .._compat import Unpack
from .._options import RequestOptions
from .._request import path
from ..types.partner import (
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
)
from ._pages import Page
from ._resource import PartnerResource


class MedicationOrders(PartnerResource):
    """Orders with their medication requests."""

    def create(self, body: OrderCreate, *, options: Optional[RequestOptions] = None) -> OrderCreated:
        """1 to 25 medication requests: all of them, or none."""
        reply: OrderCreated = self._send(
            "createMedicationOrder", "POST", "/medication-order", body=body, options=options
        )
        return reply

    def list(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListMedicationOrdersQuery]
    ) -> Page[Order]:
        """Newest first."""
        return self._paged("listMedicationOrders", "/medication-order", query=query, options=options)

    def retrieve(self, order_id: str, *, options: Optional[RequestOptions] = None) -> Order:
        """With its requests, holds, shipments and history."""
        reply: Order = self._send("getMedicationOrder", "GET", path("/medication-order/{}", order_id), options=options)
        return reply

    def cancel(
        self, order_id: str, body: Optional[CancelBody] = None, *, options: Optional[RequestOptions] = None
    ) -> Order:
        """At once until filling begins; from then until it is shipped, a request that the pharmacy answers."""
        reply: Order = self._send(
            "cancelMedicationOrder",
            "POST",
            path("/medication-order/{}/cancel", order_id),
            body=body or {},
            options=options,
        )
        return reply

    def resolve_hold(
        self,
        order_id: str,
        hold_id: str,
        body: Optional[ResolveBody] = None,
        *,
        options: Optional[RequestOptions] = None,
    ) -> Order:
        """Gives what a hold of yours waits for."""
        reply: Order = self._send(
            "resolveHold",
            "POST",
            path("/medication-order/{}/holds/{}/resolve", order_id, hold_id),
            body=body or {},
            options=options,
        )
        return reply


class MedicationRequests(PartnerResource):
    """The lines of medication orders."""

    def retrieve(self, medication_request_id: str, *, options: Optional[RequestOptions] = None) -> MedicationRequest:
        reply: MedicationRequest = self._send(
            "getMedicationRequest", "GET", path("/medication-request/{}", medication_request_id), options=options
        )
        return reply


class Prescriptions(PartnerResource):
    """What may be filled and refilled."""

    def list(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListPrescriptionsQuery]
    ) -> Page[Prescription]:
        """Newest first."""
        return self._paged("listPrescriptions", "/prescription", query=query, options=options)

    def retrieve(self, prescription_id: str, *, options: Optional[RequestOptions] = None) -> Prescription:
        reply: Prescription = self._send(
            "getPrescription", "GET", path("/prescription/{}", prescription_id), options=options
        )
        return reply


class RefillRequests(PartnerResource):
    """Refills of medication requests."""

    def create(self, body: RefillCreate, *, options: Optional[RequestOptions] = None) -> RefillCreated:
        """Makes the refill request and its medication order."""
        reply: RefillCreated = self._send("createRefillRequest", "POST", "/refill-request", body=body, options=options)
        return reply

    def list(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListRefillRequestsQuery]
    ) -> Page[Refill]:
        """Newest first."""
        return self._paged("listRefillRequests", "/refill-request", query=query, options=options)

    def retrieve(self, refill_request_id: str, *, options: Optional[RequestOptions] = None) -> Refill:
        reply: Refill = self._send(
            "getRefillRequest", "GET", path("/refill-request/{}", refill_request_id), options=options
        )
        return reply

    def cancel(
        self, refill_request_id: str, body: Optional[CancelBody] = None, *, options: Optional[RequestOptions] = None
    ) -> Refill:
        reply: Refill = self._send(
            "cancelRefillRequest",
            "POST",
            path("/refill-request/{}/cancel", refill_request_id),
            body=body or {},
            options=options,
        )
        return reply

    def eligibility(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[GetRefillEligibilityQuery]
    ) -> Eligibility:
        """Every rule that stands in the way, with the day on which it will pass."""
        reply: Eligibility = self._send(
            "getRefillEligibility", "GET", "/refill-request/eligibility", query=query, options=options
        )
        return reply
