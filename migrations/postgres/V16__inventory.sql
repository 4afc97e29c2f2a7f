-- Stock of the pharmacy, by lot. A drug is stock-kept once a lot of it was received; nothing is counted of others.

-- `drug_id` is an entry of the formulary, or a clinic's own drug. Quantities are thousandths of the unit that the drug
-- is dispensed in. A fill takes from the lot that expires first, and never from an expired one.
create table inventory_lots (
    id uuid primary key,
    drug_id text not null,
    lot_number text not null,
    expires_on date not null,
    on_hand bigint not null check (on_hand >= 0),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    unique (drug_id, lot_number)
);
create index inventory_lots_in_stock on inventory_lots (drug_id, expires_on, id) where on_hand > 0;

-- Append-only: every change of a lot's quantity, who made it and why. What a fill took names its line, so that a recall
-- of a lot finds who got it, and a label says which lot it is of.
create table inventory_moves (
    id uuid primary key,
    lot_id uuid not null references inventory_lots (id),
    kind text not null,
    quantity bigint not null,
    clinic_id uuid,
    order_id uuid,
    line_id uuid,
    actor_kind text not null,
    actor text not null,
    reason text,
    created_at timestamptz not null
);
create index inventory_moves_by_lot on inventory_moves (lot_id, id);
create index inventory_moves_by_order on inventory_moves (clinic_id, order_id) where order_id is not null;
