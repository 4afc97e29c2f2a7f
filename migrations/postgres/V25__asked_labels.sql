-- The request that asked for a label: whose idempotency key it had, and what it was a request for. When timed work makes
-- the parcel, the reply that the request did not get is kept under its key.
alter table label_purchases add column asked_owner uuid;
alter table label_purchases add column asked_key text;
alter table label_purchases add column asked_fingerprint bytea;
-- The first order of the parcel: whether it still waits says whether a refusal still matters.
alter table label_purchases add column order_id uuid;

-- A request has one label on its way.
create unique index label_purchases_asked on label_purchases (asked_owner, asked_key)
    where state in ('requested', 'bought');
-- Those that have come to no good end, for staff who look for what needs their attention: few beside all.
create index label_purchases_unsettled on label_purchases (id) where state not in ('attached', 'voided');
create index label_purchases_by_order on label_purchases (clinic_id, order_id);
