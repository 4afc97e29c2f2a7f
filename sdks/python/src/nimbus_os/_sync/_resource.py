# Generated from _async by sdks/generate/generate.py.
"""What the resources of both APIs have in common: a request, its reply, what of it is handed on."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from .._options import RequestOptions, ResponseInfo
from .._replies import RawReply
from .._request import Request
from .._wire import WirePage
from ._pages import Page, paged
from ._transport import Transport

#: The partner API stands under this path, the orders API at the root.
PARTNER_ROOT = "/api/external"


class Resource:
    """Requests of one API."""

    _root = ""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _request(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        query: Optional[Mapping[str, Any]] = None,
        body: object = None,
        content: Optional[bytes] = None,
        content_type: Optional[str] = None,
        options: Optional[RequestOptions] = None,
    ) -> Request:
        return Request(operation, method, self._root + path, query or {}, body, content, content_type, options or {})

    def _reply(self, request: Request) -> RawReply:
        raw = self._transport.send(request)
        tell = request.options.get("on_response")
        if tell is not None:
            tell(ResponseInfo(raw.status, raw.headers))
        return raw

    def _whole(self, operation: str, path: str, **parts: Any) -> Any:
        """The JSON of a reply."""
        return (self._reply(self._request(operation, "GET", path, **parts))).json()

    def _bytes(self, operation: str, path: str, **parts: Any) -> bytes:
        """A reply that is not JSON."""
        return (self._reply(self._request(operation, "GET", path, **parts))).content

    def _paged(self, operation: str, path: str, **parts: Any) -> Page[Any]:
        return paged(self._page, self._request(operation, "GET", path, **parts))

    def _page(self, request: Request) -> WirePage:
        return WirePage.of((self._reply(request)).json())


class OrdersResource(Resource):
    """A resource of the orders API, which answers with bare resources."""

    def _send(self, operation: str, method: str, path: str, **parts: Any) -> Any:
        return (self._reply(self._request(operation, method, path, **parts))).json()


class PartnerResource(Resource):
    """A resource of the partner API: what its envelope holds is handed on."""

    _root = PARTNER_ROOT

    def _send(self, operation: str, method: str, path: str, **parts: Any) -> Any:
        return (self._reply(self._request(operation, method, path, **parts))).json()["data"]
