"""Lists: one page at a time, or every item of all of them."""

from __future__ import annotations

from typing import Any, Callable, Generic, Iterator, List, Optional, TypeVar

from .._request import Request
from .._wire import WirePage

T = TypeVar("T")
Read = Callable[[Request], WirePage]


class Page(Generic[T]):
    """What a list returns: its first page. Iterating it goes on through the pages after it."""

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

    def next_page(self) -> Optional[Page[T]]:
        """The page after this one, or None after the last."""
        if self.next_cursor is None:
            return None
        return paged(self._read, self._request.turned(self.next_cursor))

    def pages(self) -> Iterator[Page[T]]:
        """This page and all that follow."""
        page: Optional[Page[T]] = self
        while page is not None:
            yield page
            page = page.next_page()

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.data


def paged(read: Read, request: Request) -> Page[Any]:
    return Page(read, request, read(request))
