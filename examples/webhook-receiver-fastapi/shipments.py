"""What this application does with events: it keeps the way of each shipment. Yours goes here."""

TABLES = """
create table if not exists shipments (
  shipment_id text primary key,
  status text not null,
  sequence integer not null
) strict;
create table if not exists shipment_history (
  webhook_id text not null,
  shipment_id text not null,
  status text not null
) strict;
"""


def handle(db, event, webhook_id):
    """Called once for each event, within the transaction that marks it as handled."""
    if not event["event_name"].startswith("shipment:"):
        return
    shipment_id = event["event_data"]["shipment_id"]
    status = event["event_data"].get("shipment_status", "cancelled")
    db.execute("insert into shipment_history values (?, ?, ?)", (webhook_id, shipment_id, status))
    # Deliveries can overtake one another: an older event does not replace what a newer one has said.
    sql = """
    insert into shipments values (?, ?, ?)
    on conflict (shipment_id) do update set status = excluded.status, sequence = excluded.sequence
    where excluded.sequence > shipments.sequence"""
    db.execute(sql, (shipment_id, status, event["sequence"] or 0))
