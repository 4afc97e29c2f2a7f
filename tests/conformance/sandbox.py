"""A sandbox of the built binary: a folder of its own, seeded, served on loopback, gone at the end."""

import json
import os
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 20
FEED_SECRET = "feed-secret-of-the-tests"
ONBOARDING_TOKEN = "onboarding-token-of-the-tests"


class Refused(Exception):
    """A request that was to prepare a sandbox was not accepted."""


class Sandbox:
    """`nimbus serve` on a temporary folder."""

    def __init__(self, binary):
        self.binary = Path(binary).resolve()
        self.folder = tempfile.TemporaryDirectory(prefix="nimbus-conformance-")
        self.root = Path(self.folder.name)
        own = {
            "DATA_DIR": self.root / "data",
            "ALLOW_LOCAL_WEBHOOKS": "true",
            "PHARMACY_FEED_SECRET": FEED_SECRET,
            "ONBOARDING_TOKEN": ONBOARDING_TOKEN,
            "RATE_LIMIT_WRITES": "0",
            "RATE_LIMIT_READS": "0",
            "RATE_LIMIT_UNAUTHENTICATED": "0",
            "LOG": "warn",
            # Its usual port is one for all the processes of a machine.
            "ADMIN_LISTEN": "off",
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("NIMBUS_")}
        self.environment = inherited | {f"NIMBUS_{name}": str(value) for name, value in own.items()}
        self.log = self.root / "server.log"
        self.process = None

    def command(self, *arguments):
        """What a command of the binary prints, as JSON."""
        done = subprocess.run(
            [self.binary, *arguments], env=self.environment, cwd=self.root, check=True, stdout=subprocess.PIPE
        )
        return json.loads(done.stdout)

    def __enter__(self):
        try:
            self.seed = self.fill()
            self.process, self.url = self.serve()
        except BaseException:
            self.folder.cleanup()
            raise
        return self

    def fill(self):
        """Fills the store; the keys and ids that are in it."""
        return self.command("seed", "--json")

    def serve(self):
        port_file = self.root / "port"
        with self.log.open("ab") as log:
            arguments = [self.binary, "serve", "--listen", "127.0.0.1:0", "--port-file", port_file]
            process = subprocess.Popen(
                arguments, env=self.environment, cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not (port := port_file.read_text().strip() if port_file.exists() else ""):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"the server did not start\n{self.log.read_text()}")
            time.sleep(0.01)
        return process, f"http://127.0.0.1:{port}"

    def __exit__(self, *_):
        self.stop()
        self.folder.cleanup()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def restart(self, **settings):
        """Serves the same store with other settings."""
        self.stop()
        self.environment |= {f"NIMBUS_{name}": str(value) for name, value in settings.items()}
        (self.root / "port").unlink()
        self.process, self.url = self.serve()

    def call(self, method, path, body=None, **headers):
        """The JSON of a 2xx reply; anything else raises `Refused`."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        # A proxy of the environment has no business between a test and its own server.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as reply:
                return json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as refusal:
            raise Refused(f"{method} {path}: {refusal.code} {refusal.read().decode()}") from None

    def partner(self, method, path, body=None):
        return self.call(method, path, body, X_API_Key=self.seed["keys"]["integration"])

    def staff(self, method, path, body=None):
        return self.call(method, path, body, Authorization=f"Bearer {self.seed['ops_token']}")

    def was_used(self, key):
        """Whether a key of the other clinic has ever been accepted."""
        keys = self.command("admin", "key", "list", "--clinic", self.seed["other_clinic_id"])
        return any(listed["last_used_at"] for listed in keys if listed["name"] == key)

    def age(self, requests, days):
        """Moves the fill dates of medication requests back. No route does: a fill's day is when it was filled."""
        filled_on = (date.today() - timedelta(days)).isoformat()
        with closing(sqlite3.connect(self.root / "data" / "nimbus.db", timeout=10)) as store, store:
            for request in requests:
                sql = "update order_lines set filled_on = ? where id = ?"
                changed = store.execute(sql, (filled_on, uuid.UUID(request).bytes)).rowcount
                assert changed == 1, "the medication request is not in the store"
