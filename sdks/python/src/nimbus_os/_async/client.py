"""The client: one for all resources of both APIs."""

from __future__ import annotations

from types import TracebackType
from typing import Mapping, Optional, Type

import httpx

from .._options import Environment, settings_of
from ._public_keys import AsyncPublicKeys
from ._transport import AsyncTransport
from .events import AsyncEvents, AsyncOrderEvents
from .keys import AsyncKeys
from .medication import AsyncMedicationOrders, AsyncMedicationRequests, AsyncPrescriptions, AsyncRefillRequests
from .orders import AsyncOrders, AsyncPatientPrescriptions, AsyncRefills
from .people import AsyncClinics, AsyncPatients, AsyncPractitioners
from .sandbox import AsyncSandbox
from .shipping import AsyncCarriers, AsyncShipments
from .webhook_endpoints import AsyncWebhookEndpoints
from .webhooks import AsyncWebhooks


class AsyncNimbus:
    """A client of the Nimbus API.

    `api_key`: else that of the environment variable `NIMBUS_API_KEY`.
    `environment`: `sandbox` or `production`; else the one that the key belongs to by its prefix.
    `base_url`: another deployment than the published two; else that of the environment variable `NIMBUS_BASE_URL`.
    `timeout`: seconds to connect, and to wait for the next bytes of a reply.
    `max_retries`: how often a failed request is tried again, 10 times at most.
    `max_retry_after`: the longest `Retry-After` that is waited for, in seconds; after a longer one the error is raised.
    `headers`: header fields of every request.
    `http_client`: what makes the requests; it is left open, and its own time limits are not used.
    """

    def __init__(
        self,
        api_key: Optional[str] = None,
        *,
        environment: Optional[Environment] = None,
        base_url: Optional[str] = None,
        timeout: float = 30.0,
        max_retries: int = 2,
        max_retry_after: float = 60.0,
        headers: Optional[Mapping[str, str]] = None,
        http_client: Optional[httpx.AsyncClient] = None,
    ) -> None:
        settings = settings_of(api_key, environment, base_url, timeout, max_retries, max_retry_after, headers)
        transport = AsyncTransport(settings, http_client)
        public_keys = AsyncPublicKeys(transport)
        self._transport = transport
        self.base_url = settings.base_url
        # The orders API.
        self.orders = AsyncOrders(transport)
        self.refills = AsyncRefills(transport)
        self.patient_prescriptions = AsyncPatientPrescriptions(transport)
        self.webhook_endpoints = AsyncWebhookEndpoints(transport, public_keys)
        self.order_events = AsyncOrderEvents(transport)
        # The partner API.
        self.clinic = AsyncClinics(transport)
        self.practitioners = AsyncPractitioners(transport)
        self.patients = AsyncPatients(transport)
        self.medication_orders = AsyncMedicationOrders(transport)
        self.medication_requests = AsyncMedicationRequests(transport)
        self.prescriptions = AsyncPrescriptions(transport)
        self.refill_requests = AsyncRefillRequests(transport)
        self.carriers = AsyncCarriers(transport)
        self.shipments = AsyncShipments(transport)
        self.webhooks = AsyncWebhooks(transport, public_keys)
        self.events = AsyncEvents(transport)
        self.keys = AsyncKeys(transport)
        self.sandbox = AsyncSandbox(transport)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._transport.aclose()

    async def __aenter__(self) -> AsyncNimbus:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} base_url={self.base_url!r}>"
