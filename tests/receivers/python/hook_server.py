"""The HTTP side of the receivers: an address, a configuration, one JSON line for each delivery."""

import hmac
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY = 1024 * 1024
MAX_REMEMBERED = 100_000


class HookServer(ThreadingHTTPServer):
    """Listens on 127.0.0.1; `check(server, headers, body)` returns the event or raises what is wrong with it."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, check):
        super().__init__(("127.0.0.1", int(os.environ.get("PORT", "0"))), HookHandler)
        self.check = check
        self.secret = os.environ.get("SECRET", "")
        self.api_key = os.environ.get("API_KEY", "")
        self.lock = threading.Lock()
        self.seen = {}

    def run(self):
        self.say({"port": self.server_port})
        self.serve_forever()

    def configure(self, body):
        given = json.loads(body)
        self.secret = given.get("secret", self.secret)
        self.api_key = given.get("api_key", self.api_key)

    def has_api_key(self, headers):
        presented = headers.get("X-API-Key") or ""
        return bool(self.api_key) and hmac.compare_digest(presented.encode(), self.api_key.encode())

    def receive(self, headers, body):
        """Checks a delivery and reports it; returns whether it is genuine."""
        webhook_id = headers.get("webhook-id")
        try:
            event, error = self.check(self, headers, body), None
        except Exception as refusal:
            event, error = {}, f"{type(refusal).__name__}: {refusal}"
        with self.lock:
            duplicate = error is None and self.is_repeated(webhook_id)
            self.say({
                "verified": error is None,
                "error": error,
                "event_name": event.get("event_name"),
                "event_data": event.get("event_data"),
                "webhook_id": webhook_id,
                "duplicate": duplicate,
                "api_key_matches": self.has_api_key(headers),
            })
        return error is None

    def is_repeated(self, webhook_id):
        """Whether this id was here before. The oldest ids are forgotten first."""
        if webhook_id is None:
            return False
        if webhook_id in self.seen:
            return True
        if len(self.seen) >= MAX_REMEMBERED:
            del self.seen[next(iter(self.seen))]
        self.seen[webhook_id] = True
        return False

    @staticmethod
    def say(line):
        try:
            print(json.dumps(line, separators=(",", ":")), flush=True)
        except BrokenPipeError:  # whoever read the lines is gone
            os._exit(0)


class HookHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self.close_connection = True
            return self.answer(413)
        body = self.rfile.read(length)
        if self.path == "/hook":
            self.answer(200 if self.server.receive(self.headers, body) else 401)
        elif self.path == "/configure":
            try:
                self.server.configure(body)
                self.answer(204)
            except (ValueError, AttributeError) as error:
                self.log_error("configure: %s", error)
                self.answer(400)
        else:
            self.answer(404)

    def answer(self, status):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, *_):
        """Deliveries are reported on standard output; nothing else is."""


def run(check):
    """Serves until it is interrupted."""
    try:
        HookServer(check).run()
    except KeyboardInterrupt:
        sys.exit(0)
