"""Events as they come: by asking again and again, or over a connection that is made again when it ends."""

from __future__ import annotations

import json
from typing import Any, AsyncIterator, Callable, Mapping, Optional, TypeVar

from .._errors import NimbusError
from .._options import RequestOptions
from .._request import Request
from .._retry import may_retry
from .._sse import IDLE_SECONDS, Parser, ServerSentEvent
from ._resource import AsyncResource
from ._time import sleep
from ._transport import AsyncTransport

T = TypeVar("T")
# The longest that the server waits for an event, and the least that such a request is given, in seconds.
_WAIT_SECONDS = 15
_WAIT_TIMEOUT_SECONDS = 30.0


async def followed(
    resource: AsyncResource,
    operation: str,
    id_field: str,
    query: Mapping[str, Any],
    options: Optional[RequestOptions],
) -> AsyncIterator[Any]:
    """All events from `cursor` on, and then each as it comes."""
    transport = resource._transport
    limits: RequestOptions = {**(options or {})}
    limits["timeout"] = max(transport.timeout(limits), _WAIT_TIMEOUT_SECONDS)
    cursor = query.get("cursor")
    while True:
        asked = {**query, "cursor": cursor, "wait": _WAIT_SECONDS}
        page = await resource._page(resource._request(operation, "GET", "/events", query=asked, options=limits))
        for event in page.data:
            cursor = event[id_field]
            yield event


async def streamed(
    transport: AsyncTransport, request: Request, reconnect: bool, read: Callable[[ServerSentEvent], T]
) -> AsyncIterator[T]:
    """What messages say, over as many connections as it takes: nothing is passed over, and nothing comes twice."""
    max_retries = transport.max_retries(request.options)
    last_id = ""
    failures = 0
    while True:
        headers = {"accept": "text/event-stream", **({"last-event-id": last_id} if last_id else {})}
        parser = Parser()
        try:
            async with transport.open(request, IDLE_SECONDS, headers) as chunks:
                async for chunk in chunks:
                    for message in parser.read(chunk):
                        failures = 0
                        yield read(message)
                        last_id = message.id or last_id
        except NimbusError as error:
            if not reconnect or failures >= max_retries or not may_retry(error, True):
                raise
            await transport.pause(error, failures)
            failures += 1
        else:
            if not reconnect:
                return
            await sleep(parser.retry_seconds)


def as_event(message: ServerSentEvent) -> Any:
    return json.loads(message.data)


def as_sent(message: ServerSentEvent) -> ServerSentEvent:
    return message
