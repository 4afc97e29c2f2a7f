"""Lists: one page at a time, or every item of all of them.

What iterates is written as objects and not as generators: these would have to be closed by whoever leaves them early.
"""

from __future__ import annotations

from typing import Any, Awaitable, Callable, Generator, Generic, Iterator, List, Optional, TypeVar

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
        return await AsyncPages(self._read, self._request.turned(self.next_cursor))

    def pages(self) -> AsyncPageIterator[T]:
        """This page and all that follow."""
        return AsyncPageIterator(self._this)

    def __aiter__(self) -> AsyncItemIterator[T]:
        return AsyncItemIterator(self.pages())

    async def _this(self) -> AsyncPage[T]:
        return self


class AsyncPages(Generic[T]):
    """What a list returns: await it for its first page, or iterate it for every item. Nothing is sent before that."""

    def __init__(self, read: Read, request: Request) -> None:
        self._read = read
        self._request = request

    def __await__(self) -> Generator[Any, Any, AsyncPage[T]]:
        return self._first().__await__()

    def pages(self) -> AsyncPageIterator[T]:
        """All pages."""
        return AsyncPageIterator(self._first)

    def __aiter__(self) -> AsyncItemIterator[T]:
        return AsyncItemIterator(self.pages())

    async def _first(self) -> AsyncPage[T]:
        return AsyncPage(self._read, self._request, await self._read(self._request))


class AsyncPageIterator(Generic[T]):
    """Pages, each read when it is asked for."""

    def __init__(self, first: Callable[[], Awaitable[AsyncPage[T]]]) -> None:
        self._first = first
        self._last: Optional[AsyncPage[T]] = None

    def __aiter__(self) -> AsyncPageIterator[T]:
        return self

    async def __anext__(self) -> AsyncPage[T]:
        page = await (self._first() if self._last is None else self._last.next_page())
        if page is None:
            raise StopAsyncIteration
        self._last = page
        return page


class AsyncItemIterator(Generic[T]):
    """The items of pages."""

    def __init__(self, pages: AsyncPageIterator[T]) -> None:
        self._pages = pages
        self._items: Iterator[T] = iter(())

    def __aiter__(self) -> AsyncItemIterator[T]:
        return self

    async def __anext__(self) -> T:
        while True:
            for item in self._items:
                return item
            self._items = iter((await self._pages.__anext__()).data)


def paged(read: Read, request: Request) -> AsyncPages[Any]:
    return AsyncPages(read, request)
