
# The end of the README's program: its receiver is sent an event, and then the same with another body.
import base64
import hashlib
import hmac
import time
from pathlib import Path


async def deliver() -> None:
    body = Path(os.environ["NIMBUS_TEST_EVENT"]).read_bytes()
    timestamp = str(int(time.time()))
    signed = f"msg_1.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(base64.b64decode(secret[6:]), signed, hashlib.sha256).digest()).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver.example") as sender:
        taken = await sender.post("/hooks/nimbus", content=body, headers=headers)
        forged = await sender.post("/hooks/nimbus", content=body + b" ", headers=headers)
    answers = (taken.status_code, forged.status_code, forged.text)
    assert answers == (204, 400, "no_match"), answers


asyncio.run(deliver())
