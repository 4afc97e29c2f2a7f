// Deliveries on disk: stored once each, handled later, and remembered so that a repeat is known.

import Database from "libsql";

// Nimbus can send an event again for 30 days, as long as it keeps its body.
const REMEMBER_DAYS = 31;
const MAX_FAILURES = 5;

const TABLES = `
  create table if not exists inbox (
    position integer primary key,
    webhook_id text not null unique,
    body text not null,
    received_at text not null default current_timestamp,
    handled_at text,
    failures integer not null default 0
  ) strict;
  create index if not exists inbox_waiting on inbox (failures, position) where handled_at is null;
`;

export class Inbox {
  constructor(path, tables = "") {
    this.db = new Database(path);
    this.db.pragma("journal_mode = WAL");
    // An event is answered with 200 only when a power cut cannot lose it any more.
    this.db.pragma("synchronous = FULL");
    this.db.pragma("busy_timeout = 5000");
    this.db.exec(TABLES + tables);
  }

  /** Stores a delivery, unless its event is here already; whether it was new. */
  add(webhookId, body) {
    // The key is the webhook-id: the same on every retry of an event, another for the next event. A shipment has many
    // events, so that keyed by its id all of its statuses after the first would be dropped as repeats.
    const sql = "insert into inbox (webhook_id, body) values (?, ?) on conflict (webhook_id) do nothing";
    return this.db.prepare(sql).run(webhookId, body).changes === 1;
  }

  /**
   * Handles the delivery that has waited longest; whether there was one. What `handle` writes and that it was handled
   * are one transaction: whatever dies in between, neither is there or both are.
   */
  work(handle) {
    let taken;
    try {
      return this.db.transaction(() => {
        taken = this.db
          .prepare("select * from inbox where handled_at is null and failures < ? order by failures, position limit 1")
          .get(MAX_FAILURES);
        if (!taken) return false;
        handle(this.db, JSON.parse(taken.body), taken.webhook_id);
        this.db.prepare("update inbox set handled_at = current_timestamp where position = ?").run(taken.position);
        return true;
      }).immediate();
    } catch (error) {
      if (!taken) throw error;
      // It goes behind the others, and after a few times it is left for somebody to look at.
      this.db.prepare("update inbox set failures = failures + 1 where position = ?").run(taken.position);
      console.error(`event ${taken.webhook_id}: ${error.message}`);
      return true;
    }
  }

  /** Lets go of what no repeat can come of. */
  forget() {
    const sql = "delete from inbox where handled_at < datetime('now', ?)";
    this.db.prepare(sql).run(`-${REMEMBER_DAYS} days`);
  }

  close() {
    this.db.close();
  }
}
