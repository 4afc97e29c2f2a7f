"""Verifying webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict

import httpx
import pytest
from conftest import Stub, reply
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import nimbus_os
from nimbus_os import sign_webhook, verify_webhook

NOW = 1_768_473_000
SECRET = "whsec_" + base64.b64encode(os.urandom(32)).decode()
OTHER = "whsec_" + base64.b64encode(os.urandom(24)).decode()
CONTRACT = Path(__file__).resolve().parents[3] / "testdata" / "contract"
EVENTS = [
    "medication_updated.json",
    "order_created_event.json",
    "order_fulfilled_event.json",
    "refill_ready_event.json",
    "shipment_cancelled.json",
    "shipment_created.json",
]
BODY = (CONTRACT / "order_created_event.json").read_bytes()


def v1(body: bytes, secret: str = SECRET, id: str = "msg_1", timestamp: object = NOW) -> str:
    key = base64.b64decode(secret[6:])
    return (
        "v1," + base64.b64encode(hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()).decode()
    )


def headers(signature: str, id: str = "msg_1", timestamp: object = NOW) -> Dict[str, str]:
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def refused(fault: str, work: Callable[[], object]) -> None:
    with pytest.raises(nimbus_os.WebhookVerificationError) as caught:
        work()
    assert caught.value.fault == fault
    assert SECRET[6:] not in "".join(traceback.format_exception(None, caught.value, caught.value.__traceback__))


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_read_when_it_is_signed_and_not_with_any_byte_changed(name: str) -> None:
    body = (CONTRACT / name).read_bytes()
    signed = headers(v1(body))
    assert verify_webhook(body, signed, SECRET, now=NOW) == json.loads(body)
    assert verify_webhook(body.decode(), signed, SECRET, now=NOW) == json.loads(body)
    for at in range(0, len(body), 7):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        refused("no_match", partial(verify_webhook, changed, signed, SECRET, now=NOW))


def test_the_scheme_is_that_of_the_published_library() -> None:
    # A vector of the Standard Webhooks specification's own tests.
    published = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    event: Any = verify_webhook('{"test": 2432232314}', published, secret, now=1_614_265_330)
    assert event == {"test": 2432232314}


def test_a_receiver_can_be_tried_with_what_is_signed_here() -> None:
    assert sign_webhook(BODY, SECRET, id="msg_1", now=NOW) == headers(v1(BODY))
    assert verify_webhook(BODY, sign_webhook(BODY.decode(), SECRET), SECRET)
    with pytest.raises(nimbus_os.NimbusError):
        sign_webhook(BODY, "whpk_AAAA")


def test_while_a_secret_is_rotated_either_signature_and_either_secret_will_do() -> None:
    both = headers(f"{v1(BODY, OTHER)} {v1(BODY)}")
    stranger = "whsec_" + base64.b64encode(os.urandom(24)).decode()
    for secrets in (SECRET, OTHER, [SECRET, OTHER], (stranger, SECRET)):
        assert verify_webhook(BODY, both, secrets, now=NOW)


def test_each_fault_has_its_name() -> None:
    good = v1(BODY)

    def verify(signed: Dict[str, str], secret: str = SECRET, body: bytes = BODY) -> Callable[[], object]:
        return lambda: verify_webhook(body, signed, secret, now=NOW)

    refused("no_match", verify(headers(good), OTHER))
    refused("no_match", verify(headers(good, "msg_2")))
    refused("no_match", verify(headers(good[:-4])))
    refused("no_match", verify(headers("v1,")))
    refused("no_match", verify(headers("v1,é")))
    refused("no_known_signature", verify(headers(good.replace("v1,", "v1a,"))))
    refused("no_known_signature", verify(headers("nonsense")))
    refused("invalid_timestamp", verify(headers(good, timestamp="now")))
    refused("invalid_timestamp", verify(headers(good, timestamp="\u0661")))
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        refused("missing_header", verify({key: value for key, value in headers(good).items() if key != name}))
        refused("missing_header", verify({**headers(good), name: ""}))
        refused("missing_header", verify({**headers(good), name.upper(): "twice"}))
    refused("not_json", verify(headers(v1(b"not JSON")), SECRET, b"not JSON"))


def test_the_time_of_signing_may_be_five_minutes_away_or_as_far_as_one_says() -> None:
    def verify(offset: int, **options: Any) -> object:
        at = NOW + offset
        return verify_webhook(BODY, headers(v1(BODY, timestamp=at), timestamp=at), SECRET, now=NOW, **options)

    assert verify(-300) and verify(300) and verify(-301, tolerance=600)
    refused("too_old", lambda: verify(-301))
    refused("too_new", lambda: verify(301))
    refused("too_old", lambda: verify(-1, tolerance=0))


def test_headers_are_read_in_each_form_that_frameworks_have() -> None:
    plain = headers(v1(BODY))
    for form in (plain, {name.title(): value for name, value in plain.items()}, httpx.Headers(plain)):
        assert verify_webhook(BODY, form, SECRET, now=NOW)


def test_ed25519_is_verified_by_published_keys(stub: Stub) -> None:
    private = Ed25519PrivateKey.generate()
    x = base64.urlsafe_b64encode(private.public_key().public_bytes_raw()).decode().rstrip("=")
    client = stub.client(reply(200, {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "1", "use": "sig"}]}))
    keys = stub.run(client.webhooks.public_keys("webhook-1"))
    assert stub.run(client.webhook_endpoints.public_keys("webhook-1")) == keys
    url = "https://api-sandbox.nimbus-os.com/.well-known/webhook-keys.json?webhook_id=webhook-1"
    assert [str(request.url) for request in stub.sent] == [url]
    signature = "v1a," + base64.b64encode(private.sign(f"msg_1.{NOW}.".encode() + BODY)).decode()
    assert client.webhooks.verify(BODY, headers(f"{v1(BODY, OTHER)} {signature}"), keys, now=NOW) == json.loads(BODY)
    refused("no_match", lambda: client.webhooks.verify(BODY + b" ", headers(signature), keys, now=NOW))
    refused("no_known_signature", lambda: client.webhook_endpoints.verify(BODY, headers(v1(BODY)), keys, now=NOW))


def test_public_keys_need_a_package_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(nimbus_os.NimbusError, match=r"nimbus-os\[ed25519\]"):
        verify_webhook(BODY, headers(v1(BODY)), "whpk_" + base64.b64encode(bytes(32)).decode(), now=NOW)


@pytest.mark.parametrize("secret", ["", "secret", "whsec_", "whsec_not base64!", "whpk_AAAA", "whsec_é"])
def test_a_secret_that_is_none_is_an_error_of_the_program_not_of_the_request(secret: str) -> None:
    for secrets in (secret, [secret], []):
        with pytest.raises(nimbus_os.NimbusError) as caught:
            verify_webhook(BODY, headers(v1(BODY)), secrets, now=NOW)
        assert not isinstance(caught.value, nimbus_os.WebhookVerificationError)
