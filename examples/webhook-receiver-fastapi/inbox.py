"""Deliveries on disk: stored once each, handled later, and remembered so that a repeat is known."""

import json
import logging
import sqlite3
from contextlib import closing

# Nimbus can send an event again for 30 days, as long as it keeps its body.
REMEMBER_DAYS = 31
MAX_FAILURES = 5

TABLES = """
create table if not exists inbox (
  position integer primary key,
  webhook_id text not null unique,
  body text not null,
  received_at text not null default current_timestamp,
  handled_at text,
  failures integer not null default 0
) strict;
create index if not exists inbox_waiting on inbox (failures, position) where handled_at is null;
"""


class Inbox:
    def __init__(self, path, tables=""):
        self.path = path
        with closing(self._connect()) as db:
            db.execute("pragma journal_mode = wal")
            db.executescript(TABLES + tables)

    def _connect(self):
        db = sqlite3.connect(self.path, timeout=5, isolation_level=None)
        db.row_factory = sqlite3.Row
        # An event is answered with 200 only when a power cut cannot lose it any more.
        db.execute("pragma synchronous = full")
        return db

    def add(self, webhook_id, body):
        """Stores a delivery, unless its event is here already; whether it was new."""
        # The key is the webhook-id: the same on every retry of an event, another for the next event. A shipment has
        # many events, so that keyed by its id all of its statuses after the first would be dropped as repeats.
        sql = "insert into inbox (webhook_id, body) values (?, ?) on conflict (webhook_id) do nothing"
        with closing(self._connect()) as db:
            return db.execute(sql, (webhook_id, body)).rowcount == 1

    def work(self, handle):
        """Handles the delivery that has waited longest; whether there was one.

        What `handle` writes and that it was handled are one transaction: whatever dies in between, neither is there or
        both are.
        """
        sql = "select * from inbox where handled_at is null and failures < ? order by failures, position limit 1"
        with closing(self._connect()) as db:
            db.execute("begin immediate")
            taken = db.execute(sql, (MAX_FAILURES,)).fetchone()
            if taken is None:
                return False
            try:
                handle(db, json.loads(taken["body"]), taken["webhook_id"])
                db.execute("update inbox set handled_at = current_timestamp where position = ?", (taken["position"],))
                db.execute("commit")
            except Exception:
                # It goes behind the others, and after a few times it is left for somebody to look at.
                db.execute("rollback")
                db.execute("update inbox set failures = failures + 1 where position = ?", (taken["position"],))
                logging.exception("event %s", taken["webhook_id"])
            return True

    def forget(self):
        """Lets go of what no repeat can come of."""
        with closing(self._connect()) as db:
            db.execute("delete from inbox where handled_at < datetime('now', ?)", (f"-{REMEMBER_DAYS} days",))
