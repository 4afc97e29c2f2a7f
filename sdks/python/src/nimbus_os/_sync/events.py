# Generated from _async by sdks/generate/generate.py.
"""The event logs of both APIs: read by pages, followed as they grow, or streamed."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Optional

from .._compat import Unpack
from .._options import RequestOptions
from .._request import Request, path
from .._sse import ServerSentEvent
from ..types.orders import ListOrderEventsQuery, OrdersWebhookEvent, StreamOrderEventsQuery
from ..types.partner import ListEventsQuery, StreamEventsQuery, WebhookEvent
from ._feed import as_event, as_sent, followed, streamed
from ._pages import Page
from ._resource import OrdersResource, PartnerResource


class Events(PartnerResource):
    """Events that the partner API tells, oldest first."""

    def list(self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListEventsQuery]) -> Page[WebhookEvent]:
        """What is kept; `cursor` is the last event that you have, `wait` the seconds to wait where there is none after
        it."""
        return self._paged("listEvents", "/events", query=query, options=options)

    def retrieve(self, event_id: str, *, options: Optional[RequestOptions] = None) -> WebhookEvent:
        reply: WebhookEvent = self._send("getEvent", "GET", path("/events/{}", event_id), options=options)
        return reply

    def follow(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListEventsQuery]
    ) -> Iterator[WebhookEvent]:
        """All events from `cursor` on, and then each as it comes, by asking again and again. It ends when you leave
        it."""
        return followed(self, "listEvents", "event_id", query, options)

    def stream(
        self, *, reconnect: bool = True, options: Optional[RequestOptions] = None, **query: Unpack[StreamEventsQuery]
    ) -> Iterator[WebhookEvent]:
        """The same over one connection, which is made again when it ends unless `reconnect` is false."""
        return streamed(self._transport, self._streaming(query, options), reconnect, as_event)

    def messages(
        self, *, reconnect: bool = True, options: Optional[RequestOptions] = None, **query: Unpack[StreamEventsQuery]
    ) -> Iterator[ServerSentEvent]:
        """The messages of the stream as they are sent. With `webhook_id` their `fields` have a signature of `data`."""
        return streamed(self._transport, self._streaming(query, options), reconnect, as_sent)

    def _streaming(self, query: Mapping[str, Any], options: Optional[RequestOptions]) -> Request:
        return self._request("streamEvents", "GET", "/events/stream", query=query, options=options)


class OrderEvents(OrdersResource):
    """Events that the orders API tells, oldest first."""

    def list(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListOrderEventsQuery]
    ) -> Page[OrdersWebhookEvent]:
        """What is kept; `cursor` is the last event that you have, `wait` the seconds to wait where there is none after
        it."""
        return self._paged("listOrderEvents", "/events", query=query, options=options)

    def retrieve(self, event_id: str, *, options: Optional[RequestOptions] = None) -> OrdersWebhookEvent:
        reply: OrdersWebhookEvent = self._send("getOrderEvent", "GET", path("/events/{}", event_id), options=options)
        return reply

    def follow(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListOrderEventsQuery]
    ) -> Iterator[OrdersWebhookEvent]:
        """All events from `cursor` on, and then each as it comes, by asking again and again. It ends when you leave
        it."""
        return followed(self, "listOrderEvents", "id", query, options)

    def stream(
        self,
        *,
        reconnect: bool = True,
        options: Optional[RequestOptions] = None,
        **query: Unpack[StreamOrderEventsQuery],
    ) -> Iterator[OrdersWebhookEvent]:
        """The same over one connection, which is made again when it ends unless `reconnect` is false."""
        return streamed(self._transport, self._streaming(query, options), reconnect, as_event)

    def messages(
        self,
        *,
        reconnect: bool = True,
        options: Optional[RequestOptions] = None,
        **query: Unpack[StreamOrderEventsQuery],
    ) -> Iterator[ServerSentEvent]:
        """The messages of the stream as they are sent. With `webhookId` their `fields` have the signature of `data`."""
        return streamed(self._transport, self._streaming(query, options), reconnect, as_sent)

    def _streaming(self, query: Mapping[str, Any], options: Optional[RequestOptions]) -> Request:
        return self._request("streamOrderEvents", "GET", "/events/stream", query=query, options=options)
