"""A request before it is sent: its path, its query, its header fields and its body."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field, replace
from typing import Any, Dict, Mapping, Optional
from urllib.parse import quote

from ._errors import NimbusError
from ._options import RequestOptions, Settings
from ._version import VERSION


def path(template: str, *ids: str) -> str:
    """A path with ids in it. An id that would make it another path is refused."""
    for one in ids:
        if not isinstance(one, str) or re.fullmatch(r"\.{0,2}", one):
            raise NimbusError("An id of the path is empty or not one.")
    return template.format(*(quote(one, safe="") for one in ids))


@dataclass(frozen=True)
class Request:
    """What is sent. Its query, its body and its options are not shown: they may tell of patients."""

    #: The operation's id in the OpenAPI document.
    operation: str
    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict, repr=False)
    #: Sent as JSON.
    body: object = field(default=None, repr=False)
    #: Sent as it is.
    content: Optional[bytes] = field(default=None, repr=False)
    content_type: Optional[str] = None
    options: RequestOptions = field(default_factory=lambda: RequestOptions(), repr=False)

    @property
    def repeatable(self) -> bool:
        """Whether a repeat does nothing more: a POST has a key by which it is known again, a PATCH has none."""
        return self.method != "PATCH"

    def turned(self, cursor: str) -> Request:
        """The same request for another page."""
        return replace(self, query={**self.query, "cursor": cursor})

    def parameters(self) -> Dict[str, str]:
        """The query without what is not given; lists are joined."""
        return {name: _parameter(value) for name, value in self.query.items() if value is not None}

    def payload(self) -> Optional[bytes]:
        """The bytes that are sent, the same at every try."""
        if self.content is not None:
            return self.content
        return None if self.body is None else json.dumps(self.body, separators=(",", ":"), allow_nan=False).encode()

    def headers(self, settings: Settings) -> Dict[str, str]:
        """The header fields that are sent, with names in lower case."""
        kind = self.content_type if self.content is not None else "application/json"
        fields = {"accept": "application/json", "user-agent": f"nimbus-python/{VERSION}"}
        if self.content is not None or self.body is not None:
            fields["content-type"] = kind or "application/octet-stream"
        for given in (settings.headers, self.options.get("headers", {})):
            fields.update((name.lower(), value) for name, value in given.items())
        if self.method == "POST":
            fields["idempotency-key"] = _idempotency_key(self.options.get("idempotency_key"))
        if (if_match := self.options.get("if_match")) is not None:
            fields["if-match"] = if_match
        if (if_none_match := self.options.get("if_none_match")) is not None:
            fields["if-none-match"] = if_none_match
        return {**fields, "x-api-key": settings.api_key}


def _idempotency_key(given: Optional[str]) -> str:
    """Refused here rather than there, where a broken header field breaks the request."""
    if given is None:
        return str(uuid.uuid4())
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", given):
        raise NimbusError("idempotency_key is not 1 to 255 visible ASCII characters.")
    return given


def _parameter(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value)
