// Receives webhooks: verifies, stores, answers. What is to be done about them, worker.mjs does later.

import express from "express";
import { Inbox } from "./inbox.mjs";
import { isGenuine } from "./signature.mjs";

const secret = process.env.NIMBUS_SIGNING_SECRET ?? "";
if (!secret.startsWith("whsec_")) throw new Error("NIMBUS_SIGNING_SECRET is the whsec_… of the webhook");
const inbox = new Inbox(process.env.INBOX ?? "inbox.db");

const app = express();
app.disable("x-powered-by");

// The body stays as it arrived: what is signed are its bytes, and JSON that is parsed and written again has others.
app.post("/webhooks", express.raw({ type: () => true, limit: "1mb" }), (request, response) => {
  const body = request.body ?? Buffer.alloc(0);
  if (!isGenuine(secret, request.headers, body)) return response.sendStatus(401);
  inbox.add(request.headers["webhook-id"], body.toString());
  response.sendStatus(200);
});

// Whatever could not be stored is answered with an error, and Nimbus sends it again. Bodies are not logged.
app.use((error, request, response, next) => {
  console.error(error.message);
  response.sendStatus(error.status ?? 500);
});

const server = app.listen(Number(process.env.PORT ?? 4001), "127.0.0.1", (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
