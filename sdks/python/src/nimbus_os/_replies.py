"""A reply: its bytes, its JSON, and what went wrong on the way in this library's words."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Mapping

import httpx

from ._errors import ApiConnectionError, ApiError, ApiTimeoutError, NimbusError, error_of


@dataclass(frozen=True)
class RawReply:
    """A success."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    def json(self) -> Any:
        """None where there is no body."""
        if not self.content:
            return None
        try:
            return json.loads(self.content)
        except ValueError:
            # What the parser says quotes the text.
            raise NimbusError("The reply is not JSON.") from None


def raw_reply(response: httpx.Response) -> RawReply:
    """Raises the `ApiError` of a refusal."""
    if not response.is_success:
        raise refusal(response)
    return RawReply(response.status_code, _headers(response), response.content)


def refusal(response: httpx.Response) -> ApiError:
    try:
        body = json.loads(response.content)
    except ValueError:
        # Something on the way wrote it, and it says nothing to decide by.
        body = None
    return error_of(response.status_code, _headers(response), body)


def _headers(response: httpx.Response) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def connection_error(error: httpx.RequestError) -> ApiConnectionError:
    """It names no host, no path and no query."""
    if isinstance(error, httpx.TimeoutException):
        return ApiTimeoutError("No reply came in time.")
    return ApiConnectionError("The connection failed.")
