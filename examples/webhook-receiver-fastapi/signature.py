"""Whether a delivery is from Nimbus, and is not an old one sent again: Standard Webhooks, v1 (HMAC-SHA256)."""

import base64
import binascii
import hashlib
import hmac
import time

TOLERANCE_SECONDS = 300


def is_genuine(secret, headers, body, now=None):
    """`secret` is the whole `whsec_…`, `body` the bytes as they arrived."""
    webhook_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit()):
        return False
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_SECONDS:
        return False

    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = hmac.new(key, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    # Several are separated by spaces: while a secret is rotated, the old one and the new one sign.
    signatures = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(made, wanted) for made in map(_decoded, signatures) if made)


def _decoded(signature):
    """The bytes of a `v1` signature; None for any other."""
    version, _, text = signature.partition(",")
    try:
        return base64.b64decode(text, validate=True) if version == "v1" else None
    except binascii.Error:
        return None
