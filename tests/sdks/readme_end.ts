
// The end of the README's program: its receiver is sent an event, and then the same with another body.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

if (!server.listening) await once(server, "listening");
const body = readFileSync(process.env.NIMBUS_TEST_EVENT!);
const timestamp = Math.floor(Date.now() / 1_000).toString();
const signature = createHmac("sha256", Buffer.from(secret.slice(6), "base64"))
  .update(Buffer.concat([Buffer.from(`msg_1.${timestamp}.`), body]))
  .digest("base64");
const post = (sent: Uint8Array<ArrayBuffer>) =>
  fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/nimbus`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "webhook-id": "msg_1",
      "webhook-timestamp": timestamp,
      "webhook-signature": `v1,${signature}`,
    },
    body: sent,
  });
const taken = await post(new Uint8Array(body));
const forged = await post(new Uint8Array([...body, 32]));
const answers = [taken.status, forged.status, await forged.text()].join(" ");
if (answers !== "204 400 no_match") throw new Error(`the receiver answered ${answers}`);
server.closeAllConnections();
server.close();
