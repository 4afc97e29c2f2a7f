// A receiver that verifies signatures with the published `standardwebhooks` library, or, once it knows where public keys
// are listed, those of v1a with nothing but Node.js.

import { createPublicKey, timingSafeEqual, verify } from "node:crypto";
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const MAX_BODY = 1024 * 1024;
const MAX_REMEMBERED = 100_000;

const TOLERANCE_SECONDS = 300;

const settings = { secret: process.env.SECRET ?? "", api_key: process.env.API_KEY ?? "", keys_url: "" };
const seen = new Set();

// Whoever read the lines is gone.
process.stdout.on("error", () => process.exit(0));
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const server = createServer(async (request, response) => {
  try {
    const body = await read(request);
    response.writeHead(await route(request, body)).end();
  } catch (error) {
    response.writeHead(error.status ?? 400, { connection: "close" }).end();
  }
});
server.keepAliveTimeout = 120_000;
server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => say({ port: server.address().port }));

async function route(request, body) {
  if (request.method !== "POST") return 405;
  if (request.url === "/hook") return (await receive(request.headers, body)) ? 200 : 401;
  if (request.url !== "/configure") return 404;
  const { secret = settings.secret, api_key = settings.api_key, keys_url = settings.keys_url } = JSON.parse(body);
  Object.assign(settings, { secret, api_key, keys_url });
  return 204;
}

/** Checks a delivery and reports it; whether it is genuine. */
async function receive(headers, body) {
  const id = headers["webhook-id"] ?? null;
  let event = {};
  let error = null;
  try {
    event = settings.keys_url ? await verifyByPublicKeys(headers, body) : new Webhook(settings.secret).verify(body, headers);
  } catch (refusal) {
    error = `${refusal.name}: ${refusal.message}`;
  }
  say({
    verified: error === null,
    error,
    event_name: event.event_name ?? null,
    event_data: event.event_data ?? null,
    webhook_id: id,
    duplicate: error === null && isRepeated(id),
    api_key_matches: hasApiKey(headers["x-api-key"] ?? ""),
  });
  return error === null;
}

/** Checks the v1a signatures by the keys that are listed; the event. */
async function verifyByPublicKeys(headers, body) {
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures = "" } = headers;
  const age = Math.abs(Date.now() / 1000 - Number(timestamp));
  if (!(age <= TOLERANCE_SECONDS)) throw new Error("the timestamp is too far from the clock");
  const { keys } = await (await fetch(settings.keys_url)).json();
  const publicKeys = keys.map((key) => createPublicKey({ key, format: "jwk" }));
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  const made = signatures.split(" ").filter((it) => it.startsWith("v1a,")).map((it) => Buffer.from(it.slice(4), "base64"));
  if (!made.some((signature) => publicKeys.some((key) => verify(null, signed, key, signature)))) {
    throw new Error("no v1a signature is by a key that is listed");
  }
  return JSON.parse(body);
}

/** Whether this id was here before. The oldest ids are forgotten first. */
function isRepeated(id) {
  if (id === null || seen.has(id)) return id !== null;
  if (seen.size >= MAX_REMEMBERED) seen.delete(seen.values().next().value);
  seen.add(id);
  return false;
}

function hasApiKey(presented) {
  const [given, wanted] = [Buffer.from(presented), Buffer.from(settings.api_key)];
  return wanted.length > 0 && given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** The body as it was signed: the bytes, before anything parses them. */
async function read(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_BODY) throw Object.assign(new Error("too large"), { status: 413 });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
