"""Webhooks of both APIs as a live server sends them, and the same events read and streamed."""

from __future__ import annotations

import threading
from typing import Any, Dict, List

import nimbus_os

from .conftest import Live, Receiver


def test_a_webhook_verifies_before_during_and_after_its_secret_is_rotated(
    live: Live, receiver: Receiver, seed: Dict[str, Any]
) -> None:
    webhooks = live.client.webhooks
    body = {"clinic_id": seed["clinic_id"], "webhook_url": receiver.url, "event_types": ["webhook:test"]}
    made = live.run(webhooks.create(body))
    live.run(webhooks.test(made["webhook_id"]))
    payload, headers = receiver.next()
    event = webhooks.verify(payload, headers, made["signing_secret"])
    assert (event["event_name"], event["event_data"]["webhook_id"]) == ("webhook:test", made["webhook_id"])

    rotated = live.run(webhooks.rotate_secret(made["webhook_id"]))
    live.run(webhooks.test(made["webhook_id"]))
    payload, headers = receiver.next()
    before, after = made["signing_secret"], rotated["signing_secret"]
    for secrets in (before, after, [after, before]):
        assert webhooks.verify(payload, headers, secrets)
    live.run(webhooks.delete(made["webhook_id"]))


def test_a_webhook_that_signs_with_ed25519_verifies_by_the_published_keys(live: Live, receiver: Receiver) -> None:
    endpoints = live.client.webhook_endpoints
    body = {"url": receiver.url, "signing": "ed25519", "eventTypes": ["order.created"]}
    made = live.run(endpoints.create(body))
    live.prescribe(do_not_fill=False)
    payload, headers = receiver.next()
    event = endpoints.verify(payload, headers, live.run(endpoints.public_keys(made["id"])))
    assert event["type"] == "order.created"
    assert event["data"]["patientId"].startswith("pat_")
    live.run(endpoints.delete(made["id"]))


def test_a_sample_is_sent_on_demand(live: Live, receiver: Receiver) -> None:
    endpoints = live.client.webhook_endpoints
    made = live.run(endpoints.create({"url": receiver.url, "eventTypes": ["order.fulfilled"]}))
    told = live.run(endpoints.test({"eventType": "order.fulfilled"}))
    assert (told["success"], told["statusCode"]) == (True, 200)
    payload, headers = receiver.next()
    assert endpoints.verify(payload, headers, made["signingSecret"])["type"] == "order.fulfilled"
    assert live.run(endpoints.delete(made["id"])) is None


def test_the_log_is_read_followed_and_streamed_alike(live: Live) -> None:
    events = live.client.events
    listed = live.items(events.list(limit=2))
    assert len(listed) > 4
    assert live.items(events.follow(limit=3), len(listed)) == listed
    assert live.items(events.stream(), len(listed)) == listed
    assert live.run(events.retrieve(listed[0]["event_id"])) == listed[0]


def test_a_follower_is_told_what_happens_after_it_came(live: Live, seed: Dict[str, Any]) -> None:
    known = [event["id"] for event in live.items(live.client.order_events.list(limit=100))]
    found: List[str] = []

    def other() -> None:
        with nimbus_os.Nimbus(seed["keys"]["integration"], base_url=seed["url"]) as client:
            for event in client.order_events.stream(cursor=known[-1], eventTypes=["order.created"]):
                found.append(event["id"])
                break

    streaming = threading.Thread(target=other)
    streaming.start()
    order = live.prescribe(do_not_fill=False)["medication_order_id"]
    (event,) = live.items(live.client.order_events.follow(cursor=known[-1], eventTypes=["order.created"]), 1)
    streaming.join()
    assert found == [event["id"]]
    assert event["data"]["orderId"] == live.run(live.client.orders.retrieve(order))["id"]


def test_a_stream_can_be_signed_for_a_webhook(live: Live, receiver: Receiver) -> None:
    client = live.client
    made = live.run(client.webhook_endpoints.create({"url": receiver.url, "eventTypes": ["order.*"]}))
    (message,) = live.items(client.order_events.messages(webhookId=made["id"]), 1)
    headers = {**message.fields, "webhook-id": message.id}
    event = client.webhook_endpoints.verify(message.data, headers, made["signingSecret"])
    assert event["id"] == message.id
    live.run(client.webhook_endpoints.delete(made["id"]))
