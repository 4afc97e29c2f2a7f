-- What clinics ship free of charge, and the labels that were bought.

-- Where a clinic ships free of charge. An empty state is every state, an empty service every service.
create table free_shipping (
    clinic_id blob not null references clinics (id),
    state text not null,
    service_id text not null,
    created_at integer not null,
    primary key (clinic_id, state, service_id)
) strict;

-- A label that somebody is paid for, on record before it is asked for: `id` is the name by which the provider knows
-- it, so that after a crash it can be found there and is not bought again. The parcel exists only once the label is
-- attached to it. `plan` (what goes into the parcel, the note) and `document` (the provider's own PDF) are sealed.
-- Until `busy_until`, in wall time, whoever is buying or voiding is left alone.
create table label_purchases (
    clinic_id blob not null references clinics (id),
    id blob not null unique,
    shipment_id blob not null,
    provider text not null,
    state text not null,
    carrier_id text not null,
    service_id text not null,
    plan blob not null,
    provider_label_id text,
    tracking_number text,
    cost_cents integer,
    document blob,
    failure text,
    attempts integer not null,
    busy_until integer not null,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    primary key (clinic_id, id)
) strict;
create index label_purchases_by_shipment on label_purchases (clinic_id, shipment_id);
-- One label of a provider belongs to one parcel.
create unique index label_purchases_by_label on label_purchases (provider, provider_label_id);

-- The lines whose label is being bought: at most one purchase for a line, whoever races.
create table label_claims (
    clinic_id blob not null,
    line_id blob not null,
    purchase_id blob not null,
    primary key (clinic_id, line_id),
    foreign key (clinic_id, purchase_id) references label_purchases (clinic_id, id)
) strict;
create index label_claims_by_purchase on label_claims (clinic_id, purchase_id);
