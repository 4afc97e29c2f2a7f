"""Whether a request is tried again, and when."""

from __future__ import annotations

from typing import Optional

import httpx

from ._errors import ApiConnectionError, ApiError, retry_after_seconds

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 8.0
# Failures in which nothing was sent.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def may_retry(error: Exception, repeatable: bool) -> bool:
    """Whether what failed may pass by itself, and whether a repeat is safe: of a request that is not `repeatable` only
    where the server cannot have begun it."""
    if isinstance(error, ApiError):
        if error.status == 429:
            return True
        return repeatable and (error.status == 408 or error.status >= 500 or _is_in_use(error))
    if isinstance(error, ApiConnectionError):
        return repeatable or isinstance(error.__cause__, _NEVER_SENT)
    return False


def _is_in_use(error: ApiError) -> bool:
    """Another request with the same idempotency key is being worked on: its reply will be told again."""
    return error.status == 409 and error.code.lower() == "idempotency_key_in_use"


def delay_seconds(error: Exception, retry: int, longest: float, random: float) -> Optional[float]:
    """How long to wait before try number `retry` (from 0): what the server asks for; or else exponential back-off with
    full jitter, as Marc Brooker of AWS describes it. None where the server asks for more than `longest` seconds.
    `random` is between 0 and 1."""
    asked = retry_after_seconds(error.headers) if isinstance(error, ApiError) else None
    if asked is not None:
        return float(asked) if asked <= longest else None
    return random * min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2.0**retry)
