# Generated from _async by sdks/generate/generate.py.
"""The client: one for all resources of both APIs."""

from __future__ import annotations

from types import TracebackType
from typing import Mapping, Optional, Type

import httpx

from .._options import Environment, settings_of
from ._public_keys import PublicKeys
from ._transport import Transport
from .events import Events, OrderEvents
from .keys import Keys
from .medication import MedicationOrders, MedicationRequests, Prescriptions, RefillRequests
from .orders import Orders, PatientPrescriptions, Refills
from .people import Clinics, Patients, Practitioners
from .sandbox import Sandbox
from .shipping import Carriers, Shipments
from .webhook_endpoints import WebhookEndpoints
from .webhooks import Webhooks


class Nimbus:
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
        http_client: Optional[httpx.Client] = None,
    ) -> None:
        settings = settings_of(api_key, environment, base_url, timeout, max_retries, max_retry_after, headers)
        transport = Transport(settings, http_client)
        public_keys = PublicKeys(transport)
        self._transport = transport
        self.base_url = settings.base_url
        # The orders API.
        self.orders = Orders(transport)
        self.refills = Refills(transport)
        self.patient_prescriptions = PatientPrescriptions(transport)
        self.webhook_endpoints = WebhookEndpoints(transport, public_keys)
        self.order_events = OrderEvents(transport)
        # The partner API.
        self.clinic = Clinics(transport)
        self.practitioners = Practitioners(transport)
        self.patients = Patients(transport)
        self.medication_orders = MedicationOrders(transport)
        self.medication_requests = MedicationRequests(transport)
        self.prescriptions = Prescriptions(transport)
        self.refill_requests = RefillRequests(transport)
        self.carriers = Carriers(transport)
        self.shipments = Shipments(transport)
        self.webhooks = Webhooks(transport, public_keys)
        self.events = Events(transport)
        self.keys = Keys(transport)
        self.sandbox = Sandbox(transport)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def __enter__(self) -> Nimbus:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} base_url={self.base_url!r}>"
