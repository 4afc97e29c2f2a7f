"""Webhook endpoints that are sent the events of the orders API."""

from __future__ import annotations

from typing import List, Mapping, Optional, Sequence, Union

from .._compat import Unpack
from .._options import RequestOptions
from .._request import path
from .._webhooks import TOLERANCE_SECONDS, verified
from ..types.orders import (
    Delivery,
    ListWebhookEndpointDeliveriesQuery,
    ListWebhookEndpointsQuery,
    OrdersWebhookEvent,
    Replay,
    ReplayRequest,
    ResentDelivery,
    SecretRotation,
    Webhook,
    WebhookCreate,
    WebhookTest,
    WebhookTestResult,
    WebhookUpdate,
)
from ._pages import AsyncPages
from ._public_keys import AsyncPublicKeys
from ._resource import AsyncOrdersResource
from ._transport import AsyncTransport


class AsyncWebhookEndpoints(AsyncOrdersResource):
    """Endpoints that receive `OrdersWebhookEvent`s."""

    def __init__(self, transport: AsyncTransport, public_keys: AsyncPublicKeys) -> None:
        super().__init__(transport)
        self._public_keys = public_keys

    async def create(self, body: WebhookCreate, *, options: Optional[RequestOptions] = None) -> Webhook:
        """The reply shows the `signingSecret`, once. The same URL again answers the endpoint there is, without it."""
        reply: Webhook = await self._send("createWebhookEndpoint", "POST", "/webhooks", body=body, options=options)
        return reply

    def list(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListWebhookEndpointsQuery]
    ) -> AsyncPages[Webhook]:
        """Newest first."""
        return self._paged("listWebhookEndpoints", "/webhooks", query=query, options=options)

    async def retrieve(self, webhook_id: str, *, options: Optional[RequestOptions] = None) -> Webhook:
        reply: Webhook = await self._send(
            "getWebhookEndpoint", "GET", path("/webhooks/{}", webhook_id), options=options
        )
        return reply

    async def update(
        self, webhook_id: str, body: WebhookUpdate, *, options: Optional[RequestOptions] = None
    ) -> Webhook:
        """Changes what is given; `status` pauses it and has it go on."""
        reply: Webhook = await self._send(
            "updateWebhookEndpoint", "PATCH", path("/webhooks/{}", webhook_id), body=body, options=options
        )
        return reply

    async def delete(self, webhook_id: str, *, options: Optional[RequestOptions] = None) -> None:
        """Deliveries stop at once."""
        await self._send("deleteWebhookEndpoint", "DELETE", path("/webhooks/{}", webhook_id), options=options)

    async def rotate_secret(
        self, webhook_id: str, body: Optional[SecretRotation] = None, *, options: Optional[RequestOptions] = None
    ) -> Webhook:
        """A new secret, shown once; the one before signs too for a while, 24 hours if not given."""
        reply: Webhook = await self._send(
            "rotateWebhookEndpointSecret",
            "POST",
            path("/webhooks/{}/rotate-secret", webhook_id),
            body=body or {},
            options=options,
        )
        return reply

    async def test(
        self, body: Optional[WebhookTest] = None, *, options: Optional[RequestOptions] = None
    ) -> WebhookTestResult:
        """Sends one signed sample, and tells what was answered."""
        reply: WebhookTestResult = await self._send(
            "sendTestWebhook", "POST", "/webhooks/test", body=body or {}, options=options
        )
        return reply

    def list_deliveries(
        self,
        webhook_id: str,
        *,
        options: Optional[RequestOptions] = None,
        **query: Unpack[ListWebhookEndpointDeliveriesQuery],
    ) -> AsyncPages[Delivery]:
        """Newest first, each with its attempts."""
        return self._paged(
            "listWebhookEndpointDeliveries", path("/webhooks/{}/deliveries", webhook_id), query=query, options=options
        )

    async def retry_delivery(
        self, webhook_id: str, delivery_id: str, *, options: Optional[RequestOptions] = None
    ) -> ResentDelivery:
        """Sends a delivery again, under its `webhook-id`."""
        reply: ResentDelivery = await self._send(
            "retryWebhookEndpointDelivery",
            "POST",
            path("/webhooks/{}/deliveries/{}/retry", webhook_id, delivery_id),
            options=options,
        )
        return reply

    async def resend_event(
        self, webhook_id: str, event_id: str, *, options: Optional[RequestOptions] = None
    ) -> ResentDelivery:
        """Sends one event of the log to this endpoint."""
        reply: ResentDelivery = await self._send(
            "resendWebhookEndpointEvent",
            "POST",
            path("/webhooks/{}/events/{}/resend", webhook_id, event_id),
            options=options,
        )
        return reply

    async def replay(self, webhook_id: str, body: ReplayRequest, *, options: Optional[RequestOptions] = None) -> Replay:
        """Sends again what failed since a time, or everything."""
        reply: Replay = await self._send(
            "replayWebhookEndpoint", "POST", path("/webhooks/{}/replay", webhook_id), body=body, options=options
        )
        return reply

    async def retrieve_replay(
        self, webhook_id: str, replay_id: str, *, options: Optional[RequestOptions] = None
    ) -> Replay:
        """How far a replay is."""
        reply: Replay = await self._send(
            "getWebhookEndpointReplay", "GET", path("/webhooks/{}/replay/{}", webhook_id, replay_id), options=options
        )
        return reply

    async def cancel_replay(
        self, webhook_id: str, replay_id: str, *, options: Optional[RequestOptions] = None
    ) -> Replay:
        """Ends a replay; what was sent stays sent."""
        reply: Replay = await self._send(
            "cancelWebhookEndpointReplay",
            "DELETE",
            path("/webhooks/{}/replay/{}", webhook_id, replay_id),
            options=options,
        )
        return reply

    def verify(
        self,
        payload: Union[bytes, str],
        headers: Mapping[str, str],
        secrets: Union[str, Sequence[str]],
        *,
        tolerance: float = TOLERANCE_SECONDS,
        now: Optional[float] = None,
    ) -> OrdersWebhookEvent:
        """The event of a request that was sent to one of these: see `verify_webhook`."""
        event: OrdersWebhookEvent = verified(payload, headers, secrets, tolerance, now)
        return event

    async def public_keys(self, webhook_id: str) -> List[str]:
        """The public keys of one that signs with ed25519, for `verify`. They are kept for five minutes."""
        return await self._public_keys.of(webhook_id)
