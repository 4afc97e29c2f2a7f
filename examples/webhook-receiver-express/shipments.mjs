// What this application does with events: it keeps the way of each shipment. Yours goes here.

export const TABLES = `
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
`;

/** Called once for each event, within the transaction that marks it as handled. */
export function handle(db, event, webhookId) {
  if (!event.event_name.startsWith("shipment:")) return;
  const { shipment_id, shipment_status } = event.event_data;
  const status = shipment_status ?? "cancelled";
  db.prepare("insert into shipment_history values (?, ?, ?)").run(webhookId, shipment_id, status);
  // Deliveries can overtake one another: an older event does not replace what a newer one has said.
  const sql = `
    insert into shipments values (?, ?, ?)
    on conflict (shipment_id) do update set status = excluded.status, sequence = excluded.sequence
    where excluded.sequence > shipments.sequence`;
  db.prepare(sql).run(shipment_id, status, event.sequence ?? 0);
}
