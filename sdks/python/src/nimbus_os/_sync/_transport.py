# Generated from _async by sdks/generate/generate.py.
"""Sends requests: deadlines, retries, replies and refusals. Knows nothing of what they are about."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import Iterator, Mapping, Optional

import httpx

from .._errors import NimbusError
from .._options import RequestOptions, Settings, checked_retries, checked_seconds
from .._privacy import keep_queries_out_of_logs
from .._replies import RawReply, connection_error, raw_reply, refusal
from .._request import Request
from .._retry import delay_seconds, may_retry
from ._time import sleep


class Transport:
    """One connection pool, and how requests go over it."""

    def __init__(self, settings: Settings, http_client: Optional[httpx.Client]) -> None:
        self.settings = settings
        self._is_own = http_client is None
        self._http = http_client if http_client is not None else httpx.Client()
        keep_queries_out_of_logs(settings.base_url)

    def close(self) -> None:
        if self._is_own:
            self._http.close()

    def send(self, request: Request) -> RawReply:
        """A whole reply. Raises an `ApiError` or an `ApiConnectionError` after the last try."""
        headers, payload = request.headers(self.settings), request.payload()
        timeout, max_retries = self.timeout(request.options), self.max_retries(request.options)
        for retry in range(max_retries + 1):
            try:
                return raw_reply(self._sent(self._built(request, headers, payload, timeout)))
            except NimbusError as error:
                if retry == max_retries or not may_retry(error, request.repeatable):
                    raise
                self.pause(error, retry)
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def open(self, request: Request, idle: float, headers: Mapping[str, str]) -> Iterator[Iterator[bytes]]:
        """The bytes of a reply as they come, by one try. `idle` is the longest silence in seconds."""
        fields = {**request.headers(self.settings), **headers}
        timeout = httpx.Timeout(self.timeout(request.options), read=idle)
        response = self._sent(self._built(request, fields, None, timeout), stream=True)
        try:
            if response.status_code != 200:
                response.read()
                raise refusal(response)
            yield response.iter_bytes()
        except httpx.RequestError as error:
            raise connection_error(error) from error
        finally:
            response.close()

    def timeout(self, options: RequestOptions) -> float:
        return checked_seconds("timeout", options.get("timeout", self.settings.timeout))

    def max_retries(self, options: RequestOptions) -> int:
        return checked_retries(options.get("max_retries", self.settings.max_retries))

    def pause(self, error: Exception, retry: int) -> None:
        """Waits before another try; raises the error where the server asks for too long a wait."""
        delay = delay_seconds(error, retry, self.settings.max_retry_after, random.random())
        if delay is None:
            raise error
        sleep(delay)

    def _sent(self, request: httpx.Request, stream: bool = False) -> httpx.Response:
        # A redirect would take the key elsewhere.
        try:
            return self._http.send(request, stream=stream, follow_redirects=False)
        except httpx.RequestError as error:
            raise connection_error(error) from error

    def _built(
        self, request: Request, headers: Mapping[str, str], payload: Optional[bytes], timeout: httpx.Timeout | float
    ) -> httpx.Request:
        return self._http.build_request(
            request.method,
            self.settings.base_url + request.path,
            params=request.parameters() or None,
            headers=headers,
            content=payload,
            timeout=timeout,
        )
