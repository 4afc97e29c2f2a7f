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
from ._pages import AsyncPages
from ._resource import AsyncPartnerResource


class AsyncMedicationOrders(AsyncPartnerResource):
    """Orders with their medication requests."""

    async def create(self, body: OrderCreate, *, options: Optional[RequestOptions] = None) -> OrderCreated:
        """1 to 25 medication requests: all of them, or none."""
        reply: OrderCreated = await self._send(
            "createMedicationOrder", "POST", "/medication-order", body=body, options=options
        )
        return reply

    def list(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListMedicationOrdersQuery]
    ) -> AsyncPages[Order]:
        """Newest first."""
        return self._paged("listMedicationOrders", "/medication-order", query=query, options=options)

    async def retrieve(self, order_id: str, *, options: Optional[RequestOptions] = None) -> Order:
        """With its requests, holds, shipments and history."""
        reply: Order = await self._send(
            "getMedicationOrder", "GET", path("/medication-order/{}", order_id), options=options
        )
        return reply

    async def cancel(
        self, order_id: str, body: Optional[CancelBody] = None, *, options: Optional[RequestOptions] = None
    ) -> Order:
        """At once until filling begins; from then until it is shipped, a request that the pharmacy answers."""
        reply: Order = await self._send(
            "cancelMedicationOrder",
            "POST",
            path("/medication-order/{}/cancel", order_id),
            body=body or {},
            options=options,
        )
        return reply

    async def resolve_hold(
        self,
        order_id: str,
        hold_id: str,
        body: Optional[ResolveBody] = None,
        *,
        options: Optional[RequestOptions] = None,
    ) -> Order:
        """Gives what a hold of yours waits for."""
        reply: Order = await self._send(
            "resolveHold",
            "POST",
            path("/medication-order/{}/holds/{}/resolve", order_id, hold_id),
            body=body or {},
            options=options,
        )
        return reply


class AsyncMedicationRequests(AsyncPartnerResource):
    """The lines of medication orders."""

    async def retrieve(
        self, medication_request_id: str, *, options: Optional[RequestOptions] = None
    ) -> MedicationRequest:
        reply: MedicationRequest = await self._send(
            "getMedicationRequest", "GET", path("/medication-request/{}", medication_request_id), options=options
        )
        return reply


class AsyncPrescriptions(AsyncPartnerResource):
    """What may be filled and refilled."""

    def list(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListPrescriptionsQuery]
    ) -> AsyncPages[Prescription]:
        """Newest first."""
        return self._paged("listPrescriptions", "/prescription", query=query, options=options)

    async def retrieve(self, prescription_id: str, *, options: Optional[RequestOptions] = None) -> Prescription:
        reply: Prescription = await self._send(
            "getPrescription", "GET", path("/prescription/{}", prescription_id), options=options
        )
        return reply


class AsyncRefillRequests(AsyncPartnerResource):
    """Refills of medication requests."""

    async def create(self, body: RefillCreate, *, options: Optional[RequestOptions] = None) -> RefillCreated:
        """Makes the refill request and its medication order."""
        reply: RefillCreated = await self._send(
            "createRefillRequest", "POST", "/refill-request", body=body, options=options
        )
        return reply

    def list(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListRefillRequestsQuery]
    ) -> AsyncPages[Refill]:
        """Newest first."""
        return self._paged("listRefillRequests", "/refill-request", query=query, options=options)

    async def retrieve(self, refill_request_id: str, *, options: Optional[RequestOptions] = None) -> Refill:
        reply: Refill = await self._send(
            "getRefillRequest", "GET", path("/refill-request/{}", refill_request_id), options=options
        )
        return reply

    async def cancel(
        self, refill_request_id: str, body: Optional[CancelBody] = None, *, options: Optional[RequestOptions] = None
    ) -> Refill:
        reply: Refill = await self._send(
            "cancelRefillRequest",
            "POST",
            path("/refill-request/{}/cancel", refill_request_id),
            body=body or {},
            options=options,
        )
        return reply

    async def eligibility(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[GetRefillEligibilityQuery]
    ) -> Eligibility:
        """Every rule that stands in the way, with the day on which it will pass."""
        reply: Eligibility = await self._send(
            "getRefillEligibility", "GET", "/refill-request/eligibility", query=query, options=options
        )
        return reply
