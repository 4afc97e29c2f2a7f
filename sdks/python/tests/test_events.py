"""Events followed and streamed, over connections that end and break."""

from __future__ import annotations

from typing import AsyncIterator, Iterator, List

import httpx
import pytest
from conftest import Answer, Stub, reply

import nimbus_os
from nimbus_os._sse import Parser, ServerSentEvent


def parsed(*chunks: bytes) -> List[ServerSentEvent]:
    parser = Parser()
    return [message for chunk in chunks for message in parser.read(chunk)]


def test_messages_are_read_as_the_standard_has_them() -> None:
    text = b':\n\nid: 1\nevent: a\nwebhook-signature: v1,x=\ndata: {"n":\ndata:1}\n\ndata\n\nevent: lost\n\n'
    assert parsed(text) == [
        ServerSentEvent("1", "a", '{"n":\n1}', {"webhook-signature": "v1,x="}),
        ServerSentEvent("1", "", "", {}),
    ]


def test_messages_are_the_same_however_they_are_cut() -> None:
    text = "id: é\r\nevent: a\r\ndata: ü\u2028\r\n\r\nid: 2\revent: b\rdata: b\r\r".encode()
    whole = parsed(text, b"\n")
    assert [(message.event, message.data) for message in whole] == [("a", "ü\u2028"), ("b", "b")]
    for at in range(len(text) + 1):
        assert parsed(text[:at], text[at:], b"\n") == whole


class Told(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A connection that tells this text, and then ends or breaks."""

    def __init__(self, text: str, breaks: bool) -> None:
        self.text, self.breaks = text, breaks

    def __iter__(self) -> Iterator[bytes]:
        yield self.text.encode()
        if self.breaks:
            raise httpx.ReadError("reset")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


def told(text: str, breaks: bool = False) -> Answer:
    return lambda _: httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Told(text, breaks))


def event(id: str) -> str:
    return f'retry: 0\n\nid: {id}\nevent: order.created\ndata: {{"id":"{id}"}}\n\n'


def test_a_stream_comes_back_with_the_last_id_that_it_has(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)
    over = reply(401, {"error": {"code": "unauthorized", "message": "Unauthorized"}})
    client = stub.client(
        told(event("evt_1") + event("evt_2")), told(event("evt_3"), breaks=True), told(event("evt_4")), over
    )
    stream = client.order_events.stream(cursor="evt_0", eventTypes=["order.*"])
    found: List[str] = []

    def keep() -> None:
        for one in stub.items(stream, count=4):
            found.append(one["id"])

    keep()
    assert found == ["evt_1", "evt_2", "evt_3", "evt_4"]
    assert [request.headers.get("last-event-id") for request in stub.sent] == [None, "evt_2", "evt_3"]
    assert {request.url.query for request in stub.sent} == {b"cursor=evt_0&eventTypes=order.%2A"}
    assert {request.headers["accept"] for request in stub.sent} == {"text/event-stream"}


def test_a_stream_ends_with_the_key(stub: Stub) -> None:
    over = reply(401, {"error": {"code": "unauthorized", "message": "Unauthorized"}})
    client = stub.client(told(event("evt_1")), over)
    with pytest.raises(nimbus_os.AuthenticationError):
        stub.items(client.order_events.stream())
    assert len(stub.sent) == 2


def test_a_stream_that_cannot_be_had_gives_up(stub: Stub) -> None:
    client = stub.client(reply(503, {}, {"retry-after": "0"}))
    with pytest.raises(nimbus_os.ServerError):
        stub.items(client.events.stream())
    assert len(stub.sent) == 3


def test_a_stream_without_reconnecting_ends(stub: Stub) -> None:
    client = stub.client(told(event("evt_1")))
    assert stub.items(client.order_events.stream(reconnect=False)) == [{"id": "evt_1"}]
    assert len(stub.sent) == 1


def test_following_goes_on_behind_the_last_event_also_after_an_empty_page(stub: Stub) -> None:
    def page(*ids: str) -> Answer:
        return reply(200, {"data": [{"event_id": id} for id in ids], "has_more": False, "next_cursor": None})

    client = stub.client(page("1", "2"), page(), page("3"))
    found = stub.items(client.events.follow(cursor="0", event_types=["shipment:*"]), count=3)
    assert [one["event_id"] for one in found] == ["1", "2", "3"]
    asked = [(request.url.params["cursor"], request.url.params["wait"]) for request in stub.sent]
    assert asked == [("0", "15"), ("2", "15"), ("2", "15")]
