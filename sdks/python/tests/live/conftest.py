"""The sandbox that `tests/sdks/run.py` has started, the two clients on it, and a receiver of its webhooks."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any, AsyncIterator, Awaitable, Dict, Iterator, List, Tuple

import pytest

import nimbus_os

ADDRESS = {"street1": "123 Main St", "city": "Austin", "state": "TX", "zip": "78701"}


class Live:
    """A client, and how its calls are waited for."""

    def __init__(self, client: Any, seed: Dict[str, Any]) -> None:
        self.client = client
        self.seed = seed
        self._loop = asyncio.new_event_loop() if isinstance(client, nimbus_os.AsyncNimbus) else None

    def run(self, made: Any) -> Any:
        if self._loop is None:
            return made

        async def awaited(made: Awaitable[Any]) -> Any:
            return await made

        return self._loop.run_until_complete(awaited(made))

    def items(self, made: Any, count: int = 1_000_000) -> List[Any]:
        """The first items of what is iterated."""
        if self._loop is not None:
            return self._loop.run_until_complete(self._collected(made, count))
        found: List[Any] = []
        for item in made:
            found.append(item)
            if len(found) == count:
                break
        return found

    async def _collected(self, made: AsyncIterator[Any], count: int) -> List[Any]:
        found: List[Any] = []
        async for item in made:
            found.append(item)
            if len(found) == count:
                break
        close = getattr(made, "aclose", None)
        if close is not None:
            await close()
        return found

    def close(self) -> None:
        if self._loop is None:
            self.client.close()
        else:
            self._loop.run_until_complete(self.client.aclose())
            self._loop.close()

    def prescribe(self, do_not_fill: bool) -> Any:
        """A medication request that is kept on file, or filled at once."""
        line = {
            "medication": "Lisinopril",
            "dose": "10mg",
            "unit_of_measure": "tablet",
            "quantity": 30,
            "direction": "Take one tablet by mouth daily",
            "refills": 3,
            "days_supply": 30,
            "do_not_fill": do_not_fill,
        }
        order = {name: self.seed[name] for name in ("clinic_id", "patient_id", "practitioner_id")}
        order |= {"carrier_id": "se-11226", "service_id": "ups_ground", "medication_requests": [line]}
        return self.run(self.client.medication_orders.create(order))


@pytest.fixture(scope="session")
def seed() -> Dict[str, Any]:
    told: Dict[str, Any] = json.loads(os.environ["NIMBUS_TEST_SANDBOX"])
    return told


@pytest.fixture(params=["sync", "async"])
def live(request: pytest.FixtureRequest, seed: Dict[str, Any]) -> Iterator[Live]:
    kind = nimbus_os.Nimbus if request.param == "sync" else nimbus_os.AsyncNimbus
    one = Live(kind(seed["keys"]["integration"], base_url=seed["url"]), seed)
    yield one
    one.close()


class Receiver:
    """Takes webhooks on a free port; `arrived` has their bodies and headers."""

    def __init__(self) -> None:
        self.arrived: Queue[Tuple[bytes, Dict[str, str]]] = Queue()
        arrived = self.arrived

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()
                arrived.put((body, dict(self.headers.items())))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01])
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hooks"

    def next(self) -> Tuple[bytes, Dict[str, str]]:
        return self.arrived.get(timeout=60)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()
