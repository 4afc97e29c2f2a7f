"""What the resources of both APIs have in common: a request, its reply, what of it is handed on."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from .._options import RequestOptions, ResponseInfo
from .._replies import RawReply
from .._request import Request
from .._wire import WirePage
from ._pages import AsyncPages, paged
from ._transport import AsyncTransport

#: The partner API stands under this path, the orders API at the root.
PARTNER_ROOT = "/api/external"


class AsyncResource:
    """Requests of one API."""

    _root = ""

    def __init__(self, transport: AsyncTransport) -> None:
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

    async def _reply(self, request: Request) -> RawReply:
        raw = await self._transport.send(request)
        tell = request.options.get("on_response")
        if tell is not None:
            tell(ResponseInfo(raw.status, raw.headers))
        return raw

    async def _whole(self, operation: str, path: str, **parts: Any) -> Any:
        """The JSON of a reply."""
        return (await self._reply(self._request(operation, "GET", path, **parts))).json()

    async def _bytes(self, operation: str, path: str, **parts: Any) -> bytes:
        """A reply that is not JSON."""
        return (await self._reply(self._request(operation, "GET", path, **parts))).content

    def _paged(self, operation: str, path: str, **parts: Any) -> AsyncPages[Any]:
        return paged(self._page, self._request(operation, "GET", path, **parts))

    async def _page(self, request: Request) -> WirePage:
        return WirePage.of((await self._reply(request)).json())


class AsyncOrdersResource(AsyncResource):
    """A resource of the orders API, which answers with bare resources."""

    async def _send(self, operation: str, method: str, path: str, **parts: Any) -> Any:
        return (await self._reply(self._request(operation, method, path, **parts))).json()


class AsyncPartnerResource(AsyncResource):
    """A resource of the partner API: what its envelope holds is handed on."""

    _root = PARTNER_ROOT

    async def _send(self, operation: str, method: str, path: str, **parts: Any) -> Any:
        return (await self._reply(self._request(operation, method, path, **parts))).json()["data"]
