/** Every operation of the public documents has a method that sends what the document says. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import type { Nimbus, PagePromise } from "@nimbus-os/sdk";

import { json, stubbed } from "./stub.js";

type Call = (nimbus: Nimbus) => PromiseLike<unknown> | AsyncGenerator<unknown>;

// Ids are the names of their parameters, so that the path that is sent is the document's without its braces. Bodies
// are not looked at here: their types are.
const body = {} as never;

const CALLS: Record<string, Call> = {
  // The orders API.
  createOrder: (nimbus) => nimbus.orders.create(body),
  listOrders: (nimbus) => nimbus.orders.list(),
  getOrder: (nimbus) => nimbus.orders.retrieve("orderId"),
  cancelOrder: (nimbus) => nimbus.orders.cancel("orderId"),
  getOrderTracking: (nimbus) => nimbus.orders.tracking("orderId"),
  createRefill: (nimbus) => nimbus.refills.create(body),
  listRefills: (nimbus) => nimbus.refills.list(),
  getRefill: (nimbus) => nimbus.refills.retrieve("refillId"),
  cancelRefill: (nimbus) => nimbus.refills.cancel("refillId"),
  getPrescriptionRefillEligibility: (nimbus) => nimbus.refills.eligibility(body),
  listPatientPrescriptions: (nimbus) => nimbus.patientPrescriptions.list(),
  getPatientPrescription: (nimbus) => nimbus.patientPrescriptions.retrieve("prescriptionId"),
  createWebhookEndpoint: (nimbus) => nimbus.webhookEndpoints.create(body),
  listWebhookEndpoints: (nimbus) => nimbus.webhookEndpoints.list(),
  getWebhookEndpoint: (nimbus) => nimbus.webhookEndpoints.retrieve("webhookId"),
  updateWebhookEndpoint: (nimbus) => nimbus.webhookEndpoints.update("webhookId", body),
  deleteWebhookEndpoint: (nimbus) => nimbus.webhookEndpoints.delete("webhookId"),
  rotateWebhookEndpointSecret: (nimbus) => nimbus.webhookEndpoints.rotateSecret("webhookId"),
  sendTestWebhook: (nimbus) => nimbus.webhookEndpoints.test(),
  listWebhookEndpointDeliveries: (nimbus) => nimbus.webhookEndpoints.listDeliveries("webhookId"),
  retryWebhookEndpointDelivery: (nimbus) => nimbus.webhookEndpoints.retryDelivery("webhookId", "deliveryId"),
  resendWebhookEndpointEvent: (nimbus) => nimbus.webhookEndpoints.resendEvent("webhookId", "eventId"),
  replayWebhookEndpoint: (nimbus) => nimbus.webhookEndpoints.replay("webhookId", body),
  getWebhookEndpointReplay: (nimbus) => nimbus.webhookEndpoints.retrieveReplay("webhookId", "replayId"),
  cancelWebhookEndpointReplay: (nimbus) => nimbus.webhookEndpoints.cancelReplay("webhookId", "replayId"),
  listOrderEvents: (nimbus) => nimbus.orderEvents.list(),
  getOrderEvent: (nimbus) => nimbus.orderEvents.retrieve("eventId"),
  streamOrderEvents: (nimbus) => nimbus.orderEvents.stream({}, { reconnect: false }),
  // The partner API.
  getClinic: (nimbus) => nimbus.clinic.retrieve(),
  createPractitioner: (nimbus) => nimbus.practitioners.create(body),
  listPractitioners: (nimbus) => nimbus.practitioners.list(),
  getPractitioner: (nimbus) => nimbus.practitioners.retrieve("id"),
  updatePractitioner: (nimbus) => nimbus.practitioners.update("id", body),
  assignPractitioner: (nimbus) => nimbus.practitioners.assign("id", body),
  unassignPractitioner: (nimbus) => nimbus.practitioners.unassign("id", body),
  getPractitionerSignature: (nimbus) => nimbus.practitioners.retrieveSignature("id"),
  putPractitionerSignature: (nimbus) => nimbus.practitioners.putSignature("id", new Uint8Array(1), "image/png"),
  deletePractitionerSignature: (nimbus) => nimbus.practitioners.deleteSignature("id"),
  createPatient: (nimbus) => nimbus.patients.create(body),
  listPatients: (nimbus) => nimbus.patients.list(),
  getPatient: (nimbus) => nimbus.patients.retrieve("id"),
  updatePatient: (nimbus) => nimbus.patients.update("id", body),
  assignPatient: (nimbus) => nimbus.patients.assign("id", body),
  unassignPatient: (nimbus) => nimbus.patients.unassign("id", body),
  createMedicationOrder: (nimbus) => nimbus.medicationOrders.create(body),
  listMedicationOrders: (nimbus) => nimbus.medicationOrders.list(),
  getMedicationOrder: (nimbus) => nimbus.medicationOrders.retrieve("id"),
  cancelMedicationOrder: (nimbus) => nimbus.medicationOrders.cancel("id"),
  resolveHold: (nimbus) => nimbus.medicationOrders.resolveHold("id", "holdId"),
  getMedicationRequest: (nimbus) => nimbus.medicationRequests.retrieve("id"),
  listPrescriptions: (nimbus) => nimbus.prescriptions.list(),
  getPrescription: (nimbus) => nimbus.prescriptions.retrieve("id"),
  createRefillRequest: (nimbus) => nimbus.refillRequests.create(body),
  listRefillRequests: (nimbus) => nimbus.refillRequests.list(),
  getRefillRequest: (nimbus) => nimbus.refillRequests.retrieve("id"),
  cancelRefillRequest: (nimbus) => nimbus.refillRequests.cancel("id"),
  getRefillEligibility: (nimbus) => nimbus.refillRequests.eligibility(body),
  listCarriers: (nimbus) => nimbus.carriers.list(),
  listCarrierServices: (nimbus) => nimbus.carriers.services("carrierId", body),
  getShipment: (nimbus) => nimbus.shipments.retrieve("id"),
  getShipmentTracking: (nimbus) => nimbus.shipments.tracking("id"),
  createWebhook: (nimbus) => nimbus.webhooks.create(body),
  listWebhooks: (nimbus) => nimbus.webhooks.list(),
  getWebhook: (nimbus) => nimbus.webhooks.retrieve("id"),
  updateWebhook: (nimbus) => nimbus.webhooks.update("id", body),
  deleteWebhook: (nimbus) => nimbus.webhooks.delete("id"),
  deleteNamedWebhook: (nimbus) => nimbus.webhooks.deleteNamed(),
  rotateWebhookSecret: (nimbus) => nimbus.webhooks.rotateSecret("id"),
  testWebhook: (nimbus) => nimbus.webhooks.test("id"),
  getWebhookStats: (nimbus) => nimbus.webhooks.stats("id"),
  listWebhookDeliveries: (nimbus) => nimbus.webhooks.listDeliveries("id"),
  retryWebhookDelivery: (nimbus) => nimbus.webhooks.retryDelivery("id", "deliveryId"),
  resendWebhookEvent: (nimbus) => nimbus.webhooks.resendEvent("id", "eventId"),
  replayWebhook: (nimbus) => nimbus.webhooks.replay("id", body),
  getWebhookReplay: (nimbus) => nimbus.webhooks.retrieveReplay("id", "replayId"),
  cancelWebhookReplay: (nimbus) => nimbus.webhooks.cancelReplay("id", "replayId"),
  listEventTypes: (nimbus) => nimbus.webhooks.eventTypes(),
  listEvents: (nimbus) => nimbus.events.list(),
  getEvent: (nimbus) => nimbus.events.retrieve("id"),
  streamEvents: (nimbus) => nimbus.events.stream({}, { reconnect: false }),
  listOwnKeys: (nimbus) => nimbus.keys.list(),
  rotateOwnKey: (nimbus) => nimbus.keys.rotate("id"),
  confineOwnKey: (nimbus) => nimbus.keys.confine("id", body),
  revokeOwnKey: (nimbus) => nimbus.keys.revoke("id"),
  listSandboxFixtures: (nimbus) => nimbus.sandbox.fixtures(),
  moveSandboxClock: (nimbus) => nimbus.sandbox.moveClock(body),
  advanceSandboxOrder: (nimbus) => nimbus.sandbox.advanceOrder("id"),
  triggerSandboxEvent: (nimbus) => nimbus.sandbox.trigger(body),
  resetSandbox: (nimbus) => nimbus.sandbox.reset(),
};

interface Operation {
  readonly operationId: string;
  readonly requestBody?: { readonly required?: boolean; readonly content: Record<string, unknown> };
  readonly parameters?: { readonly $ref?: string }[];
}

interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
}

const DOCUMENTS = [
  { file: "orders.json", root: "" },
  { file: "integration.json", root: "/api/external" },
  { file: "partner.json", root: "/api/external" },
];

/** The operations of a document with where they are sent. */
function operationsOf({ file, root }: { file: string; root: string }) {
  const document = JSON.parse(readFileSync(new URL(`../../../openapi/${file}`, import.meta.url), "utf8")) as Document;
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      operation,
      sent: `${method.toUpperCase()} ${root}${path.replace(/[{}]/g, "")}`,
    })),
  );
}

const operations = DOCUMENTS.flatMap(operationsOf);

test("every operation of the documents has a method, and no method an operation of its own", () => {
  const named = new Set(operations.map(({ operation }) => operation.operationId));
  assert.deepEqual(Object.keys(CALLS).sort(), [...named].sort());
});

for (const { operation, sent: expected } of operations) {
  test(`${operation.operationId} sends ${expected}`, async () => {
    const { nimbus, sent } = stubbed([json(200, { success: true, data: [], message: "OK" })]);
    const made = CALLS[operation.operationId]?.(nimbus);
    assert.ok(made !== undefined);
    if ("next" in made) await made.next();
    else await made;
    assert.deepEqual(sent.map((one) => `${one.method} ${one.url.pathname}`), [expected]);
    const [request] = sent;
    const takesKey = operation.parameters?.some((one) => one.$ref?.endsWith("/IdempotencyKey")) ?? false;
    assert.equal("idempotency-key" in (request?.headers ?? {}), takesKey);
    if (operation.requestBody?.required) assert.ok(request?.body !== undefined, "it takes a body");
    if (request?.body !== undefined) {
      assert.ok(request.headers["content-type"] as string in (operation.requestBody?.content ?? {}));
    }
  });
}

test("a list that is awaited is its first page", async () => {
  const list: PagePromise<unknown> = stubbed([json(200, { data: [1], hasMore: false, nextCursor: null })]).nimbus.orders.list();
  assert.deepEqual((await list).data, [1]);
});
