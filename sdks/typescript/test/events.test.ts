/** Events followed and streamed, over connections that end and break. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { AuthenticationError, ServerError } from "@nimbus-os/sdk";

import { Parser } from "../dist/esm/sse.js";
import { json, stubbed, type Answer } from "./stub.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const parsed = (...chunks: (string | Uint8Array)[]) => {
  const parser = new Parser();
  return chunks.flatMap((chunk) => [...parser.read(typeof chunk === "string" ? bytes(chunk) : chunk)]);
};

test("messages are read as the standard has them", () => {
  const text = ':\n\nid: 1\nevent: a\nwebhook-signature: v1,x=\ndata: {"n":\ndata:1}\n\ndata\n\nevent: lost\n\n';
  assert.deepEqual(parsed(text), [
    { id: "1", event: "a", data: '{"n":\n1}', fields: { "webhook-signature": "v1,x=" } },
    { id: "1", event: "", data: "", fields: {} },
  ]);
});

test("messages are the same however they are cut", () => {
  const text = bytes("id: é\r\nevent: a\r\ndata: ü\r\n\r\nid: 2\revent: b\rdata: b\r\r");
  const whole = parsed(text, "\n");
  assert.deepEqual(whole.map((message) => message.event), ["a", "b"]);
  for (let at = 0; at <= text.length; at += 1) assert.deepEqual(parsed(text.slice(0, at), text.slice(at), "\n"), whole);
});

/** A connection that tells this text, and then ends or breaks. */
function told(text: string, end: "ends" | "breaks" = "ends"): Answer {
  return () =>
    new Response(
      new ReadableStream({
        start(controller) {
          if (text !== "") controller.enqueue(bytes(text));
        },
        pull(controller) {
          if (end === "ends") controller.close();
          else controller.error(new TypeError("terminated"));
        },
      }),
      { headers: { "content-type": "text/event-stream" } },
    );
}

const event = (id: string): string => `retry: 0\n\nid: ${id}\nevent: order.created\ndata: {"id":"${id}"}\n\n`;
const over = json(401, { error: { code: "unauthorized", message: "Unauthorized" } });

test("a stream comes back with the last id that it has", async () => {
  const { nimbus, sent } = stubbed([told(event("evt_1") + event("evt_2")), told(event("evt_3"), "breaks"), over]);
  const ids: string[] = [];
  await assert.rejects(async () => {
    for await (const one of nimbus.orderEvents.stream({ cursor: "evt_0", eventTypes: ["order.*"] })) ids.push(one.id);
  }, AuthenticationError);
  assert.deepEqual(ids, ["evt_1", "evt_2", "evt_3"]);
  assert.deepEqual(sent.map((one) => one.headers["last-event-id"]), [undefined, "evt_2", "evt_3"]);
  assert.ok(sent.every((one) => one.url.search === "?cursor=evt_0&eventTypes=order.*"));
  assert.ok(sent.every((one) => one.headers["accept"] === "text/event-stream"));
});

test("a stream that cannot be had gives up", async () => {
  const { nimbus, sent } = stubbed([json(503, {}, { "retry-after": "0" })]);
  await assert.rejects(nimbus.events.stream().next(), ServerError);
  assert.equal(sent.length, 3);
});

test("a stream without reconnecting ends", async () => {
  const { nimbus, sent } = stubbed([told(event("evt_1"))]);
  const found: unknown[] = [];
  for await (const one of nimbus.orderEvents.stream({}, { reconnect: false })) found.push(one);
  assert.deepEqual(found, [{ id: "evt_1" }]);
  assert.equal(sent.length, 1);
});

test("following goes on behind the last event, also after an empty page", async () => {
  const page = (...ids: string[]) => json(200, { success: true, data: ids.map((id) => ({ event_id: id })), has_more: false, next_cursor: null });
  const { nimbus, sent } = stubbed([page("1", "2"), page(), page("3")]);
  const ids: string[] = [];
  for await (const one of nimbus.events.follow({ cursor: "0", event_types: ["shipment:*"] })) {
    ids.push(one.event_id);
    if (one.event_id === "3") break;
  }
  assert.deepEqual(ids, ["1", "2", "3"]);
  const cursors = sent.map((one) => [one.url.searchParams.get("cursor"), one.url.searchParams.get("wait")]);
  assert.deepEqual(cursors, [["0", "15"], ["2", "15"], ["2", "15"]]);
});
