/** A partner's program on a live sandbox: orders, refills, refusals, pages, tags. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import * as sdk from "@nimbus-os/sdk";

import { failureOf } from "../stub.js";
import { nimbus, prescriptionOnFile, seed, shippingAddress } from "./sandbox.js";

const { patient_id: patientId, prescription_id: prescriptionId } = seed;

test("an order is followed home", async () => {
  const onFile = await prescriptionOnFile();
  const body = { patientId, prescriptionId: onFile, shippingAddress, notes: "Please ring twice" };
  const idempotencyKey = randomUUID();
  const first = await nimbus.orders.create(body, { idempotencyKey }).withResponse();
  assert.equal(first.status, 201);
  assert.equal(first.headers["location"], `/orders/${first.data.id}`);
  assert.match(first.data.id, /^ord_[a-zA-Z0-9]+$/);
  assert.deepEqual([first.data.status, first.data.trackingNumber, first.replayed], ["pending", null, false]);

  const again = await nimbus.orders.create(body, { idempotencyKey }).withResponse();
  assert.deepEqual([again.data, again.replayed], [first.data, true]);
  const { id } = first.data;
  const other = await failureOf(nimbus.orders.create({ ...body, notes: "Another" }, { idempotencyKey }));
  assert.ok(other instanceof sdk.IdempotencyError);

  assert.equal((await nimbus.orders.tracking(id)).status, null);
  const shipped = await nimbus.sandbox.advanceOrder(id, { to: "shipped" });
  assert.equal(shipped.status, "shipped");
  assert.equal((await nimbus.orders.retrieve(id)).status, "shipped");
  assert.equal((await nimbus.orders.tracking(id)).status, "in_transit");
  await nimbus.sandbox.advanceOrder(id, { to: "delivered" });
  const delivered = await nimbus.orders.retrieve(id);
  assert.equal(delivered.status, "delivered");
  assert.match(delivered.trackingNumber ?? "", /./);

  const late = await failureOf(nimbus.orders.cancel(id, { reason: "Too late" }));
  assert.ok(late instanceof sdk.ConflictError);
  assert.deepEqual([late.status, late.code], [409, "invalid_status_transition"]);
});

test("a refill is requested", async () => {
  const may = await nimbus.refills.eligibility({ prescriptionId, patientId });
  assert.deepEqual([may.eligible, may.refillsRemaining, may.reasons], [true, 3, []]);
  const refill = await nimbus.refills.create({ prescriptionId, patientId });
  assert.equal(refill.status, "approved");
  assert.notEqual(refill.orderId, null);
  assert.deepEqual(await nimbus.refills.retrieve(refill.id), refill);

  const second = await failureOf(nimbus.refills.create({ prescriptionId, patientId }));
  assert.ok(second instanceof sdk.BusinessRuleError);
  assert.deepEqual([second.status, second.code], [422, "refill_not_eligible"]);
  assert.deepEqual(second.reasons, ["not_shipped", "already_open"]);
  const medication_request_id = seed.medication_request_id;
  const third = await failureOf(nimbus.refillRequests.create({ medication_request_id }));
  assert.ok(third instanceof sdk.BusinessRuleError);
  assert.deepEqual([third.status, third.reasons.length > 0], [400, true]);
  const after = await nimbus.refills.eligibility({ prescriptionId, patientId });
  assert.equal(after.eligible, false);
  assert.ok(after.reasons.some((reason) => reason.code === "already_open"));
});

test("mistakes are told", async () => {
  const wrong = { ...shippingAddress, state: "tx", zip: "7870" };
  const error = await failureOf(nimbus.orders.create({ patientId, prescriptionId, shippingAddress: wrong }));
  assert.ok(error instanceof sdk.ValidationError);
  assert.equal(error.status, 422);
  assert.equal(error.requestId, error.headers["x-request-id"]);
  assert.deepEqual(error.fields.map((one) => one.field), ["shippingAddress.state", "shippingAddress.zip"]);

  const practitioner = await failureOf(nimbus.practitioners.create({ first_name: "Ada" } as never));
  assert.ok(practitioner instanceof sdk.ValidationError);
  assert.equal(practitioner.status, 400);
  assert.ok(practitioner.fields.some((one) => one.field === "npi"));

  assert.ok((await failureOf(nimbus.orders.retrieve("ord_0000000000000000000000"))) instanceof sdk.NotFoundError);
  const limited = new sdk.Nimbus({ apiKey: seed.keys.pharmacy_partner, baseUrl: seed.url });
  assert.ok((await failureOf(limited.patients.list())) instanceof sdk.PermissionDeniedError);
  const stranger = new sdk.Nimbus({ apiKey: "dev_nobody", baseUrl: seed.url });
  assert.ok((await failureOf(stranger.clinic.retrieve())) instanceof sdk.AuthenticationError);
});

test("pages are turned, on both APIs", async () => {
  for (let made = 0; made < 3; made += 1) await prescriptionOnFile();
  const ids: string[] = [];
  for await (const order of nimbus.orders.list({ patientId, limit: 1 })) ids.push(order.id);
  assert.ok(ids.length >= 4);
  assert.equal(new Set(ids).size, ids.length);
  const others: string[] = [];
  for await (const order of nimbus.medicationOrders.list({ patient_id: patientId, limit: 2 })) others.push(order.id);
  assert.equal(others.length, ids.length);

  const page = await nimbus.orders.list({ patientId, limit: 2 });
  assert.deepEqual(page.data.map((order) => order.id), ids.slice(0, 2));
  assert.deepEqual((await page.nextPage())?.data.map((order) => order.id), ids.slice(2, 4));
  const delivered = await nimbus.orders.list({ patientId, status: "delivered" });
  assert.ok(delivered.data.every((order) => order.status === "delivered"));
});

test("what was read is not read again, and not overwritten unseen", async () => {
  const read = await nimbus.patients.retrieve(patientId).withResponse();
  const etag = read.etag ?? assert.fail("no tag");
  const same = await failureOf(nimbus.patients.retrieve(patientId, { ifNoneMatch: etag }));
  assert.ok(same instanceof sdk.NotModifiedError);
  const changed = await nimbus.patients.update(patientId, { notes: "Prefers mornings" }, { ifMatch: etag });
  assert.equal(changed.notes, "Prefers mornings");
  const late = await failureOf(nimbus.patients.update(patientId, { notes: "No" }, { ifMatch: etag }));
  assert.ok(late instanceof sdk.PreconditionFailedError);
});

test("an image goes there and back", async () => {
  const svg = new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><path d="M0 0h8"/></svg>');
  const { practitioner_id: id } = seed;
  await nimbus.practitioners.putSignature(id, svg, "image/svg+xml");
  assert.deepEqual(await nimbus.practitioners.retrieveSignature(id), svg);
  await nimbus.practitioners.deleteSignature(id);
  assert.ok((await failureOf(nimbus.practitioners.retrieveSignature(id))) instanceof sdk.NotFoundError);
});

test("services have prices, and what is said of them all", async () => {
  const { carriers } = await nimbus.carriers.list();
  const ups = carriers.find((carrier) => carrier.name === "UPS") ?? assert.fail("no UPS");
  const services = await nimbus.carriers.services(ups.id, { patientId });
  assert.equal(services.patientState, "Texas");
  assert.ok(services.data.some((service) => service.id === "ups_ground"));
});

test("the sandbox's clock is moved", async () => {
  const moved = await nimbus.sandbox.moveClock({ advance_hours: 1 });
  assert.equal(Date.parse(moved.now) - Date.parse(moved.now_before) >= 3_600_000, true);
});
