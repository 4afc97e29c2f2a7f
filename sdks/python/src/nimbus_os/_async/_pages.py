"""Lists: one page at a time, or every item of all of them."""

from __future__ import annotations

from typing import AsyncIterator, Awaitable, Callable, Generator, Generic, List, Optional, TypeVar

from .._request import Request
from .._wire import WirePage

T = TypeVar("T")
Read = Callable[[Request], Awaitable[WirePage]]


class AsyncPage(Generic[T]):
    """One page. Iterating it goes on through the pages after it."""

    data: List[T]
    #: What `cursor` takes for the page after this one; None on the last.
    next_cursor: Optional[str]
    #: Ids of records on this page that the server cannot read, as what it has stored was altered. Tell support.
    unreadable: List[str]

    def __init__(self, read: Read, request: Request, wire: WirePage) -> None:
        self._read = read
        self._request = request
        self.data = wire.data
        self.next_cursor = wire.next_cursor
        self.unreadable = wire.unreadable

    @property
    def has_more(self) -> bool:
        return self.next_cursor is not None

    async def next_page(self) -> Optional[AsyncPage[T]]:
        """The page after this one, or None after the last."""
        if self.next_cursor is None:
            return None
        request = self._request.turned(self.next_cursor)
        return AsyncPage(self._read, request, await self._read(request))

    async def pages(self) -> AsyncIterator[AsyncPage[T]]:
        """This page and all that follow."""
        page: Optional[AsyncPage[T]] = self
        while page is not None:
            yield page
            page = await page.next_page()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.data:
                yield item


class AsyncPages(Generic[T]):
    """What a list returns: await it for its first page, or iterate it for every item. Nothing is sent before that."""

    def __init__(self, read: Read, request: Request) -> None:
        self._read = read
        self._request = request

    def __await__(self) -> Generator[object, None, AsyncPage[T]]:
        return self._first().__await__()

    async def _first(self) -> AsyncPage[T]:
        return AsyncPage(self._read, self._request, await self._read(self._request))

    async def pages(self) -> AsyncIterator[AsyncPage[T]]:
        async for page in (await self._first()).pages():
            yield page

    async def __aiter__(self) -> AsyncIterator[T]:
        async for item in await self._first():
            yield item


def paged(read: Read, request: Request) -> AsyncPages[T]:
    return AsyncPages(read, request)
