/** Verifying webhooks. */

import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";

import { NimbusError, signWebhook, verifyWebhook, WebhookVerificationError, type WebhookFault } from "@nimbus-os/sdk";

import { json, stubbed } from "./stub.js";

const nowMs = Date.parse("2026-01-15T10:30:00Z");
const seconds = (nowMs / 1_000).toString();
const secret = `whsec_${randomBytes(32).toString("base64")}`;
const other = `whsec_${randomBytes(32).toString("base64")}`;
const golden = (name: string) => readFileSync(new URL(`../../../testdata/contract/${name}`, import.meta.url));

function v1(body: Uint8Array, key = secret, id = "msg_1", timestamp = seconds): string {
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  return `v1,${createHmac("sha256", Buffer.from(key.slice(6), "base64")).update(signed).digest("base64")}`;
}

const headers = (signature: string, id = "msg_1", timestamp = seconds) => ({
  "webhook-id": id,
  "webhook-timestamp": timestamp,
  "webhook-signature": signature,
});

const EVENTS = [
  "medication_updated.json",
  "order_created_event.json",
  "order_fulfilled_event.json",
  "refill_ready_event.json",
  "shipment_cancelled.json",
  "shipment_created.json",
];

for (const name of EVENTS) {
  test(`${name} is read when it is signed, and not with any byte changed`, () => {
    const body = golden(name);
    assert.deepEqual(verifyWebhook(body, headers(v1(body)), secret, { nowMs }), JSON.parse(body.toString()));
    assert.deepEqual(verifyWebhook(body.toString(), headers(v1(body)), secret, { nowMs }), JSON.parse(body.toString()));
    for (let at = 0; at < body.length; at += 7) {
      const changed = Uint8Array.from(body);
      changed[at]! ^= 1;
      refused("no_match", () => verifyWebhook(changed, headers(v1(body)), secret, { nowMs }));
    }
  });
}

test("the scheme is that of the published library", () => {
  // A vector of the Standard Webhooks specification's own tests.
  const published = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  };
  const at = { nowMs: 1_614_265_330_000 };
  const event = verifyWebhook<unknown>('{"test": 2432232314}', published, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", at);
  assert.deepEqual(event, { test: 2432232314 });
});

const body = golden("order_created_event.json");

test("a receiver can be tried with what is signed here", () => {
  const signed = signWebhook(body, secret, { id: "msg_1", nowMs });
  assert.deepEqual(signed, headers(v1(body)));
  assert.ok(verifyWebhook(body, signWebhook(body, secret), secret));
  assert.throws(() => signWebhook(body, "whpk_AAAA"), NimbusError);
});

function refused(fault: WebhookFault, work: () => unknown): void {
  assert.throws(work, (error: unknown) => {
    assert.ok(error instanceof WebhookVerificationError, inspect(error));
    assert.equal(error.fault, fault);
    assert.ok(!inspect(error).includes(secret.slice(6)));
    return true;
  });
}

test("while a secret is rotated, either signature and either secret will do", () => {
  const both = `${v1(body, other)} ${v1(body)}`;
  for (const secrets of [secret, other, [secret, other], [`whsec_${randomBytes(24).toString("base64")}`, secret]]) {
    assert.ok(verifyWebhook(body, headers(both), secrets, { nowMs }));
  }
});

test("each fault has its name", () => {
  const good = v1(body);
  const options = { nowMs };
  refused("no_match", () => verifyWebhook(body, headers(good), other, options));
  refused("no_match", () => verifyWebhook(body, headers(good, "msg_2"), secret, options));
  refused("no_match", () => verifyWebhook(body, headers(good.slice(0, -4)), secret, options));
  refused("no_match", () => verifyWebhook(body, headers("v1,"), secret, options));
  refused("no_known_signature", () => verifyWebhook(body, headers(good.replace("v1,", "v1a,")), secret, options));
  refused("no_known_signature", () => verifyWebhook(body, headers("nonsense"), secret, options));
  refused("invalid_timestamp", () => verifyWebhook(body, headers(good, "msg_1", "now"), secret, options));
  for (const name of ["webhook-id", "webhook-timestamp", "webhook-signature"]) {
    refused("missing_header", () => verifyWebhook(body, { ...headers(good), [name]: undefined }, secret, options));
    refused("missing_header", () => verifyWebhook(body, { ...headers(good), [name]: ["a", "b"] }, secret, options));
    const twice = { ...headers(good), [name.toUpperCase()]: "twice" };
    refused("missing_header", () => verifyWebhook(body, twice, secret, options));
  }
  const text = Buffer.from("not JSON");
  refused("not_json", () => verifyWebhook(text, headers(v1(text)), secret, options));
});

test("the time of signing may be five minutes away, or as far as one says", () => {
  const signedAt = (offset: number) => {
    const timestamp = (nowMs / 1_000 + offset).toString();
    return headers(v1(body, secret, "msg_1", timestamp), "msg_1", timestamp);
  };
  assert.ok(verifyWebhook(body, signedAt(-300), secret, { nowMs }));
  assert.ok(verifyWebhook(body, signedAt(300), secret, { nowMs }));
  refused("too_old", () => verifyWebhook(body, signedAt(-301), secret, { nowMs }));
  refused("too_new", () => verifyWebhook(body, signedAt(301), secret, { nowMs }));
  assert.ok(verifyWebhook(body, signedAt(-301), secret, { nowMs, toleranceSeconds: 600 }));
  refused("too_old", () => verifyWebhook(body, signedAt(-1), secret, { nowMs, toleranceSeconds: 0 }));
});

test("headers are read in each form that frameworks have", () => {
  const plain = headers(v1(body));
  const forms = [
    new Headers(plain),
    new Map(Object.entries(plain)),
    Object.fromEntries(Object.entries(plain).map(([name, value]) => [name.toUpperCase(), value])),
    Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, [value]])),
  ];
  for (const form of forms) assert.ok(verifyWebhook(body, form, secret, { nowMs }));
});

test("ed25519 is verified by published keys", async () => {
  const pair = generateKeyPairSync("ed25519");
  const { x } = pair.publicKey.export({ format: "jwk" });
  const set = { keys: [{ kty: "OKP", crv: "Ed25519", x, kid: "1", use: "sig" }] };
  const { nimbus, sent } = stubbed([json(200, set)]);
  const keys = await nimbus.webhooks.publicKeys("webhook-1");
  assert.deepEqual(await nimbus.webhookEndpoints.publicKeys("webhook-1"), keys);
  assert.deepEqual(sent.map((one) => one.url.href), [
    "https://api-sandbox.nimbus-os.com/.well-known/webhook-keys.json?webhook_id=webhook-1",
  ]);
  const signed = Buffer.concat([Buffer.from(`msg_1.${seconds}.`), body]);
  const signature = `v1a,${sign(null, signed, pair.privateKey).toString("base64")}`;
  assert.ok(nimbus.webhooks.verify(body, headers(`${v1(body, other)} ${signature}`), keys, { nowMs }));
  refused("no_match", () => verifyWebhook(Buffer.concat([body, Buffer.from(" ")]), headers(signature), keys, { nowMs }));
  refused("no_known_signature", () => verifyWebhook(body, headers(v1(body)), keys, { nowMs }));
});

test("a secret that is none is an error of the program, not of the request", () => {
  const wrong = ["", "secret", "whsec_", "whsec_not base64!", "whpk_AAAA", "whsec_é"];
  for (const one of wrong) {
    assert.throws(() => verifyWebhook(body, headers(v1(body)), one, { nowMs }), (error: unknown) =>
      error instanceof NimbusError && !(error instanceof WebhookVerificationError));
  }
  assert.throws(() => verifyWebhook(body, headers(v1(body)), [], { nowMs }), NimbusError);
});
