/** Webhooks of both APIs as a live server sends them, and the same events read and streamed. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { OrdersApi, PartnerApi } from "@nimbus-os/sdk";

import { nimbus, prescribe, receiver, seed } from "./sandbox.js";

test("a webhook of the partner API verifies, before, during and after its secret is rotated", async () => {
  const { url, next, close } = await receiver();
  try {
    const made = await nimbus.webhooks.create({ clinic_id: seed.clinic_id, webhook_url: url, event_types: ["webhook:test"] });
    const before = made.signing_secret ?? assert.fail("no secret");
    await nimbus.webhooks.test(made.webhook_id);
    const first = await next();
    const event = nimbus.webhooks.verify(first.body, first.headers, before);
    assert.equal(event.event_name, "webhook:test");
    // The union is discriminated: the member is only there once the name is known.
    if (event.event_name === "webhook:test") assert.equal(event.event_data.webhook_id, made.webhook_id);

    const after = (await nimbus.webhooks.rotateSecret(made.webhook_id)).signing_secret ?? assert.fail("no secret");
    await nimbus.webhooks.test(made.webhook_id);
    const second = await next();
    for (const secrets of [before, after, [after, before]]) {
      assert.ok(nimbus.webhooks.verify(second.body, second.headers, secrets));
    }
    await nimbus.webhooks.delete(made.webhook_id);
  } finally {
    close();
  }
});

test("a webhook that signs with ed25519 verifies by the published keys", async () => {
  const { url, next, close } = await receiver();
  try {
    const made = await nimbus.webhookEndpoints.create({ url, signing: "ed25519", eventTypes: ["order.created"] });
    await prescribe(false);
    const { body, headers } = await next();
    const event = nimbus.webhookEndpoints.verify(body, headers, await nimbus.webhookEndpoints.publicKeys(made.id));
    assert.equal(event.type, "order.created");
    if (event.type === "order.created") assert.match(event.data.patientId, /^pat_/);
    await nimbus.webhookEndpoints.delete(made.id);
  } finally {
    close();
  }
});

test("a sample is sent on demand", async () => {
  const { url, next, close } = await receiver();
  try {
    const made = await nimbus.webhookEndpoints.create({ url, eventTypes: ["order.fulfilled"] });
    const told = await nimbus.webhookEndpoints.test({ eventType: "order.fulfilled" });
    assert.deepEqual([told.success, told.statusCode], [true, 200]);
    const { body, headers } = await next();
    const event = nimbus.webhookEndpoints.verify(body, headers, made.signingSecret ?? assert.fail("no secret"));
    assert.equal(event.type, "order.fulfilled");
    await nimbus.webhookEndpoints.delete(made.id);
  } finally {
    close();
  }
});

test("the log is read, followed and streamed alike", async () => {
  const listed: PartnerApi.WebhookEvent[] = [];
  for await (const event of nimbus.events.list({ limit: 2 })) listed.push(event);
  assert.ok(listed.length > 4);
  assert.deepEqual(await first(nimbus.events.follow({ limit: 3 }), listed.length), listed);
  assert.deepEqual(await first(nimbus.events.stream(), listed.length), listed);
  const one = listed[0] ?? assert.fail("no event");
  assert.deepEqual(await nimbus.events.retrieve(one.event_id), one);
});

test("a follower is told what happens after it came", async () => {
  const kept = (await nimbus.orderEvents.list({ limit: 1 })).data[0] ?? assert.fail("no event");
  const from = { cursor: kept.id, eventTypes: ["order.created"], createdFrom: kept.createdAt };
  const seen = new Set((await first(nimbus.orderEvents.list(from), 100)).map((event) => event.id));
  const following = fresh(nimbus.orderEvents.follow(from), seen);
  const streaming = fresh(nimbus.orderEvents.stream(from), seen);
  const made = await prescribe(false);
  const [followed, streamed] = await Promise.all([following, streaming]);
  assert.deepEqual(followed, streamed);
  assert.equal(followed.type, "order.created");
  const order = await nimbus.orders.retrieve(made.medication_order_id);
  if (followed.type === "order.created") assert.equal(followed.data.orderId, order.id);
});

test("a stream can be signed for a webhook", async () => {
  const { url, close } = await receiver();
  try {
    const made = await nimbus.webhookEndpoints.create({ url, eventTypes: ["order.*"] });
    const [message] = await first(nimbus.orderEvents.messages({ webhookId: made.id }), 1);
    const { id, data, fields } = message ?? assert.fail("no message");
    const secret = made.signingSecret ?? assert.fail("no secret");
    assert.equal(nimbus.webhookEndpoints.verify(data, { ...fields, "webhook-id": id }, secret).id, id);
    await nimbus.webhookEndpoints.delete(made.id);
  } finally {
    close();
  }
});

async function first<T>(events: AsyncIterable<T>, count: number): Promise<T[]> {
  const found: T[] = [];
  for await (const event of events) {
    found.push(event);
    if (found.length === count) break;
  }
  return found;
}

async function fresh(
  events: AsyncIterable<OrdersApi.OrdersWebhookEvent>,
  seen: ReadonlySet<string>,
): Promise<OrdersApi.OrdersWebhookEvent> {
  for await (const event of events) if (!seen.has(event.id)) return event;
  throw new Error("the events ended");
}
