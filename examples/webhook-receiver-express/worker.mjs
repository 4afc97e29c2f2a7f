// Handles what the receiver has stored. With --drain it ends when nothing waits.

import { setTimeout as sleep } from "node:timers/promises";
import { Inbox } from "./inbox.mjs";
import { handle, TABLES } from "./shipments.mjs";

const PAUSE_MS = 500;
const drain = process.argv.includes("--drain");
const inbox = new Inbox(process.env.INBOX ?? "inbox.db", TABLES);
inbox.forget();

for (;;) {
  if (inbox.work(handle)) continue;
  if (drain) break;
  await sleep(PAUSE_MS);
}
inbox.close();
