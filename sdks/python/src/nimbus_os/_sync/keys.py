# Generated from _async by sdks/generate/generate.py.
"""The clinic's API keys."""

from __future__ import annotations

from typing import Optional

from .._compat import Unpack
from .._options import RequestOptions
from .._request import path
from ..types.partner import (
    ApiKey,
    KeyNetworksBody,
    KeyRotation,
    ListOwnKeysQuery,
    NewApiKey,
)
from ._pages import Page
from ._resource import PartnerResource


class Keys(PartnerResource):
    """API keys, which their own clinic can rotate, confine and revoke."""

    def list(self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListOwnKeysQuery]) -> Page[ApiKey]:
        """Newest first, without the secrets."""
        return self._paged("listOwnKeys", "/keys", query=query, options=options)

    def rotate(
        self, key_id: str, body: Optional[KeyRotation] = None, *, options: Optional[RequestOptions] = None
    ) -> NewApiKey:
        """A new key, shown once; the one before works too for a while."""
        reply: NewApiKey = self._send(
            "rotateOwnKey", "POST", path("/keys/{}/rotate", key_id), body=body or {}, options=options
        )
        return reply

    def confine(self, key_id: str, body: KeyNetworksBody, *, options: Optional[RequestOptions] = None) -> ApiKey:
        """The networks from which the key may be used."""
        reply: ApiKey = self._send(
            "confineOwnKey", "PUT", path("/keys/{}/networks", key_id), body=body, options=options
        )
        return reply

    def revoke(self, key_id: str, *, options: Optional[RequestOptions] = None) -> ApiKey:
        """At once and for good."""
        reply: ApiKey = self._send("revokeOwnKey", "POST", path("/keys/{}/revoke", key_id), options=options)
        return reply
