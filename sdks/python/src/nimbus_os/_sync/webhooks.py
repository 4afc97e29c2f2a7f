# Generated from _async by sdks/generate/generate.py.
"""Webhooks that are sent the events of the partner API."""

from __future__ import annotations

from typing import List, Mapping, Optional, Sequence, Union

from .._compat import Unpack
from .._options import RequestOptions
from .._request import path
from .._webhooks import TOLERANCE_SECONDS, verified
from ..types.partner import (
    DeleteNamedWebhookQuery,
    Delivery,
    Empty,
    EventTypeList,
    GetWebhookStatsQuery,
    ListWebhookDeliveriesQuery,
    ListWebhooksQuery,
    Replay,
    ReplayCreate,
    ResentDelivery,
    SecretRotation,
    Webhook,
    WebhookCreate,
    WebhookEvent,
    WebhookStats,
    WebhookTested,
    WebhookUpdate,
)
from ._pages import Page
from ._public_keys import PublicKeys
from ._resource import PartnerResource
from ._transport import Transport


class Webhooks(PartnerResource):
    """Endpoints that receive `WebhookEvent`s."""

    def __init__(self, transport: Transport, public_keys: PublicKeys) -> None:
        super().__init__(transport)
        self._public_keys = public_keys

    def create(self, body: WebhookCreate, *, options: Optional[RequestOptions] = None) -> Webhook:
        """The reply shows the `signing_secret`, once. The same clinic and URL again answers the webhook there is,
        without it."""
        reply: Webhook = self._send("createWebhook", "POST", "/webhook", body=body, options=options)
        return reply

    def list(self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListWebhooksQuery]) -> Page[Webhook]:
        """Newest first."""
        return self._paged("listWebhooks", "/webhook", query=query, options=options)

    def retrieve(self, webhook_id: str, *, options: Optional[RequestOptions] = None) -> Webhook:
        reply: Webhook = self._send("getWebhook", "GET", path("/webhook/{}", webhook_id), options=options)
        return reply

    def update(self, webhook_id: str, body: WebhookUpdate, *, options: Optional[RequestOptions] = None) -> Webhook:
        """Changes what is given; `status` pauses it and has it go on."""
        reply: Webhook = self._send(
            "updateWebhook", "PATCH", path("/webhook/{}", webhook_id), body=body, options=options
        )
        return reply

    def delete(self, webhook_id: str, *, options: Optional[RequestOptions] = None) -> Empty:
        """Deliveries stop at once."""
        reply: Empty = self._send("deleteWebhook", "DELETE", path("/webhook/{}", webhook_id), options=options)
        return reply

    def delete_named(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[DeleteNamedWebhookQuery]
    ) -> Empty:
        """The older form of `delete`, which names the webhook in the query."""
        reply: Empty = self._send("deleteNamedWebhook", "DELETE", "/webhook", query=query, options=options)
        return reply

    def rotate_secret(
        self, webhook_id: str, body: Optional[SecretRotation] = None, *, options: Optional[RequestOptions] = None
    ) -> Webhook:
        """A new secret, shown once; the one before signs too for a while, 24 hours if not given."""
        reply: Webhook = self._send(
            "rotateWebhookSecret",
            "POST",
            path("/webhook/{}/rotate-secret", webhook_id),
            body=body or {},
            options=options,
        )
        return reply

    def test(self, webhook_id: str, *, options: Optional[RequestOptions] = None) -> WebhookTested:
        """Sends a `webhook:test`."""
        reply: WebhookTested = self._send("testWebhook", "POST", path("/webhook/{}/test", webhook_id), options=options)
        return reply

    def stats(
        self, webhook_id: str, *, options: Optional[RequestOptions] = None, **query: Unpack[GetWebhookStatsQuery]
    ) -> WebhookStats:
        """How it does: deliveries, latencies, causes of failure."""
        reply: WebhookStats = self._send(
            "getWebhookStats", "GET", path("/webhook/{}/stats", webhook_id), query=query, options=options
        )
        return reply

    def list_deliveries(
        self, webhook_id: str, *, options: Optional[RequestOptions] = None, **query: Unpack[ListWebhookDeliveriesQuery]
    ) -> Page[Delivery]:
        """Newest first, each with its attempts."""
        return self._paged(
            "listWebhookDeliveries", path("/webhook/{}/deliveries", webhook_id), query=query, options=options
        )

    def retry_delivery(self, webhook_id: str, delivery_id: str, *, options: Optional[RequestOptions] = None) -> Empty:
        """Sends a delivery again, under its `webhook-id`."""
        reply: Empty = self._send(
            "retryWebhookDelivery",
            "POST",
            path("/webhook/{}/deliveries/{}/retry", webhook_id, delivery_id),
            options=options,
        )
        return reply

    def resend_event(
        self, webhook_id: str, event_id: str, *, options: Optional[RequestOptions] = None
    ) -> ResentDelivery:
        """Sends one event of the log to this webhook."""
        reply: ResentDelivery = self._send(
            "resendWebhookEvent", "POST", path("/webhook/{}/events/{}/resend", webhook_id, event_id), options=options
        )
        return reply

    def replay(self, webhook_id: str, body: ReplayCreate, *, options: Optional[RequestOptions] = None) -> Replay:
        """Sends again what failed since a time, or everything."""
        reply: Replay = self._send(
            "replayWebhook", "POST", path("/webhook/{}/replay", webhook_id), body=body, options=options
        )
        return reply

    def retrieve_replay(self, webhook_id: str, replay_id: str, *, options: Optional[RequestOptions] = None) -> Replay:
        """How far a replay is."""
        reply: Replay = self._send(
            "getWebhookReplay", "GET", path("/webhook/{}/replay/{}", webhook_id, replay_id), options=options
        )
        return reply

    def cancel_replay(self, webhook_id: str, replay_id: str, *, options: Optional[RequestOptions] = None) -> Replay:
        """Ends a replay; what was sent stays sent."""
        reply: Replay = self._send(
            "cancelWebhookReplay", "DELETE", path("/webhook/{}/replay/{}", webhook_id, replay_id), options=options
        )
        return reply

    def event_types(self, *, options: Optional[RequestOptions] = None) -> List[EventTypeList]:
        """Every event, with its schema and an example in both payloads."""
        reply: List[EventTypeList] = self._send("listEventTypes", "GET", "/event-types", options=options)
        return reply

    def verify(
        self,
        payload: Union[bytes, str],
        headers: Mapping[str, str],
        secrets: Union[str, Sequence[str]],
        *,
        tolerance: float = TOLERANCE_SECONDS,
        now: Optional[float] = None,
    ) -> WebhookEvent:
        """The event of a request that was sent to one of these: see `verify_webhook`."""
        event: WebhookEvent = verified(payload, headers, secrets, tolerance, now)
        return event

    def public_keys(self, webhook_id: str) -> List[str]:
        """The public keys of one that signs with ed25519, for `verify`. They are kept for five minutes."""
        return self._public_keys.of(webhook_id)
