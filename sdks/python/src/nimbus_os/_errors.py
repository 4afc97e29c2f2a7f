"""What can go wrong: refusals of the server by what to do about them, broken connections, false webhooks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional


@dataclass(frozen=True)
class FieldError:
    """A field that was refused, by its JSON path such as `medication_requests[1].quantity`."""

    field: str
    message: str


class NimbusError(Exception):
    """The ancestor of every error that this library makes."""


class ApiConnectionError(NimbusError):
    """No reply came: nothing listened, or the connection broke. `__cause__` has what HTTPX said."""


class ApiTimeoutError(ApiConnectionError):
    """The reply did not come in time. What was asked for may have happened all the same."""


class ApiError(NimbusError):
    """The server answered with something other than success. Decide by the class or by `code`, never by `message`."""

    status: int
    #: The server's word, as it wrote it: `VALIDATION_ERROR` on the partner API, `validation_error` on the orders API.
    code: str
    message: str
    #: Quote it when you ask support.
    request_id: Optional[str]
    #: The reply's header fields, with names in lower case.
    headers: Mapping[str, str]
    #: What the refusal says besides, in the shape of its API.
    details: Any
    #: The fields that were refused, in one shape for both APIs.
    fields: List[FieldError]

    def __init__(self, status: int, headers: Mapping[str, str], body: object) -> None:
        error = _member(body, "error")
        self.message = _text(_member(error, "message")) or f"The server answered with status {status}."
        super().__init__(self.message)
        self.status = status
        self.code = _text(_member(error, "code")) or ""
        told = _text(_member(error, "requestId")) or _text(_member(error, "request_id"))
        self.request_id = told or headers.get("x-request-id")
        self.headers = headers
        self.details = _member(error, "details")
        self.fields = _fields(self.details)


class NotModifiedError(ApiError):
    """304: what you have, by the `if_none_match` that you sent, is what there is."""


class BadRequestError(ApiError):
    """400, 405, 413, 415: the request could not be read."""


class ValidationError(BadRequestError):
    """400 or 422: `fields` says what to correct."""


class BusinessRuleError(ApiError):
    """400 or 422: the request is well formed, and a rule of the pharmacy stands against it."""

    @property
    def reasons(self) -> List[str]:
        """The words to decide by, such as `already_open`. `details` says more, such as the day on which one passes."""
        return [reason for one in _listed(self.details) if (reason := _text(_member(one, "reason")))]


class AuthenticationError(ApiError):
    """401: the key is missing, mistyped, revoked, or of the other environment."""


class PermissionDeniedError(ApiError):
    """403: the key lacks the scope."""


class NotFoundError(ApiError):
    """404: nothing that this key can see."""


class ConflictError(ApiError):
    """409, and 400 `INVALID_STATUS_TRANSITION`: it is in another state than you thought. Read it again."""


class IdempotencyError(ConflictError):
    """409: this idempotency key was sent before with something else (or, `…_in_use`, is still being worked on)."""


class GoneError(ApiError):
    """410: an event or a cursor that is not kept any more. Go on without the cursor."""


class PreconditionFailedError(ApiError):
    """412: somebody changed it since you read the tag in your `if_match`."""


class RateLimitError(ApiError):
    """429: too many requests."""

    @property
    def retry_after(self) -> Optional[int]:
        """Seconds to wait, where the server said so."""
        return retry_after_seconds(self.headers)


class ServerError(ApiError):
    """5xx: not your fault."""


_OF_CODE = {
    "validation_error": ValidationError,
    "invalid_status_transition": ConflictError,
    "idempotency_key_conflict": IdempotencyError,
    "idempotency_key_in_use": IdempotencyError,
    "refill_not_eligible": BusinessRuleError,
    "refill_exists": BusinessRuleError,
    "service_not_available": BusinessRuleError,
    "order_rejected": BusinessRuleError,
    "duplicate_patient": BusinessRuleError,
}
_OF_STATUS = {
    304: NotModifiedError,
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: BadRequestError,
    409: ConflictError,
    410: GoneError,
    412: PreconditionFailedError,
    413: BadRequestError,
    415: BadRequestError,
    422: ValidationError,
    429: RateLimitError,
}


def error_of(status: int, headers: Mapping[str, str], body: object) -> ApiError:
    """The error of a reply, by its code first: both APIs have the same reasons under different statuses."""
    code = _text(_member(_member(body, "error"), "code")) or ""
    usual = ServerError if status >= 500 else ApiError
    chosen = _OF_CODE.get(code.lower()) or _OF_STATUS.get(status, usual)
    return chosen(status, headers, body)


def retry_after_seconds(headers: Mapping[str, str]) -> Optional[int]:
    """`Retry-After` in seconds; the server writes no dates, so neither is one read."""
    value = headers.get("retry-after", "")
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None


def _listed(details: object) -> List[object]:
    """The entries of `details`: a list on the partner API, its member `errors` on the orders API."""
    entries = details if isinstance(details, list) else _member(details, "errors")
    return entries if isinstance(entries, list) else []


def _fields(details: object) -> List[FieldError]:
    fields = []
    for one in _listed(details):
        field = _text(_member(one, "field"))
        message = _text(_member(one, "message")) or _text(_member(one, "reason"))
        if field is not None and message is not None:
            fields.append(FieldError(field, message))
    return fields


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _text(value: object) -> Optional[str]:
    return value if isinstance(value, str) else None
