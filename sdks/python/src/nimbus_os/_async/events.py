"""The event logs of both APIs: read by pages, followed as they grow, or streamed."""

from __future__ import annotations

from typing import Any, AsyncIterator, Mapping, Optional

from .._compat import Unpack
from .._options import RequestOptions
from .._request import Request, path
from .._sse import ServerSentEvent
from ..types.orders import ListOrderEventsQuery, OrdersWebhookEvent, StreamOrderEventsQuery
from ..types.partner import ListEventsQuery, StreamEventsQuery, WebhookEvent
from ._feed import as_event, as_sent, followed, streamed
from ._pages import AsyncPages
from ._resource import AsyncOrdersResource, AsyncPartnerResource


class AsyncEvents(AsyncPartnerResource):
    """Events that the partner API tells, oldest first."""

    def list(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListEventsQuery]
    ) -> AsyncPages[WebhookEvent]:
        """What is kept; `cursor` is the last event that you have, `wait` the seconds to wait where there is none after
        it."""
        return self._paged("listEvents", "/events", query=query, options=options)

    async def retrieve(self, event_id: str, *, options: Optional[RequestOptions] = None) -> WebhookEvent:
        reply: WebhookEvent = await self._send("getEvent", "GET", path("/events/{}", event_id), options=options)
        return reply

    def follow(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListEventsQuery]
    ) -> AsyncIterator[WebhookEvent]:
        """All events from `cursor` on, and then each as it comes, by asking again and again. It ends when you leave
        it."""
        return followed(self, "listEvents", "event_id", query, options)

    def stream(
        self, *, reconnect: bool = True, options: Optional[RequestOptions] = None, **query: Unpack[StreamEventsQuery]
    ) -> AsyncIterator[WebhookEvent]:
        """The same over one connection, which is made again when it ends unless `reconnect` is false."""
        return streamed(self._transport, self._streaming(query, options), reconnect, as_event)

    def messages(
        self, *, reconnect: bool = True, options: Optional[RequestOptions] = None, **query: Unpack[StreamEventsQuery]
    ) -> AsyncIterator[ServerSentEvent]:
        """The messages of the stream as they are sent. With `webhook_id` their `fields` have a signature of `data`."""
        return streamed(self._transport, self._streaming(query, options), reconnect, as_sent)

    def _streaming(self, query: Mapping[str, Any], options: Optional[RequestOptions]) -> Request:
        return self._request("streamEvents", "GET", "/events/stream", query=query, options=options)


class AsyncOrderEvents(AsyncOrdersResource):
    """Events that the orders API tells, oldest first."""

    def list(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListOrderEventsQuery]
    ) -> AsyncPages[OrdersWebhookEvent]:
        """What is kept; `cursor` is the last event that you have, `wait` the seconds to wait where there is none after
        it."""
        return self._paged("listOrderEvents", "/events", query=query, options=options)

    async def retrieve(self, event_id: str, *, options: Optional[RequestOptions] = None) -> OrdersWebhookEvent:
        reply: OrdersWebhookEvent = await self._send(
            "getOrderEvent", "GET", path("/events/{}", event_id), options=options
        )
        return reply

    def follow(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListOrderEventsQuery]
    ) -> AsyncIterator[OrdersWebhookEvent]:
        """All events from `cursor` on, and then each as it comes, by asking again and again. It ends when you leave
        it."""
        return followed(self, "listOrderEvents", "id", query, options)

    def stream(
        self,
        *,
        reconnect: bool = True,
        options: Optional[RequestOptions] = None,
        **query: Unpack[StreamOrderEventsQuery],
    ) -> AsyncIterator[OrdersWebhookEvent]:
        """The same over one connection, which is made again when it ends unless `reconnect` is false."""
        return streamed(self._transport, self._streaming(query, options), reconnect, as_event)

    def messages(
        self,
        *,
        reconnect: bool = True,
        options: Optional[RequestOptions] = None,
        **query: Unpack[StreamOrderEventsQuery],
    ) -> AsyncIterator[ServerSentEvent]:
        """The messages of the stream as they are sent. With `webhookId` their `fields` have the signature of `data`."""
        return streamed(self._transport, self._streaming(query, options), reconnect, as_sent)

    def _streaming(self, query: Mapping[str, Any], options: Optional[RequestOptions]) -> Request:
        return self._request("streamOrderEvents", "GET", "/events/stream", query=query, options=options)
