/** Retries, deadlines, idempotency keys, header fields, errors, and what is never shown. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { inspect } from "node:util";

import * as sdk from "@nimbus-os/sdk";

import { delayMs, mayRetry } from "../dist/esm/retry.js";
import { broken, failureOf, json, KEY, silent, stubbed, type Answer } from "./stub.js";

const order = { id: "ord_1" };
const now = { "retry-after": "0" };
const unavailable = json(503, { error: { code: "unavailable", message: "Later", requestId: "req_1" } }, now);
const body = { prescriptionId: "rx_1", patientId: "pat_1" };
const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("a POST is tried again with the same key and body", async () => {
  const { nimbus, sent } = stubbed([unavailable, unavailable, json(201, order)]);
  assert.deepEqual(await nimbus.refills.create(body), order);
  assert.equal(sent.length, 3);
  assert.match(sent[0]?.headers["idempotency-key"] ?? "", UUID_V4);
  assert.equal(new Set(sent.map((one) => one.headers["idempotency-key"])).size, 1);
  assert.equal(new Set(sent.map((one) => one.body)).size, 1);
});

test("two calls have two keys, and a key of one's own is kept", async () => {
  const { nimbus, sent } = stubbed([json(201, order)]);
  await nimbus.refills.create(body);
  await nimbus.refills.create(body);
  await nimbus.refills.create(body, { idempotencyKey: "refill-1001" });
  const keys = sent.map((one) => one.headers["idempotency-key"]);
  assert.equal(new Set(keys).size, 3);
  assert.equal(keys[2], "refill-1001");
});

test("a key that cannot be sent is refused", async () => {
  const { nimbus, sent } = stubbed([json(201, order)]);
  for (const idempotencyKey of ["", "refill 1001", "refill\n1001", "é", "x".repeat(256)]) {
    await assert.rejects(nimbus.refills.create(body, { idempotencyKey }), /idempotencyKey/);
  }
  assert.equal(sent.length, 0);
});

const inUse = json(409, { error: { code: "idempotency_key_in_use", message: "…", requestId: "req_1" } }, now);
const inUsePartner = json(409, { success: false, error: { code: "IDEMPOTENCY_KEY_IN_USE", message: "…" } }, now);
const limited = json(429, { error: { code: "rate_limit_exceeded", message: "…" } }, now);
for (const [name, answer] of Object.entries({
  "429": limited,
  "408": json(408, {}, now),
  "500": json(500, {}, now),
  "502 of a proxy": () => new Response("<html>", { status: 502, headers: now }),
  "503": unavailable,
  "409 of a key in use": inUse,
  "409 of a key in use on the partner API": inUsePartner,
})) {
  test(`${name} is tried again`, async () => {
    const { nimbus, sent } = stubbed([answer as Answer, json(201, order)]);
    await nimbus.refills.create(body);
    assert.equal(sent.length, 2);
  });
}

test("a broken connection is tried again", async () => {
  const { nimbus, sent } = stubbed([broken("ECONNRESET"), json(200, order)], {});
  assert.deepEqual(await nimbus.orders.retrieve("ord_1"), order);
  assert.equal(sent.length, 2);
});

for (const status of [400, 401, 403, 404, 409, 410, 412, 422]) {
  test(`${status} is not tried again`, async () => {
    const { nimbus, sent } = stubbed([json(status, { error: { code: "no", message: "No" } }, now)]);
    await assert.rejects(nimbus.refills.create(body), sdk.ApiError);
    assert.equal(sent.length, 1);
  });
}

test("there are two retries, or as many as one says", async () => {
  for (const [options, tries] of [[{}, 3], [{ maxRetries: 0 }, 1], [{ maxRetries: 4 }, 5]] as const) {
    const { nimbus, sent } = stubbed([unavailable], options);
    await assert.rejects(nimbus.orders.retrieve("ord_1"), sdk.ServerError);
    assert.equal(sent.length, tries);
  }
  const { nimbus, sent } = stubbed([unavailable]);
  await assert.rejects(nimbus.orders.retrieve("ord_1", { maxRetries: 1 }), sdk.ServerError);
  assert.equal(sent.length, 2);
});

test("a PATCH that the server may have begun is not tried again", async () => {
  for (const answer of [unavailable, json(500, {}, now), broken("ECONNRESET")]) {
    const { nimbus, sent } = stubbed([answer]);
    await assert.rejects(nimbus.patients.update("id", {}), sdk.NimbusError);
    assert.equal(sent.length, 1);
  }
});

test("a PATCH that was never begun is tried again", async () => {
  for (const answer of [limited, broken("ECONNREFUSED")]) {
    const { nimbus, sent } = stubbed([answer, json(200, { data: order })]);
    await nimbus.patients.update("id", {});
    assert.equal(sent.length, 2);
  }
});

test("a connection that was refused was never begun", async () => {
  // Nothing listens on this port, which is the management utility's of CompressNET.
  const nimbus = new sdk.Nimbus({ apiKey: KEY, baseUrl: "http://127.0.0.1:2", maxRetries: 0 });
  const error = await failureOf(nimbus.patients.update("id", {}));
  assert.ok(error instanceof sdk.ApiConnectionError);
  assert.equal(mayRetry(error, false), true);
});

test("a longer Retry-After than one waits for is an error at once", async () => {
  const { nimbus, sent } = stubbed([json(429, {}, { "retry-after": "61" })]);
  const error = await failureOf(nimbus.orders.retrieve("ord_1"));
  assert.ok(error instanceof sdk.RateLimitError);
  assert.equal(error.retryAfter, 61);
  assert.equal(sent.length, 1);
});

test("back-off doubles, has full jitter and an end", () => {
  const failure = new sdk.ApiConnectionError("broken");
  const longest = [0, 1, 2, 3, 4, 9].map((retry) => delayMs(failure, retry, 60_000, 1));
  assert.deepEqual(longest, [500, 1_000, 2_000, 4_000, 8_000, 8_000]);
  assert.equal(delayMs(failure, 3, 60_000, 0), 0);
  assert.equal(delayMs(failure, 3, 60_000, 0.5), 2_000);
});

test("Retry-After goes before back-off", async () => {
  const answered = async (seconds: string): Promise<unknown> => {
    const { nimbus } = stubbed([json(503, {}, { "retry-after": seconds })], { maxRetries: 0 });
    return failureOf(nimbus.orders.retrieve("ord_1"));
  };
  assert.equal(delayMs(await answered("7"), 0, 60_000, 0.5), 7_000);
  assert.equal(delayMs(await answered("61"), 0, 60_000, 0.5), undefined);
  assert.equal(delayMs(await answered("soon"), 0, 60_000, 1), 500);
});

test("a reply that does not come is a timeout", async () => {
  const { nimbus, sent } = stubbed([silent], { timeoutMs: 5, maxRetries: 0 });
  await assert.rejects(nimbus.orders.retrieve("ord_1"), sdk.ApiTimeoutError);
  assert.equal(sent.length, 1);
});

test("a reply whose body does not end is a timeout", async () => {
  const endless: Answer = () => new Response(new ReadableStream({ pull: () => new Promise(() => {}) }));
  const { nimbus } = stubbed([endless], { timeoutMs: 5, maxRetries: 0 });
  await assert.rejects(
    Promise.race([nimbus.orders.retrieve("ord_1"), new Promise((resolve) => setTimeout(resolve, 20_000).unref())]),
    sdk.ApiTimeoutError,
  );
});

test("a signal of one's own stops it, also between tries", async () => {
  const controller = new AbortController();
  const stopping: Answer = () => {
    controller.abort(new Error("enough"));
    return unavailable({} as never, controller.signal);
  };
  const { nimbus, sent } = stubbed([stopping]);
  await assert.rejects(nimbus.orders.retrieve("ord_1", { signal: controller.signal }), /enough/);
  assert.equal(sent.length, 1);
  await assert.rejects(nimbus.orders.retrieve("ord_1", { signal: controller.signal }), /enough/);
  assert.equal(sent.length, 1, "nothing is sent for who has stopped");
});

test("a signal of one's own stops a try that is under way, and says why", async () => {
  const controller = new AbortController();
  const waiting: Answer = (sent, signal) => {
    controller.abort(new Error("enough"));
    return silent(sent, signal);
  };
  const { nimbus } = stubbed([waiting], { maxRetries: 0 });
  await assert.rejects(nimbus.orders.retrieve("ord_1", { signal: controller.signal }), /enough/);
});

test("header fields are those of the client, of the call, and never another key", async () => {
  const { nimbus, sent } = stubbed([json(200, order)], { headers: { "X-Team": "a", "X-Api-Key": "dev_other" } });
  await nimbus.orders.retrieve("ord_1", { headers: { "x-team": "b" }, ifNoneMatch: '"tag"' });
  assert.equal(sent[0]?.headers["x-api-key"], KEY);
  assert.equal(sent[0]?.headers["x-team"], "b");
  assert.equal(sent[0]?.headers["if-none-match"], '"tag"');
  assert.match(sent[0]?.headers["user-agent"] ?? "", /^nimbus-typescript\/\d/);
});

test("queries leave out what is not given, and join lists", async () => {
  const { nimbus, sent } = stubbed([json(200, { data: [], nextCursor: null })]);
  await nimbus.orderEvents.list({ eventTypes: ["order.created", "refill.*"], limit: 5 });
  assert.equal(sent[0]?.url.search, "?eventTypes=order.created%2Crefill.*&limit=5");
});

test("ids cannot make another path", async () => {
  const { nimbus, sent } = stubbed([json(200, order)]);
  await nimbus.orders.retrieve("../orders?limit=1");
  assert.equal(sent[0]?.url.pathname, "/orders/..%2Forders%3Flimit%3D1");
  for (const id of ["", ".", ".."]) assert.throws(() => nimbus.orders.retrieve(id), sdk.NimbusError);
});

test("a redirect is not followed: it would take the key elsewhere", async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.writeHead(302, { location: "/elsewhere" }).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const nimbus = new sdk.Nimbus({ apiKey: KEY, baseUrl: `http://127.0.0.1:${port}` });
  const error = await failureOf(nimbus.orders.retrieve("ord_1"));
  server.closeAllConnections();
  server.close();
  assert.ok(error instanceof sdk.ApiError);
  assert.deepEqual([error.status, asked], [302, ["/orders/ord_1"]]);
});

const partner = (code: string, details?: unknown) => ({
  success: false,
  error: { code, message: "Said by the server", details, request_id: "req_partner" },
});
const orders = (code: string, details?: unknown) => ({
  error: { code, message: "Said by the server", details, requestId: "req_orders" },
});
const field = { field: "npi", message: "is required" };
const ofOrders = { field: "zip", reason: "is wrong", errors: [{ field: "zip", reason: "is wrong" }] };
const REFUSALS: [number, unknown, new (...args: never[]) => sdk.ApiError][] = [
  [304, undefined, sdk.NotModifiedError],
  [400, partner("VALIDATION_ERROR", [field]), sdk.ValidationError],
  [422, orders("validation_error", ofOrders), sdk.ValidationError],
  [400, orders("invalid_request"), sdk.BadRequestError],
  [400, partner("REFILL_NOT_ELIGIBLE"), sdk.BusinessRuleError],
  [400, partner("REFILL_EXISTS"), sdk.BusinessRuleError],
  [400, partner("ORDER_REJECTED"), sdk.BusinessRuleError],
  [400, partner("SERVICE_NOT_AVAILABLE"), sdk.BusinessRuleError],
  [400, partner("DUPLICATE_PATIENT"), sdk.BusinessRuleError],
  [422, orders("refill_not_eligible"), sdk.BusinessRuleError],
  [400, partner("INVALID_STATUS_TRANSITION"), sdk.ConflictError],
  [409, orders("invalid_status_transition"), sdk.ConflictError],
  [401, partner("UNAUTHORIZED"), sdk.AuthenticationError],
  [403, orders("forbidden"), sdk.PermissionDeniedError],
  [404, partner("NOT_FOUND"), sdk.NotFoundError],
  [405, partner("METHOD_NOT_ALLOWED"), sdk.BadRequestError],
  [409, partner("IDEMPOTENCY_KEY_CONFLICT"), sdk.IdempotencyError],
  [409, orders("idempotency_key_conflict"), sdk.IdempotencyError],
  [409, partner("REPLAY_RUNNING"), sdk.ConflictError],
  [410, partner("CURSOR_EXPIRED"), sdk.GoneError],
  [412, orders("precondition_failed"), sdk.PreconditionFailedError],
  [413, partner("PAYLOAD_TOO_LARGE"), sdk.BadRequestError],
  [415, orders("unsupported_media_type"), sdk.BadRequestError],
  [429, partner("RATE_LIMIT_EXCEEDED"), sdk.RateLimitError],
  [500, orders("internal_error"), sdk.ServerError],
  [503, partner("UNAVAILABLE"), sdk.ServerError],
  [418, "not JSON of ours", sdk.ApiError],
];

for (const [status, reply, expected] of REFUSALS) {
  test(`${status} ${JSON.stringify(reply)?.slice(0, 60)} is ${expected.name}`, async () => {
    const { nimbus } = stubbed([json(status, reply)], { maxRetries: 0 });
    const error = await failureOf(nimbus.orders.retrieve("ord_1"));
    assert.ok(error instanceof sdk.ApiError);
    assert.equal(error.constructor, expected);
    assert.equal(error.name, expected.name);
    assert.equal(error.status, status);
    assert.equal(error.headers["x-request-id"], "req_stub");
  });
}

test("an error tells its parts in one shape for both APIs", async () => {
  const refused = async (status: number, reply: unknown): Promise<sdk.ApiError> => {
    const { nimbus } = stubbed([json(status, reply)]);
    const error = await failureOf(nimbus.orders.retrieve("ord_1"));
    assert.ok(error instanceof sdk.ApiError);
    return error;
  };
  const first = await refused(400, partner("VALIDATION_ERROR", [field]));
  assert.deepEqual([first.code, first.message, first.requestId], ["VALIDATION_ERROR", "Said by the server", "req_partner"]);
  assert.deepEqual(first.fields, [{ field: "npi", message: "is required" }]);
  const second = await refused(422, orders("validation_error", ofOrders));
  assert.equal(second.requestId, "req_orders");
  assert.deepEqual(second.fields, [{ field: "zip", message: "is wrong" }]);
  assert.deepEqual(second.details, ofOrders);
});

test("neither key nor query nor body is shown by a client or an error", async () => {
  const { nimbus } = stubbed([json(400, partner("VALIDATION_ERROR", [field]))]);
  const error = await failureOf(
    nimbus.patients.list({ last_name: "Rivera", first_name: "Jamie", dob: "1988-04-12" }),
  );
  const dead = stubbed([broken("ECONNRESET")], { maxRetries: 0 }).nimbus;
  const lost = await failureOf(dead.patients.update("id", { last_name: "Rivera" }));
  for (const shown of [nimbus, nimbus.patients, error, lost]) {
    const text = `${inspect(shown, { depth: 9, showHidden: true })} ${JSON.stringify(shown)} ${String(shown)}`;
    assert.doesNotMatch(text, /Rivera|Jamie|1988|never_shown/);
  }
});

test("a reply that is not JSON is an error that does not quote it", async () => {
  const { nimbus } = stubbed([() => new Response("Rivera", { status: 200 })]);
  await assert.rejects(nimbus.orders.retrieve("ord_1"), (error: Error) => !/Rivera/.test(inspect(error)));
});

test("settings that cannot be meant are refused without repeating them", () => {
  const wrong: sdk.ClientOptions[] = [
    { apiKey: "" },
    { apiKey: "dev_\n" },
    { apiKey: KEY, environment: "production" },
    { apiKey: "prod_x", environment: "sandbox" },
    { apiKey: KEY, baseUrl: "http://api.example.com" },
    { apiKey: KEY, baseUrl: "https://user:secret@api.example.com" },
    { apiKey: KEY, baseUrl: "nowhere" },
    { apiKey: KEY, maxRetries: 11 },
    { apiKey: KEY, maxRetries: 0.5 },
    { apiKey: KEY, timeoutMs: 0 },
    { apiKey: KEY, timeoutMs: Number.NaN },
  ];
  for (const options of wrong) {
    assert.throws(() => new sdk.Nimbus(options), (error: Error) => {
      assert.ok(error instanceof sdk.NimbusError);
      return !/secret|never_shown|nowhere/.test(inspect(error));
    });
  }
});

test("a runtime without fetch is told so", (context) => {
  const { fetch } = globalThis;
  context.after(() => Object.assign(globalThis, { fetch }));
  Object.assign(globalThis, { fetch: undefined });
  assert.throws(() => new sdk.Nimbus({ apiKey: KEY }), /no fetch/);
});

test("the version is the package's", () => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  assert.equal(sdk.VERSION, version);
});

test("the key says which environment", () => {
  const baseUrl = (options: sdk.ClientOptions): string => new sdk.Nimbus(options).baseUrl;
  assert.equal(baseUrl({ apiKey: "dev_x", environment: "sandbox" }), "https://api-sandbox.nimbus-os.com");
  assert.equal(baseUrl({ apiKey: "prod_x", environment: "production" }), "https://api.nimbus-os.com");
  assert.equal(baseUrl({ apiKey: "dev_x", baseUrl: "http://127.0.0.1:8080/" }), "http://127.0.0.1:8080");
});
