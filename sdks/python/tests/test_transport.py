"""Retries, idempotency keys, header fields, errors, and what is never shown."""

from __future__ import annotations

import logging
import re
import traceback
from typing import Any, Dict, Optional, Type

import httpx
import pytest
from conftest import KEY, Answer, Stub, broken, reply

import nimbus_os
from nimbus_os._retry import delay_seconds, may_retry

ORDER = {"id": "ord_1"}
NOW = {"retry-after": "0"}
UNAVAILABLE = reply(503, {"error": {"code": "unavailable", "message": "Later", "requestId": "req_1"}}, NOW)
LIMITED = reply(429, {"error": {"code": "rate_limit_exceeded", "message": "…"}}, NOW)
BODY = {"prescriptionId": "rx_1", "patientId": "pat_1"}
UUID_V4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def test_a_post_is_tried_again_with_the_same_key_and_body(stub: Stub) -> None:
    client = stub.client(UNAVAILABLE, UNAVAILABLE, reply(201, ORDER))
    assert stub.run(client.refills.create(BODY)) == ORDER
    keys = {request.headers["idempotency-key"] for request in stub.sent}
    assert len(stub.sent) == 3
    assert len(keys) == 1 and re.fullmatch(UUID_V4, keys.pop())
    assert len({request.content for request in stub.sent}) == 1


def test_two_calls_have_two_keys_and_one_of_ones_own_is_kept(stub: Stub) -> None:
    client = stub.client(reply(201, ORDER))
    for options in ({}, {}, {"idempotency_key": "refill-1001"}):
        stub.run(client.refills.create(BODY, options=options))
    keys = [request.headers["idempotency-key"] for request in stub.sent]
    assert len(set(keys)) == 3 and keys[2] == "refill-1001"


@pytest.mark.parametrize("key", ["", "refill 1001", "refill\n1001", "é", "x" * 256])
def test_a_key_that_cannot_be_sent_is_refused(stub: Stub, key: str) -> None:
    client = stub.client(reply(201, ORDER))
    with pytest.raises(nimbus_os.NimbusError, match="idempotency_key"):
        stub.run(client.refills.create(BODY, options={"idempotency_key": key}))
    assert not stub.sent


def test_a_reply_that_cannot_be_decoded_is_a_broken_connection(stub: Stub) -> None:
    client = stub.client(
        lambda _: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no")),
        max_retries=0,
    )
    with pytest.raises(nimbus_os.ApiConnectionError):
        stub.run(client.orders.retrieve("ord_1"))


@pytest.mark.parametrize(
    "answer",
    [
        LIMITED,
        UNAVAILABLE,
        reply(408, {}, NOW),
        reply(500, {}, NOW),
        lambda _: httpx.Response(502, headers=NOW, content=b"<html>"),
        reply(409, {"error": {"code": "idempotency_key_in_use", "message": "…"}}, NOW),
        reply(409, {"success": False, "error": {"code": "IDEMPOTENCY_KEY_IN_USE", "message": "…"}}, NOW),
    ],
)
def test_what_may_pass_is_tried_again(stub: Stub, answer: Answer) -> None:
    stub.run(stub.client(answer, reply(201, ORDER)).refills.create(BODY))
    assert len(stub.sent) == 2


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 409, 410, 412, 422])
def test_what_will_not_pass_is_not_tried_again(stub: Stub, status: int) -> None:
    client = stub.client(
        reply(status, {"error": {"code": "no", "message": "No"}}, {**NOW, "location": "https://b.example"})
    )
    with pytest.raises(nimbus_os.ApiError):
        stub.run(client.refills.create(BODY))
    assert len(stub.sent) == 1


def test_a_broken_connection_is_tried_again(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)
    client = stub.client(broken(httpx.ReadError("reset")), broken(httpx.ReadTimeout("slow")), reply(200, ORDER))
    assert stub.run(client.orders.retrieve("ord_1")) == ORDER
    assert len(stub.sent) == 3


def test_there_are_two_retries_or_as_many_as_one_says(stub: Stub) -> None:
    for options, tries in (({}, 3), ({"max_retries": 0}, 1), ({"max_retries": 4}, 5)):
        client = stub.client(UNAVAILABLE, **options)
        with pytest.raises(nimbus_os.ServerError):
            stub.run(client.orders.retrieve("ord_1"))
        assert len(stub.sent) == tries
    client = stub.client(UNAVAILABLE)
    with pytest.raises(nimbus_os.ServerError):
        stub.run(client.orders.retrieve("ord_1", options={"max_retries": 1}))
    assert len(stub.sent) == 2


@pytest.mark.parametrize("answer", [UNAVAILABLE, reply(500, {}, NOW), broken(httpx.ReadError("reset"))])
def test_a_patch_that_may_have_begun_is_not_tried_again(stub: Stub, answer: Answer) -> None:
    with pytest.raises(nimbus_os.NimbusError):
        stub.run(stub.client(answer).patients.update("id", {}))
    assert len(stub.sent) == 1


@pytest.mark.parametrize("answer", [LIMITED, broken(httpx.ConnectError("refused"))])
def test_a_patch_that_was_never_begun_is_tried_again(
    stub: Stub, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)
    stub.run(stub.client(answer, reply(200, {"data": {}})).patients.update("id", {}))
    assert len(stub.sent) == 2


def test_a_connection_that_was_refused_was_never_begun() -> None:
    # Nothing listens on this port, which is the management utility's of CompressNET.
    with nimbus_os.Nimbus(KEY, base_url="http://127.0.0.1:2", max_retries=0) as client:
        with pytest.raises(nimbus_os.ApiConnectionError) as caught:
            client.patients.update("id", {})
    assert may_retry(caught.value, repeatable=False)


def test_a_longer_retry_after_than_one_waits_for_is_an_error_at_once(stub: Stub) -> None:
    client = stub.client(reply(429, {}, {"retry-after": "61"}))
    with pytest.raises(nimbus_os.RateLimitError) as caught:
        stub.run(client.orders.retrieve("ord_1"))
    assert caught.value.retry_after == 61
    assert len(stub.sent) == 1


def test_back_off_doubles_has_full_jitter_and_an_end() -> None:
    failure = nimbus_os.ApiConnectionError("broken")
    assert [delay_seconds(failure, retry, 60, 1.0) for retry in (0, 1, 2, 3, 4, 9)] == [0.5, 1, 2, 4, 8, 8]
    assert delay_seconds(failure, 3, 60, 0.5) == 2
    assert delay_seconds(failure, 3, 60, 0.0) == 0


@pytest.mark.parametrize(("said", "waits"), [("7", 7.0), ("61", None), ("soon", 0.5)])
def test_retry_after_goes_before_back_off(said: str, waits: Optional[float]) -> None:
    error = nimbus_os.ServerError(503, {"retry-after": said}, None)
    assert delay_seconds(error, 0, 60, 1.0) == waits


def test_a_reply_that_does_not_come_is_a_timeout(stub: Stub) -> None:
    client = stub.client(broken(httpx.ReadTimeout("slow")), max_retries=0, timeout=3.5)
    with pytest.raises(nimbus_os.ApiTimeoutError):
        stub.run(client.orders.retrieve("ord_1"))
    assert set(stub.sent[0].extensions["timeout"].values()) == {3.5}


def test_header_fields_are_of_the_client_of_the_call_and_never_another_key(stub: Stub) -> None:
    client = stub.client(reply(200, ORDER), headers={"X-Team": "a", "X-Api-Key": "dev_other"})
    stub.run(client.orders.retrieve("ord_1", options={"headers": {"x-team": "b"}, "if_none_match": '"tag"'}))
    sent = stub.sent[0].headers
    assert sent.get_list("x-api-key") == [KEY]
    assert (sent["x-team"], sent["if-none-match"]) == ("b", '"tag"')
    assert sent["user-agent"].startswith("nimbus-python/")


def test_queries_leave_out_what_is_not_given_and_join_lists(stub: Stub) -> None:
    client = stub.client(reply(200, {"data": [], "nextCursor": None}))
    stub.run(client.order_events.list(eventTypes=["order.created", "refill.*"], limit=5))
    assert dict(stub.sent[0].url.params) == {"eventTypes": "order.created,refill.*", "limit": "5"}


def test_ids_cannot_make_another_path(stub: Stub) -> None:
    client = stub.client(reply(200, ORDER))
    stub.run(client.orders.retrieve("../orders?limit=1"))
    assert stub.sent[0].url.raw_path == b"/orders/..%2Forders%3Flimit%3D1"
    for wrong in ("", ".", ".."):
        with pytest.raises(nimbus_os.NimbusError):
            stub.run(client.orders.retrieve(wrong))
    assert len(stub.sent) == 1


def test_a_call_can_look_at_its_reply(stub: Stub) -> None:
    client = stub.client(reply(201, ORDER, {"ETag": '"tag"', "Idempotent-Replayed": "true"}))
    seen: Any = []
    stub.run(client.refills.create(BODY, options={"on_response": seen.append}))
    (info,) = seen
    assert (info.status, info.etag, info.replayed, info.request_id) == (201, '"tag"', True, "req_stub")


def partner(code: str, details: object = None) -> Dict[str, Any]:
    error = {"code": code, "message": "Said by the server", "details": details, "request_id": "req_partner"}
    return {"success": False, "error": error}


def orders(code: str, details: object = None) -> Dict[str, Any]:
    return {"error": {"code": code, "message": "Said by the server", "details": details, "requestId": "req_orders"}}


FIELD = {"field": "npi", "message": "is required"}
OF_ORDERS = {"field": "zip", "reason": "is wrong", "errors": [{"field": "zip", "reason": "is wrong"}]}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (304, None, nimbus_os.NotModifiedError),
        (400, partner("VALIDATION_ERROR", [FIELD]), nimbus_os.ValidationError),
        (422, orders("validation_error", OF_ORDERS), nimbus_os.ValidationError),
        (400, orders("invalid_request"), nimbus_os.BadRequestError),
        (400, partner("REFILL_NOT_ELIGIBLE"), nimbus_os.BusinessRuleError),
        (400, partner("REFILL_EXISTS"), nimbus_os.BusinessRuleError),
        (400, partner("ORDER_REJECTED"), nimbus_os.BusinessRuleError),
        (400, partner("SERVICE_NOT_AVAILABLE"), nimbus_os.BusinessRuleError),
        (400, partner("DUPLICATE_PATIENT"), nimbus_os.BusinessRuleError),
        (422, orders("refill_not_eligible"), nimbus_os.BusinessRuleError),
        (400, partner("INVALID_STATUS_TRANSITION"), nimbus_os.ConflictError),
        (409, orders("invalid_status_transition"), nimbus_os.ConflictError),
        (401, partner("UNAUTHORIZED"), nimbus_os.AuthenticationError),
        (403, orders("forbidden"), nimbus_os.PermissionDeniedError),
        (404, partner("NOT_FOUND"), nimbus_os.NotFoundError),
        (405, partner("METHOD_NOT_ALLOWED"), nimbus_os.BadRequestError),
        (409, partner("IDEMPOTENCY_KEY_CONFLICT"), nimbus_os.IdempotencyError),
        (409, orders("idempotency_key_conflict"), nimbus_os.IdempotencyError),
        (409, partner("REPLAY_RUNNING"), nimbus_os.ConflictError),
        (410, partner("CURSOR_EXPIRED"), nimbus_os.GoneError),
        (412, orders("precondition_failed"), nimbus_os.PreconditionFailedError),
        (413, partner("PAYLOAD_TOO_LARGE"), nimbus_os.BadRequestError),
        (415, orders("unsupported_media_type"), nimbus_os.BadRequestError),
        (429, partner("RATE_LIMIT_EXCEEDED"), nimbus_os.RateLimitError),
        (500, orders("internal_error"), nimbus_os.ServerError),
        (503, partner("UNAVAILABLE"), nimbus_os.ServerError),
        (418, "not JSON of ours", nimbus_os.ApiError),
    ],
)
def test_a_refusal_is_an_error_of_its_kind(
    stub: Stub, status: int, body: object, expected: Type[nimbus_os.ApiError]
) -> None:
    client = stub.client(reply(status, body), max_retries=0)
    with pytest.raises(nimbus_os.ApiError) as caught:
        stub.run(client.orders.retrieve("ord_1"))
    assert type(caught.value) is expected
    assert caught.value.status == status
    assert caught.value.headers["x-request-id"] == "req_stub"


def test_an_error_tells_its_parts_in_one_shape_for_both_apis(stub: Stub) -> None:
    def refused(status: int, body: object) -> nimbus_os.ApiError:
        with pytest.raises(nimbus_os.ApiError) as caught:
            stub.run(stub.client(reply(status, body)).orders.retrieve("ord_1"))
        return caught.value

    first = refused(400, partner("VALIDATION_ERROR", [FIELD]))
    assert (first.code, str(first), first.request_id) == ("VALIDATION_ERROR", "Said by the server", "req_partner")
    assert first.fields == [nimbus_os.FieldError("npi", "is required")]
    second = refused(422, orders("validation_error", OF_ORDERS))
    assert second.request_id == "req_orders"
    assert second.fields == [nimbus_os.FieldError("zip", "is wrong")]
    assert second.details == OF_ORDERS


def test_neither_key_nor_query_nor_body_is_shown(stub: Stub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = stub.client(reply(400, partner("VALIDATION_ERROR", [FIELD])))
    with pytest.raises(nimbus_os.ApiError) as refused:
        stub.run(client.patients.list(last_name="Rivera", first_name="Jamie", dob="1988-04-12"))
    assert [record.name for record in caplog.records if record.name == "httpx"]
    client = stub.client(broken(httpx.ReadError("reset")), max_retries=0)
    with pytest.raises(nimbus_os.ApiConnectionError) as lost:
        stub.run(client.patients.update("id", {"last_name": "Rivera"}))
    shown = [repr(client), str(client), repr(client.patients), repr(client._transport.settings), caplog.text]
    for caught in (refused.value, lost.value):
        shown += ["".join(traceback.format_exception(type(caught), caught, caught.__traceback__, chain=True))]
        shown += [repr(caught), repr(caught.__cause__)]
    # The lines of this file stand in the traces too; what they say is not what was sent.
    text = re.sub(r'\(?client\.patients\.\w+\(.*|first_name="Jamie".*', "", "\n".join(shown))
    assert not re.search("Rivera|Jamie|1988|never_shown", text)


def test_logs_of_others_are_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="httpx")
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as other:
        other.get("https://other.example/?shown=1")
    assert "https://other.example/?shown=1" in caplog.text


def test_a_reply_that_is_not_json_is_an_error_that_does_not_quote_it(stub: Stub) -> None:
    client = stub.client(lambda _: httpx.Response(200, content=b"Rivera"))
    with pytest.raises(nimbus_os.NimbusError) as caught:
        stub.run(client.orders.retrieve("ord_1"))
    assert "Rivera" not in "".join(traceback.format_exception(None, caught.value, None))


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": ""},
        {"api_key": "dev_\n"},
        {"environment": "production"},
        {"environment": "nowhere"},
        {"api_key": "prod_x", "environment": "sandbox"},
        {"base_url": "http://api.example.com"},
        {"base_url": "https://user:secret@api.example.com"},
        {"base_url": "nowhere"},
        {"base_url": "https://[nowhere"},
        {"max_retries": 11},
        {"max_retries": 0.5},
        {"timeout": 0},
        {"timeout": float("nan")},
    ],
)
def test_settings_that_cannot_be_meant_are_refused_without_repeating_them(options: Dict[str, Any]) -> None:
    for client in (nimbus_os.Nimbus, nimbus_os.AsyncNimbus):
        with pytest.raises(nimbus_os.NimbusError) as caught:
            client(**{"api_key": KEY, **options})
        assert not re.search(
            "secret|never_shown|nowhere", "".join(traceback.format_exception_only(type(caught.value), caught.value))
        )


def test_the_key_says_which_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIMBUS_BASE_URL", raising=False)
    monkeypatch.setenv("NIMBUS_API_KEY", "dev_x")
    assert nimbus_os.Nimbus().base_url == "https://api-sandbox.nimbus-os.com"
    assert nimbus_os.Nimbus("prod_x").base_url == "https://api.nimbus-os.com"
    monkeypatch.setenv("NIMBUS_BASE_URL", "http://127.0.0.1:8080/")
    assert nimbus_os.Nimbus().base_url == "http://127.0.0.1:8080"
    assert nimbus_os.Nimbus("prod_x", environment="production").base_url == "https://api.nimbus-os.com"
