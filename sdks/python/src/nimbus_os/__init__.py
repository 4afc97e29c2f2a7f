"""The Nimbus API for Python."""

from . import types
from ._async._pages import AsyncPage, AsyncPages
from ._async.client import AsyncNimbus
from ._errors import (
    ApiConnectionError,
    ApiError,
    ApiTimeoutError,
    AuthenticationError,
    BadRequestError,
    BusinessRuleError,
    ConflictError,
    FieldError,
    GoneError,
    IdempotencyError,
    NimbusError,
    NotFoundError,
    NotModifiedError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitError,
    ServerError,
    ValidationError,
)
from ._options import Environment, RequestOptions, ResponseInfo
from ._sse import ServerSentEvent
from ._sync._pages import Page
from ._sync.client import Nimbus
from ._version import VERSION
from ._webhooks import AnyWebhookEvent, WebhookFault, WebhookVerificationError, sign_webhook, verify_webhook

__version__ = VERSION

__all__ = [
    "AnyWebhookEvent",
    "ApiConnectionError",
    "ApiError",
    "ApiTimeoutError",
    "AsyncNimbus",
    "AsyncPage",
    "AsyncPages",
    "AuthenticationError",
    "BadRequestError",
    "BusinessRuleError",
    "ConflictError",
    "Environment",
    "FieldError",
    "GoneError",
    "IdempotencyError",
    "Nimbus",
    "NimbusError",
    "NotFoundError",
    "NotModifiedError",
    "Page",
    "PermissionDeniedError",
    "PreconditionFailedError",
    "RateLimitError",
    "RequestOptions",
    "ResponseInfo",
    "ServerError",
    "ServerSentEvent",
    "ValidationError",
    "WebhookFault",
    "WebhookVerificationError",
    "sign_webhook",
    "types",
    "verify_webhook",
]
