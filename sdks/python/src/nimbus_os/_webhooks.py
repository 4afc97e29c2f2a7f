"""Verifying and signing webhooks by the Standard Webhooks scheme: `v1` (HMAC-SHA256) and `v1a` (ed25519)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
import uuid
from typing import Any, Callable, Dict, List, Literal, Mapping, NamedTuple, Optional, Sequence, Tuple, Union, cast

from ._errors import NimbusError
from .types.orders import OrdersWebhookEvent
from .types.partner import WebhookEvent

#: Any event of either API: those of the orders API have a `type`, those of the partner API an `event_name`.
AnyWebhookEvent = Union[WebhookEvent, OrdersWebhookEvent]

WebhookFault = Literal[
    "missing_header", "invalid_timestamp", "too_old", "too_new", "no_known_signature", "no_match", "not_json"
]

TOLERANCE_SECONDS = 300
_SECRET = "whsec_"
_PUBLIC_KEY = "whpk_"


class WebhookVerificationError(NimbusError):
    """A request that is not one of Nimbus's, or not as it was sent. Answer it with 400 or 401."""

    #: Why it was refused.
    fault: WebhookFault

    def __init__(self, fault: WebhookFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def verify_webhook(
    payload: Union[bytes, str],
    headers: Mapping[str, str],
    secrets: Union[str, Sequence[str]],
    *,
    tolerance: float = TOLERANCE_SECONDS,
    now: Optional[float] = None,
) -> AnyWebhookEvent:
    """The event of a request that Nimbus has signed; anything else raises a `WebhookVerificationError`.

    `payload` is the body as it came, before anything has parsed it. `secrets` are the endpoint's `whsec_…`, or its
    public keys `whpk_…` (which need the package `cryptography`): several while they are being changed. `tolerance` is
    how many seconds the time of signing may be away from now, and `now` the present time in seconds since 1970, for
    tests.
    """
    return cast(AnyWebhookEvent, verified(payload, headers, secrets, tolerance, now))


def verified(
    payload: Union[bytes, str],
    headers: Mapping[str, str],
    secrets: Union[str, Sequence[str]],
    tolerance: float,
    now: Optional[float],
) -> Any:
    """As `verify_webhook`, whose event is."""
    keys = [_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise NimbusError("There is no secret to verify with.")
    event_id = _header(headers, "webhook-id")
    timestamp = _header(headers, "webhook-timestamp")
    signatures = _header(headers, "webhook-signature").split(" ")
    _check_time(timestamp, tolerance, time.time() if now is None else now)
    body = _bytes(payload)
    _check_signatures(signatures, keys, _signed(event_id, timestamp, body))
    try:
        return json.loads(body)
    except ValueError:
        raise WebhookVerificationError("not_json", "The body is signed, and is not JSON.") from None


def sign_webhook(
    payload: Union[bytes, str], secret: str, *, id: Optional[str] = None, now: Optional[float] = None
) -> Dict[str, str]:
    """The headers with which Nimbus would send this body to an endpoint of this secret: to test a receiver of your own.

    `id` is the event's, a random one if not given; `now` the time of signing in seconds since 1970.
    """
    event_id = id or f"msg_{uuid.uuid4()}"
    timestamp = str(int(time.time() if now is None else now))
    signature = _hmac(_secret(secret), _signed(event_id, timestamp, _bytes(payload)))
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def _bytes(payload: Union[bytes, str]) -> bytes:
    return payload.encode() if isinstance(payload, str) else bytes(payload)


def _signed(event_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{event_id}.{timestamp}.".encode() + body


def _hmac(key: bytes, signed: bytes) -> bytes:
    return hmac.new(key, signed, hashlib.sha256).digest()


class _Key(NamedTuple):
    version: str
    is_of: Callable[[bytes, bytes], bool]


def _key(secret: str) -> _Key:
    if secret.startswith(_PUBLIC_KEY):
        return _Key("v1a", _ed25519(_decoded(secret[len(_PUBLIC_KEY) :])))
    key = _secret(secret)
    return _Key("v1", lambda signed, signature: hmac.compare_digest(_hmac(key, signed), signature))


def _secret(secret: str) -> bytes:
    if not secret.startswith(_SECRET):
        raise NimbusError("A secret begins with neither whsec_ nor whpk_.")
    key = _decoded(secret[len(_SECRET) :])
    if not key:
        raise NimbusError("A secret is empty.")
    return key


def _ed25519(key: bytes) -> Callable[[bytes, bytes], bool]:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise NimbusError("Public keys need the package cryptography: pip install 'nimbus-os[ed25519]'") from None
    if len(key) != 32:
        raise NimbusError("A public key is not 32 bytes long.")
    public = Ed25519PublicKey.from_public_bytes(key)

    def is_of(signed: bytes, signature: bytes) -> bool:
        try:
            public.verify(signature, signed)
        except InvalidSignature:
            return False
        return True

    return is_of


def _decoded(text: str) -> bytes:
    """The published form has no padding to rely on."""
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise NimbusError("A secret or public key is not base64.") from None


def _header(headers: Mapping[str, str], name: str) -> str:
    found = [value for key, value in headers.items() if key.lower() == name]
    if len(found) != 1 or not isinstance(found[0], str) or not found[0]:
        raise WebhookVerificationError("missing_header", f"The header {name} is missing, or there more than once.")
    return found[0]


def _check_time(timestamp: str, tolerance: float, now: float) -> None:
    if not re.fullmatch("[0-9]{1,10}", timestamp):
        raise WebhookVerificationError("invalid_timestamp", "webhook-timestamp is not a number of seconds since 1970.")
    if not tolerance >= 0:
        raise NimbusError("tolerance is not a number from 0.")
    age = int(now) - int(timestamp)
    if age > tolerance:
        raise WebhookVerificationError("too_old", "It was signed too long ago: it is replayed, or a clock is off.")
    if age < -tolerance:
        raise WebhookVerificationError("too_new", "It was signed in the future: a clock is off.")


def _check_signatures(signatures: Sequence[str], keys: Sequence[_Key], signed: bytes) -> None:
    candidates: List[Tuple[_Key, bytes]] = []
    for signature in signatures:
        version, _, text = signature.partition(",")
        candidates += [(key, _lenient(text)) for key in keys if key.version == version]
    if not candidates:
        wanted = " or ".join(sorted({key.version for key in keys}))
        raise WebhookVerificationError("no_known_signature", f"webhook-signature has no signature of {wanted}.")
    if not any(key.is_of(signed, signature) for key, signature in candidates):
        raise WebhookVerificationError(
            "no_match", "No signature matches: it is another endpoint's secret, or the body is not as it came."
        )


def _lenient(text: str) -> bytes:
    """A signature that is not base64 is one that does not match."""
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""
