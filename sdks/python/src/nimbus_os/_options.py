"""What a client and a single call can be told, and how it is checked."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from typing import Callable, Literal, Mapping, Optional, TypedDict
from urllib.parse import urlsplit

from ._errors import NimbusError

Environment = Literal["sandbox", "production"]

_HOSTS: Mapping[Environment, str] = {
    "sandbox": "https://api-sandbox.nimbus-os.com",
    "production": "https://api.nimbus-os.com",
}
_MOST_RETRIES = 10


@dataclass(frozen=True)
class ResponseInfo:
    """What the header of a success says."""

    status: int
    #: With names in lower case.
    headers: Mapping[str, str]

    @property
    def request_id(self) -> Optional[str]:
        return self.headers.get("x-request-id")

    @property
    def etag(self) -> Optional[str]:
        """What `if_match` and `if_none_match` take."""
        return self.headers.get("etag")

    @property
    def replayed(self) -> bool:
        """Whether this reply was given before, to a request with the same idempotency key."""
        return self.headers.get("idempotent-replayed") == "true"


class RequestOptions(TypedDict, total=False):
    """What a single call can be told."""

    #: The key by which the server knows a POST again; a random one if not given. The same for every retry.
    idempotency_key: str
    #: The `ETag` that a PATCH is to apply to.
    if_match: str
    #: The `ETag` of what you have: `NotModifiedError` is raised while it is what there is.
    if_none_match: str
    #: Seconds.
    timeout: float
    max_retries: int
    headers: Mapping[str, str]
    #: Is told of the reply, before the call returns.
    on_response: Callable[[ResponseInfo], None]


@dataclass(frozen=True)
class Settings:
    """The settings of a client. The key is not shown."""

    api_key: str = field(repr=False)
    base_url: str
    timeout: float
    max_retries: int
    max_retry_after: float
    headers: Mapping[str, str] = field(repr=False)


def settings_of(
    api_key: Optional[str],
    environment: Optional[Environment],
    base_url: Optional[str],
    timeout: float,
    max_retries: int,
    max_retry_after: float,
    headers: Optional[Mapping[str, str]],
) -> Settings:
    """Raises a `NimbusError` about what cannot be meant, without repeating it."""
    key = api_key if api_key is not None else os.environ.get("NIMBUS_API_KEY", "")
    if not key:
        raise NimbusError("There is no API key: give api_key, or set NIMBUS_API_KEY.")
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise NimbusError("The API key has a character that no key has.")
    return Settings(
        api_key=key,
        base_url=_base_url(key, environment, base_url),
        timeout=checked_seconds("timeout", timeout),
        max_retries=checked_retries(max_retries),
        max_retry_after=checked_seconds("max_retry_after", max_retry_after),
        headers=headers or {},
    )


def _base_url(key: str, environment: Optional[Environment], base_url: Optional[str]) -> str:
    given = base_url if base_url is not None or environment else os.environ.get("NIMBUS_BASE_URL")
    if given is not None:
        return _checked_url(given)
    of_key: Environment = "production" if key.startswith("prod_") else "sandbox"
    if environment is not None and environment not in _HOSTS:
        raise NimbusError("environment is neither sandbox nor production.")
    if environment is not None and environment != of_key and re.match("(dev|prod)_", key):
        raise NimbusError(f"The API key is not one of {environment}.")
    return _HOSTS[environment or of_key]


def _checked_url(given: str) -> str:
    """A key is never sent in the clear, except to this machine."""
    try:
        url = urlsplit(given)
        host, _ = url.hostname, url.port
    except ValueError:
        raise NimbusError("base_url is not a URL.") from None
    local = host in ("localhost", "127.0.0.1", "::1")
    if not host or not (url.scheme == "https" or (url.scheme == "http" and local)):
        raise NimbusError("base_url is neither https nor on this machine.")
    if url.username is not None or url.password is not None or url.query or url.fragment:
        raise NimbusError("base_url has more than a host and a path.")
    return given.rstrip("/")


def checked_retries(max_retries: int) -> int:
    if type(max_retries) is not int or not 0 <= max_retries <= _MOST_RETRIES:
        raise NimbusError(f"max_retries is not a whole number from 0 to {_MOST_RETRIES}.")
    return max_retries


def checked_seconds(name: str, value: float) -> float:
    if not value > 0 or math.isinf(value):
        raise NimbusError(f"{name} is not a number of seconds above 0.")
    return value
