"""A server that answers from a list, and the two clients on it."""

from __future__ import annotations

import json
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, List, Optional, Union

import anyio
import httpx
import pytest

import nimbus_os

KEY = "dev_key_that_is_never_shown"
Answer = Callable[[httpx.Request], httpx.Response]
AnyClient = Union[nimbus_os.Nimbus, nimbus_os.AsyncNimbus]


def reply(status: int, body: object = None, headers: Optional[Dict[str, str]] = None) -> Answer:
    """A reply in JSON."""
    fields = {"content-type": "application/json", "x-request-id": "req_stub", **(headers or {})}
    return lambda _: httpx.Response(status, headers=fields, content=json.dumps(body).encode())


def broken(error: Exception) -> Answer:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    return fail


class Stub:
    """One of the clients, whose requests are answered by one answer after the other, the last one for all the rest."""

    def __init__(self, backend: Optional[str]) -> None:
        self.backend = backend
        self.sent: List[httpx.Request] = []
        self.answers: List[Answer] = []

    def client(self, *answers: Answer, **options: Any) -> Any:
        self.answers = list(answers)
        self.sent.clear()
        options = {"api_key": KEY, "environment": "sandbox", **options}
        transport = httpx.MockTransport(self._answer)
        if self.backend:
            return nimbus_os.AsyncNimbus(http_client=httpx.AsyncClient(transport=transport), **options)
        return nimbus_os.Nimbus(http_client=httpx.Client(transport=transport), **options)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        return self.answers[min(len(self.sent), len(self.answers)) - 1](request)

    def run(self, made: Any) -> Any:
        """What a call gives, whichever client made it."""
        return anyio.run(_awaited, made, backend=self.backend) if self.backend else made

    def items(self, made: Any, count: Optional[int] = None) -> List[Any]:
        """The items of what is iterated, or the first of them."""
        if self.backend:
            return anyio.run(_collected, made, count, backend=self.backend)
        found: List[Any] = []
        for item in made:
            found.append(item)
            if len(found) == count:
                break
        return found


async def _awaited(made: Awaitable[Any]) -> Any:
    return await made


async def _collected(made: AsyncIterator[Any], count: Optional[int]) -> List[Any]:
    found: List[Any] = []
    async for item in made:
        found.append(item)
        if len(found) == count:
            break
    # Left early, an asynchronous generator is closed by whoever leaves it.
    close = getattr(made, "aclose", None)
    if close is not None:
        await close()
    return found


@pytest.fixture(params=[None, "asyncio", "trio"], ids=["sync", "asyncio", "trio"])
def stub(request: pytest.FixtureRequest) -> Stub:
    return Stub(request.param)
