/** Pages of both APIs. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { json, stubbed } from "./stub.js";

const ofOrders = [
  json(200, { data: [{ id: "1" }, { id: "2" }], hasMore: true, nextCursor: "c 1", unreadable: ["ord_9"] }),
  json(200, { data: [], hasMore: true, nextCursor: "c2" }),
  json(200, { data: [{ id: "3" }], hasMore: false, nextCursor: null }),
];

test("iterating a list reads every page with the same filters", async () => {
  const { nimbus, sent } = stubbed(ofOrders);
  const ids: string[] = [];
  for await (const order of nimbus.orders.list({ patientId: "pat_1", limit: 2 })) ids.push(order.id);
  assert.deepEqual(ids, ["1", "2", "3"]);
  assert.deepEqual(sent.map((one) => one.url.search), [
    "?patientId=pat_1&limit=2",
    "?patientId=pat_1&limit=2&cursor=c+1",
    "?patientId=pat_1&limit=2&cursor=c2",
  ]);
});

test("no page is read before it is needed", async () => {
  const { nimbus, sent } = stubbed(ofOrders);
  for await (const order of nimbus.orders.list()) if (order.id === "2") break;
  assert.equal(sent.length, 1);
});

test("awaiting a list reads one page", async () => {
  const { nimbus, sent } = stubbed(ofOrders);
  const page = await nimbus.orders.list();
  assert.deepEqual([page.data.length, page.hasMore, page.nextCursor, page.unreadable], [2, true, "c 1", ["ord_9"]]);
  const last = await (await page.nextPage())?.nextPage();
  assert.deepEqual([last?.hasMore, await last?.nextPage()], [false, null]);
  assert.equal(sent.length, 3);
});

test("pages can be iterated", async () => {
  const { nimbus } = stubbed(ofOrders);
  const sizes: number[] = [];
  for await (const page of nimbus.orders.list().pages()) sizes.push(page.data.length);
  assert.deepEqual(sizes, [2, 0, 1]);
});

test("pages of the partner API are the same", async () => {
  const { nimbus, sent } = stubbed([
    json(200, { success: true, data: [{ id: "a" }], has_more: true, next_cursor: "n" }),
    json(200, { success: true, data: [{ id: "b" }], has_more: false, next_cursor: null }),
  ]);
  const found: unknown[] = [];
  for await (const key of nimbus.keys.list()) found.push(key);
  assert.deepEqual(found, [{ id: "a" }, { id: "b" }]);
  assert.equal(sent[1]?.url.search, "?cursor=n");
});

test("a list tells about its reply", async () => {
  const { nimbus } = stubbed(ofOrders);
  const { data, status, requestId } = await nimbus.orders.list().withResponse();
  assert.deepEqual([data.data.length, status, requestId], [2, 200, "req_stub"]);
});
