"""Receives webhooks: verifies, stores, answers. What is to be done about them, worker.py does later."""

import os

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from inbox import Inbox
from signature import is_genuine

MAX_BODY = 1024 * 1024

secret = os.environ.get("NIMBUS_SIGNING_SECRET", "")
if not secret.startswith("whsec_"):
    raise SystemExit("NIMBUS_SIGNING_SECRET is the whsec_… of the webhook")
inbox = Inbox(os.environ.get("INBOX", "inbox.db"))
app = FastAPI(openapi_url=None)


# The body stays as it arrived: what is signed are its bytes, and JSON that is parsed and written again has others.
@app.post("/webhooks")
async def receive(request: Request):
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return Response(status_code=413)
    if not is_genuine(secret, request.headers, bytes(body)):
        return Response(status_code=401)
    # If this fails the answer is 500, and Nimbus sends it again.
    await run_in_threadpool(inbox.add, request.headers["webhook-id"], body.decode())
    return Response(status_code=200)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "4001")), access_log=False)
