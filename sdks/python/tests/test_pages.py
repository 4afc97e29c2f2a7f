"""Pages of both APIs."""

from __future__ import annotations

from typing import Any, List

from conftest import Stub, reply

OF_ORDERS = [
    reply(200, {"data": [{"id": "1"}, {"id": "2"}], "hasMore": True, "nextCursor": "c 1", "unreadable": ["ord_9"]}),
    reply(200, {"data": [], "hasMore": True, "nextCursor": "c2"}),
    reply(200, {"data": [{"id": "3"}], "hasMore": False, "nextCursor": None}),
]


def cursors(stub: Stub) -> List[Any]:
    return [request.url.params.get("cursor") for request in stub.sent]


def test_iterating_a_list_reads_every_page_with_the_same_filters(stub: Stub) -> None:
    client = stub.client(*OF_ORDERS)
    found = stub.items(client.orders.list(patientId="pat_1", limit=2))
    assert [order["id"] for order in found] == ["1", "2", "3"]
    assert cursors(stub) == [None, "c 1", "c2"]
    assert all(request.url.params["patientId"] == "pat_1" for request in stub.sent)


def test_no_page_is_read_before_it_is_needed(stub: Stub) -> None:
    client = stub.client(*OF_ORDERS)
    assert len(stub.items(client.orders.list(), count=2)) == 2
    assert len(stub.sent) == 1


def test_a_list_is_also_one_page(stub: Stub) -> None:
    client = stub.client(*OF_ORDERS)
    page = stub.run(client.orders.list())
    assert (len(page.data), page.has_more, page.next_cursor, page.unreadable) == (2, True, "c 1", ["ord_9"])
    last = stub.run(stub.run(page.next_page()).next_page())
    assert (last.has_more, stub.run(last.next_page())) == (False, None)
    assert len(stub.sent) == 3


def test_pages_can_be_iterated(stub: Stub) -> None:
    client = stub.client(*OF_ORDERS)
    assert [len(page.data) for page in stub.items(client.orders.list().pages())] == [2, 0, 1]


def test_pages_of_the_partner_api_are_the_same(stub: Stub) -> None:
    client = stub.client(
        reply(200, {"success": True, "data": [{"id": "a"}], "has_more": True, "next_cursor": "n"}),
        reply(200, {"success": True, "data": [{"id": "b"}], "has_more": False, "next_cursor": None}),
    )
    assert stub.items(client.keys.list()) == [{"id": "a"}, {"id": "b"}]
    assert cursors(stub) == [None, "n"]
