"""The public keys of endpoints that sign with ed25519, as the server publishes them."""

from __future__ import annotations

import base64
import time
from typing import Dict, List, Tuple

from .._request import Request
from ._transport import AsyncTransport

# As long as the server says that the set may be kept, in seconds.
_KEPT_SECONDS = 300
# A client knows no more endpoints than this at a time.
_MOST_KEPT = 1_000


class AsyncPublicKeys:
    """Reads them, and keeps them for a while."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._kept: Dict[str, Tuple[float, List[str]]] = {}

    async def of(self, webhook_id: str) -> List[str]:
        """The public keys `whpk_…` by which an endpoint signs now; read again after five minutes."""
        until, keys = self._kept.get(webhook_id, (0.0, []))
        if time.monotonic() < until:
            return keys
        query = {"webhook_id": webhook_id}
        request = Request("listWebhookKeys", "GET", "/.well-known/webhook-keys.json", query)
        found = (await self._transport.send(request)).json()["keys"]
        keys = [_written(key["x"]) for key in found if (key["kty"], key["crv"]) == ("OKP", "Ed25519")]
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[webhook_id] = (time.monotonic() + _KEPT_SECONDS, keys)
        return keys


def _written(x: str) -> str:
    key = base64.urlsafe_b64decode(x + "=" * (-len(x) % 4))
    return "whpk_" + base64.b64encode(key).decode()
