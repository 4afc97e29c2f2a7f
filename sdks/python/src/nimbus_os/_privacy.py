"""Keeps what a query says of a patient out of logs.

HTTPX logs the whole URL of each request at the level INFO, and `GET /patient` takes a name and a birth date. A filter
on its logger leaves the query out of those that go to a Nimbus server, and lets all others be as they are.
"""

from __future__ import annotations

import logging
from typing import Set

import httpx


class _QueriesLeftOut(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self.base_urls: Set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(self._shown(value) for value in record.args)
        return True

    def _shown(self, value: object) -> object:
        if isinstance(value, httpx.URL) and value.query and str(value).startswith(tuple(self.base_urls)):
            return value.copy_with(query=None)
        return value


_filter = _QueriesLeftOut()


def keep_queries_out_of_logs(base_url: str) -> None:
    """From now on, for every client of this server."""
    _filter.base_urls.add(str(httpx.URL(base_url)))
    logger = logging.getLogger("httpx")
    if _filter not in logger.filters:
        logger.addFilter(_filter)
