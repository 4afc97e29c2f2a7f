// A partner's program on the orders API, with no types but those generated from its document.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import createClient from "openapi-fetch";

import type { paths } from "./orders.js";
import { deliver, prescriptionOnFile, ship } from "./pharmacy.js";
import { settings } from "./settings.js";

const client = createClient<paths>({ baseUrl: settings.url, headers: { "X-API-Key": settings.apiKey } });

const shippingAddress = { street1: "123 Main St", city: "Austin", state: "TX", zip: "78701", country: "US" };

/** The body of a success; a refusal ends the program. */
function taken<T>(reply: { data?: T; error?: object; response: Response }): T {
  if (reply.data === undefined) {
    throw new Error(`${reply.response.url}: ${reply.response.status} ${JSON.stringify(reply.error)}`);
  }
  return reply.data;
}

async function orderIsFollowedHome(): Promise<string> {
  const prescriptionId = await prescriptionOnFile();
  const body = { patientId: settings.patientId, prescriptionId, shippingAddress, notes: "Please ring twice" };
  const key = randomUUID();
  const params = { header: { "Idempotency-Key": key } };
  const reply = await client.POST("/orders", { params, body });
  const made = taken(reply);
  assert.equal(reply.response.status, 201);
  assert.equal(reply.response.headers.get("location"), `/orders/${made.id}`);
  assert.match(made.id, /^ord_[a-zA-Z0-9]+$/);
  assert.equal(made.status, "pending");
  assert.equal(made.trackingNumber, null);

  const again = await client.POST("/orders", { params, body });
  assert.equal(taken(again).id, made.id);
  assert.equal(again.response.headers.get("idempotent-replayed"), "true");

  const path = { orderId: made.id };
  const before = taken(await client.GET("/orders/{orderId}/tracking", { params: { path } }));
  assert.equal(before.status, null);

  const shipment = await ship(made.id);
  const shipped = taken(await client.GET("/orders/{orderId}", { params: { path } }));
  assert.equal(shipped.status, "shipped");
  const tracking = taken(await client.GET("/orders/{orderId}/tracking", { params: { path } }));
  assert.equal(tracking.status, "in_transit");
  assert.ok(tracking.events.some((event) => event.status === "in_transit"));

  await deliver(shipment);
  const delivered = taken(await client.GET("/orders/{orderId}", { params: { path } }));
  assert.equal(delivered.status, "delivered");
  assert.equal(delivered.carrier, "UPS");

  const late = await client.POST("/orders/{orderId}/cancel", { params: { path }, body: { reason: "Too late" } });
  assert.equal(late.response.status, 409);
  assert.equal(late.error?.error.code, "invalid_status_transition");
  return made.id;
}

async function refillIsRequested(): Promise<void> {
  const { patientId, prescriptionId } = settings;
  const query = { prescriptionId, patientId };
  const may = taken(await client.GET("/refills/eligibility", { params: { query } }));
  assert.equal(may.eligible, true);
  assert.equal(may.refillsRemaining, 3);
  assert.deepEqual(may.reasons, []);

  const reply = await client.POST("/refills", { body: { prescriptionId, patientId } });
  const refill = taken(reply);
  assert.equal(reply.response.status, 201);
  assert.equal(refill.status, "approved");
  assert.notEqual(refill.orderId, null);

  const path = { refillId: refill.id };
  const read = taken(await client.GET("/refills/{refillId}", { params: { path } }));
  assert.deepEqual(read, refill);

  const second = await client.POST("/refills", { body: { prescriptionId, patientId } });
  assert.equal(second.response.status, 422);
  assert.equal(second.error?.error.code, "refill_not_eligible");
  const why = second.error?.error.details?.errors.map((one) => one.reason);
  assert.deepEqual(why, ["not_shipped", "already_open"]);

  const after = taken(await client.GET("/refills/eligibility", { params: { query } }));
  assert.equal(after.eligible, false);
  assert.ok(after.reasons.some((reason) => reason.code === "already_open"));
}

async function mistakesAreTold(): Promise<void> {
  const wrong = { ...shippingAddress, state: "tx", zip: "7870" };
  const body = { patientId: settings.patientId, prescriptionId: settings.prescriptionId, shippingAddress: wrong };
  const { data, error, response } = await client.POST("/orders", { body });
  assert.equal(data, undefined);
  assert.ok(error !== undefined);
  assert.equal(response.status, 422);
  const { code, requestId, details } = error.error;
  assert.equal(code, "validation_error");
  assert.equal(requestId, response.headers.get("x-request-id"));
  assert.equal(details?.field, "shippingAddress.state");
  const fields = details.errors.map((one) => one.field);
  assert.deepEqual(fields, ["shippingAddress.state", "shippingAddress.zip"]);

  const nobody = await client.GET("/orders/{orderId}", { params: { path: { orderId: "ord_0000000000000000000000" } } });
  assert.equal(nobody.response.status, 404);
  assert.equal(nobody.error?.error.code, "not_found");
}

/** Every order of the patient, one a page, newest first. */
async function pagesAreTurned(newest: string): Promise<void> {
  const found: string[] = [];
  let cursor: string | null = null;
  do {
    const query: { patientId: string; limit: number; cursor?: string } = { patientId: settings.patientId, limit: 1 };
    if (cursor !== null) query.cursor = cursor;
    const page = taken(await client.GET("/orders", { params: { query } }));
    assert.equal(page.data.length, 1);
    assert.equal(page.hasMore, page.nextCursor !== null);
    found.push(...page.data.map((order) => order.id));
    cursor = page.nextCursor;
  } while (cursor !== null);
  assert.ok(found.length >= 4, "the seeded order, the one on file, its fill and the refill");
  assert.equal(new Set(found).size, found.length);
  assert.ok(found.includes(newest));

  const { patientId } = settings;
  const delivered = taken(await client.GET("/orders", { params: { query: { patientId, status: "delivered" } } }));
  assert.ok(delivered.data.length >= 2);
  assert.ok(delivered.data.every((order) => order.status === "delivered"));
}

const order = await orderIsFollowedHome();
await refillIsRequested();
await mistakesAreTold();
await pagesAreTurned(order);
console.log("typescript: an order delivered, a refill requested, refusals and pages read");
