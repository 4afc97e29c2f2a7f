"""Signs deliveries with the published library and sends them to each receiver: genuine, repeated, forged."""

import json
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from http.client import HTTPConnection
from pathlib import Path

from standardwebhooks.webhooks import Webhook

HERE = Path(__file__).parent
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
KEY = "dev_sample"
DATA = {"shipment_id": "6f1", "notes": "Grüße"}
BODY = json.dumps({"event_name": "shipment:created", "event_data": DATA}, ensure_ascii=False)

RECEIVERS = {
    "python": ([sys.executable, HERE / "python" / "receiver.py"], True),
    "plain": ([sys.executable, HERE / "python" / "plain_receiver.py"], False),
    "node": (["node", HERE / "node" / "receiver.mjs"], True),
}


def signed(body=BODY, key=KEY):
    webhook_id, now = str(uuid.uuid4()), datetime.now(tz=timezone.utc)
    return {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(webhook_id, now, body),
        "X-API-Key": key,
    }


def check(name, command, verifies_signatures):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    try:
        connection = HTTPConnection("127.0.0.1", json.loads(process.stdout.readline())["port"], timeout=10)

        def post(path, body, headers):
            connection.request("POST", path, body.encode(), headers)
            reply = connection.getresponse()
            reply.read()
            return reply.status

        def deliver(headers, body=BODY):
            status = post("/hook", body, headers)
            return status, json.loads(process.stdout.readline())

        genuine, another_key = signed(), signed(key="dev_other")
        assert deliver(genuine)[0] == 401, "not configured yet"
        assert post("/configure", json.dumps({"secret": SECRET, "api_key": KEY}), {}) == 204
        status, line = deliver(genuine)
        assert (status, line["verified"], line["error"]) == (200, True, None), line
        assert (line["event_name"], line["event_data"]) == ("shipment:created", DATA), line
        assert (line["webhook_id"], line["duplicate"]) == (genuine["webhook-id"], False), line
        assert line["api_key_matches"], line
        status, line = deliver(genuine)
        assert (status, line["verified"], line["duplicate"]) == (200, True, True), line
        status, line = deliver(another_key)
        assert not line["api_key_matches"], line
        assert (status, line["verified"]) == ((200, True) if verifies_signatures else (401, False)), line
        status, line = deliver(signed(), BODY.replace("6f1", "6f2"))
        assert (status, line["verified"]) == ((401, False) if verifies_signatures else (200, True)), line
    finally:
        process.terminate()
        process.wait()
    print(f"{name}: ok")


for name, (command, verifies_signatures) in RECEIVERS.items():
    check(name, command, verifies_signatures)
