"""Tests both receivers against a live sandbox: test_receivers.py BINARY [unittest's arguments]

Between the sandbox and a receiver stands a relay: its port stays when a receiver is killed and started again, it keeps
every delivery for the tests to send once more or to forge, and it can lose answers.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
import uuid
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests" / "conformance"))

from sandbox import Sandbox  # noqa: E402

WAIT_SECONDS = 120
WAY = ["pending", "in_transit", "out_for_delivery", "delivered"]
SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

sandbox = None


def setUpModule():
    global sandbox
    started = Sandbox(sys.argv[1])
    # A delivery that failed comes again after two seconds, and then after nine: soon, and not so often that ten
    # failures in a row have the endpoint rest before a receiver has started anew.
    started.environment["NIMBUS_RETRY_SCALE"] = "0.03"
    sandbox = started.__enter__()
    unittest.addModuleCleanup(sandbox.__exit__)


def post(url, headers, body):
    """The status of the answer."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
    try:
        with OPENER.open(request, timeout=10) as reply:
            return reply.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


def sign(secret, webhook_id, timestamp, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def made(secret, body, age=0, **other):
    """The headers of a delivery that was signed `age` seconds ago."""
    webhook_id, timestamp = str(uuid.uuid4()), str(int(time.time()) - age)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": sign(secret, webhook_id, timestamp, body),
    } | {name.replace("_", "-"): value for name, value in other.items()}


class Relay:
    """Passes deliveries on and keeps them, with what the receiver answered."""

    def __init__(self):
        self.receiver = None
        self.loses_first_answers = False
        self.deliveries = []
        self.changed = threading.Condition()
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name: self.headers[name] for name in SIGNED}
                self.send_response(relay.pass_on(headers, body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def pass_on(self, headers, body):
        status = post(self.receiver, headers, body) if self.receiver else 503
        with self.changed:
            known = any(headers["webhook-id"] == kept["webhook-id"] for kept, _, _ in self.deliveries)
            self.deliveries.append((headers, body, status))
            self.changed.notify_all()
        return 503 if self.loses_first_answers and not known else status

    def wait(self, is_enough):
        """The deliveries of this test, once they are enough."""
        with self.changed:
            if not self.changed.wait_for(lambda: is_enough(self.deliveries), WAIT_SECONDS):
                raise AssertionError(f"{len(self.deliveries)} deliveries came, and that is not enough")
            return list(self.deliveries)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Receiver:
    """The tests that each receiver passes. `folder`, `start` and `worker` say which it is."""

    @classmethod
    def setUpClass(cls):
        cls.relay = Relay()
        cls.addClassCleanup(cls.relay.close)
        registered = sandbox.partner(
            "POST",
            "/api/external/webhook",
            {"clinic_id": sandbox.seed["clinic_id"], "webhook_url": cls.relay.url, "event_types": ["shipment:*"]},
        )
        cls.webhook_id, cls.secret = registered["data"]["webhook_id"], registered["data"]["signing_secret"]

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="nimbus-receiver-")
        self.addCleanup(folder.cleanup)
        self.inbox = Path(folder.name) / "inbox.db"
        self.process = self.reader = None
        self.addCleanup(self.kill)
        self.relay.deliveries = []
        self.relay.loses_first_answers = False
        self.serve()

    def serve(self):
        self.process = subprocess.Popen(
            self.start, cwd=HERE / self.folder, env=self.environment(PORT="0", PYTHONUNBUFFERED="1"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.url = self.relay.receiver = f"{found[0]}/webhooks"
                break
        else:
            self.fail("the receiver did not start")
        # It must not wait for somebody to read what it logs.
        self.reader = threading.Thread(target=self.process.stdout.read, daemon=True)
        self.reader.start()

    def environment(self, **own):
        return os.environ | {"NIMBUS_SIGNING_SECRET": self.secret, "INBOX": str(self.inbox)} | own

    def kill(self):
        """Ends the receiver as a crash does: nothing of it runs any more, not even its last words."""
        self.relay.receiver = None
        if self.process:
            self.process.kill()
            self.process.wait()
            if self.reader:
                self.reader.join()
            self.process.stdout.close()
            self.process = None

    def drain(self):
        subprocess.run(
            [*self.worker, "--drain"], cwd=HERE / self.folder, env=self.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=WAIT_SECONDS, check=True,
        )

    def select(self, sql, *values):
        with closing(sqlite3.connect(self.inbox, timeout=10)) as store:
            return store.execute(sql, values).fetchall()

    def count(self, condition="true"):
        """How many events of this test's parcel are in the inbox."""
        [(count,)] = self.select(f"select count(*) from inbox where instr(body, ?) and {condition}", self.shipment)
        return count

    def ship(self):
        """Has an order delivered: four events of its parcel."""
        seed = sandbox.seed
        order = sandbox.partner("POST", "/api/external/medication-order", {
            **{name: seed[name] for name in ("clinic_id", "patient_id", "practitioner_id")},
            "delivery_speed": "business-day",
            "medication_requests": [{
                "medication": "Metformin", "dose": "500mg", "quantity": 60, "days_supply": 30,
                "direction": "Take one tablet by mouth twice daily",
            }],
        })["data"]["medication_order_id"]
        sandbox.partner("POST", f"/api/external/sandbox/orders/{order}/advance", {"to": "delivered"})
        read = sandbox.partner("GET", f"/api/external/medication-order/{order}")
        self.shipment = read["data"]["shipments"][0]["id"]

    def mine(self, deliveries):
        """Those of this test's parcel: what an earlier test left may still come again."""
        return [delivery for delivery in deliveries if self.shipment.encode() in delivery[1]]

    def delivered(self, times=1, status=None):
        """Waits until each of the four events came so often, and was answered so; the deliveries."""
        def is_enough(deliveries):
            ids = [headers["webhook-id"] for headers, _, it in self.mine(deliveries) if status in (None, it)]
            return len(set(ids)) == len(WAY) and all(ids.count(it) >= times for it in set(ids))

        return self.mine(self.relay.wait(is_enough))

    def assert_handled_once(self):
        history = self.select("select webhook_id, status from shipment_history where shipment_id = ?", self.shipment)
        self.assertEqual(sorted(status for _, status in history), sorted(WAY))
        self.assertEqual(len({webhook_id for webhook_id, _ in history}), len(WAY))
        statuses = self.select("select status from shipments where shipment_id = ?", self.shipment)
        self.assertEqual(statuses, [("delivered",)])

    def test_each_event_is_handled_once_though_answers_are_lost(self):
        self.relay.loses_first_answers = True
        self.ship()
        deliveries = self.delivered(times=2)
        self.assertEqual({status for _, _, status in deliveries}, {200})
        self.assertEqual(self.count("handled_at is not null"), 0)
        self.drain()
        self.assert_handled_once()

    def test_what_was_answered_outlives_a_crash(self):
        self.ship()
        deliveries = self.delivered()
        self.kill()
        self.serve()
        for headers, body, _ in deliveries:
            self.assertEqual(post(self.url, headers, body), 200)
        self.assertEqual(self.count(), len(WAY))
        self.drain()
        self.assert_handled_once()
        # Sent once more after they were handled: known, and not handled again.
        for headers, body, _ in deliveries:
            self.assertEqual(post(self.url, headers, body), 200)
        self.drain()
        self.assert_handled_once()

    def test_what_comes_while_it_is_down_comes_again(self):
        self.kill()
        self.ship()
        self.delivered(status=503)
        self.serve()
        self.delivered(status=200)
        self.drain()
        self.assert_handled_once()

    def test_a_set_of_shipment_ids_would_drop_every_status_after_the_first(self):
        self.ship()
        events = [(headers["webhook-id"], json.loads(body)) for headers, body, _ in self.delivered()]

        def statuses(key):
            """What a receiver handles that takes an event with a known key for a repeat."""
            first = {}
            for webhook_id, event in events:
                first.setdefault(key(webhook_id, event), event["event_data"]["shipment_status"])
            return sorted(first.values())

        self.assertEqual(len(statuses(lambda _, event: event["event_data"]["shipment_id"])), 1)
        self.assertEqual(len(statuses(lambda _, event: event["event_data"]["medication_orders"][0])), 1)
        self.assertEqual(statuses(lambda webhook_id, _: webhook_id), sorted(WAY))
        self.drain()
        self.assert_handled_once()

    def test_a_secret_that_is_rotated_is_good_until_the_overlap_ends(self):
        path = f"/api/external/webhook/{self.webhook_id}/rotate-secret"
        self.__class__.next_secret = sandbox.partner("POST", path, {"overlap_hours": 1})["data"]["signing_secret"]
        self.ship()
        deliveries = self.delivered()
        self.assertEqual({len(headers["webhook-signature"].split()) for headers, _, _ in deliveries}, {2})
        self.assertEqual({status for _, _, status in deliveries}, {200})
        self.__class__.secret = self.next_secret
        self.kill()
        self.serve()
        for headers, body, _ in deliveries:
            self.assertEqual(post(self.url, headers, body), 200)

    def test_what_is_forged_or_old_is_refused_and_not_stored(self):
        self.ship()
        headers, body, _ = self.delivered()[0]
        other = "whsec_" + base64.b64encode(b"another secret of 24 byt").decode()
        milliseconds = str(int(time.time() * 1000))
        refused = {
            "another body": (headers, body.replace(b"shipment", b"shipmenT", 1)),
            "the same JSON written again": (headers, json.dumps(json.loads(body), indent=1).encode()),
            "another id": (headers | {"webhook-id": str(uuid.uuid4())}, body),
            "another time": (headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}, body),
            "another secret": (made(other, body), body),
            "six minutes old": (made(self.secret, body, age=360), body),
            "six minutes ahead": (made(self.secret, body, age=-360), body),
            "milliseconds": (made(self.secret, body, webhook_timestamp=milliseconds), body),
            "no number": (made(self.secret, body, webhook_timestamp="now"), body),
            "another version": (made(self.secret, body, webhook_signature="v2,AAAA"), body),
            "no base64": (made(self.secret, body, webhook_signature="v1,%%%"), body),
            "an empty signature": (made(self.secret, body, webhook_signature="v1, v1"), body),
            "nothing signed": ({}, body),
            "nothing at all": ({}, b""),
        }
        for what, (forged, sent) in refused.items():
            with self.subTest(what):
                self.assertEqual(post(self.url, forged, sent), 401)
        self.assertEqual(self.count(), len(WAY))

    def test_one_good_signature_of_several_is_enough(self):
        body = json.dumps({"event_name": "shipment:updated"}).encode()
        headers = made(self.secret, body)
        headers["webhook-signature"] = f"v1,AAAA v1a,BBBB {headers['webhook-signature']}"
        self.assertEqual(post(self.url, headers, body), 200)
        headers = made(self.secret, body, age=240)
        self.assertEqual(post(self.url, headers, body), 200)

    def test_an_event_that_cannot_be_handled_keeps_nobody_waiting(self):
        good = {"event_name": "shipment:updated", "sequence": 2, "event_data": {
            "shipment_id": "one", "shipment_status": "in_transit",
        }}
        older = good | {"sequence": 1, "event_data": {"shipment_id": "one", "shipment_status": "pending"}}
        for event in ({"event_name": "shipment:updated"}, good, older):
            body = json.dumps(event).encode()
            self.assertEqual(post(self.url, made(self.secret, body), body), 200)
        self.drain()
        self.assertEqual(self.select("select count(*) from inbox where handled_at is null and failures = 5"), [(1,)])
        self.assertEqual(self.select("select count(*) from shipment_history"), [(2,)])
        self.assertEqual(self.select("select status from shipments"), [("in_transit",)])


class Express(Receiver, unittest.TestCase):
    folder = "webhook-receiver-express"
    start = ["node", "receiver.mjs"]
    worker = ["node", "worker.mjs"]


class FastApi(Receiver, unittest.TestCase):
    folder = "webhook-receiver-fastapi"
    start = [sys.executable, "receiver.py"]
    worker = [sys.executable, "worker.py"]


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
