-- Prescriptions, orders, parcels and refills. A change of status is a compare-and-set on `version`.

-- `detail` (drug, dose, sig, notes) is sealed. Quantities are thousandths.
create table prescriptions (
    clinic_id blob not null references clinics (id),
    id blob not null unique,
    patient_id blob not null,
    practitioner_id blob not null,
    status text not null,
    detail blob not null,
    schedule text not null,
    quantity integer not null,
    days_supply integer,
    refills_authorized integer not null,
    refills_used integer not null,
    do_not_refill integer not null,
    date_issued text not null,
    expires_on text not null,
    rx_number text,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    primary key (clinic_id, id),
    foreign key (clinic_id, patient_id) references patients (clinic_id, id)
) strict;
create index prescriptions_by_patient on prescriptions (clinic_id, patient_id, id);

-- `ordering_key` is what events are ordered by: a keyed hash of patient and shipment group, or the order's id.
create table orders (
    clinic_id blob not null references clinics (id),
    id blob not null unique,
    patient_id blob not null,
    practitioner_id blob not null,
    status text not null,
    carrier_id text,
    service_id text,
    delivery_speed text,
    refrigerated integer not null,
    ordering_key blob not null,
    shipment_group blob,
    shipping_address blob not null,
    notes blob,
    cancellation_requested_at integer,
    refill_id blob,
    replaces blob,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    primary key (clinic_id, id),
    foreign key (clinic_id, patient_id) references patients (clinic_id, id)
) strict;
create index orders_by_status on orders (clinic_id, status, id);
create index orders_by_patient on orders (clinic_id, patient_id, id);
create index orders_by_practitioner on orders (clinic_id, practitioner_id, status);
create index orders_queue on orders (status, id);
create index orders_replacing on orders (clinic_id, replaces) where replaces is not null;

-- Medication requests: the lines of an order, written with their order under its version.
create table order_lines (
    clinic_id blob not null,
    id blob not null unique,
    order_id blob not null,
    prescription_id blob not null,
    position integer not null,
    status text not null,
    held_from text,
    quantity integer not null,
    days_supply integer,
    filled_on text,
    shipment_id blob,
    tracking_number text,
    rx_number text,
    pharmacy_word text,
    updated_at integer not null,
    primary key (clinic_id, id),
    foreign key (clinic_id, order_id) references orders (clinic_id, id),
    foreign key (clinic_id, prescription_id) references prescriptions (clinic_id, id)
) strict;
create index order_lines_by_order on order_lines (clinic_id, order_id, position);
create index order_lines_by_prescription on order_lines (clinic_id, prescription_id);

-- A hold keeps a line from going on until it is released.
create table holds (
    clinic_id blob not null,
    id blob not null,
    order_id blob not null,
    line_id blob not null,
    reason text not null,
    note blob,
    placed_at integer not null,
    released_at integer,
    primary key (clinic_id, id),
    foreign key (clinic_id, order_id) references orders (clinic_id, id)
) strict;
create index holds_by_order on holds (clinic_id, order_id, id);
create index holds_open on holds (reason, order_id) where released_at is null;

create table shipments (
    clinic_id blob not null references clinics (id),
    id blob not null unique,
    patient_id blob not null,
    ordering_key blob not null,
    status text not null,
    carrier_id text not null,
    carrier_name text not null,
    service_id text not null,
    tracking_number text,
    tracking_url text,
    delivery_method text not null,
    delivery_location blob not null,
    notes blob,
    ships_at integer not null,
    estimated_delivery_date text,
    latest_scan_at integer,
    cancellation_reason blob,
    cancelled_at integer,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    primary key (clinic_id, id)
) strict;
create index shipments_by_status on shipments (status, id);

-- Which lines are, or were, in a parcel.
create table shipment_lines (
    clinic_id blob not null,
    shipment_id blob not null,
    line_id blob not null,
    order_id blob not null,
    position integer not null,
    primary key (clinic_id, shipment_id, line_id),
    foreign key (clinic_id, shipment_id) references shipments (clinic_id, id)
) strict;
create index shipment_lines_by_order on shipment_lines (clinic_id, order_id);

-- Every report of where a parcel was, late and repeated ones too. `detail` (place, message) is sealed.
create table scans (
    clinic_id blob not null,
    id blob not null,
    shipment_id blob not null,
    occurred_at integer not null,
    status text not null,
    detail blob,
    recorded_at integer not null,
    primary key (clinic_id, id),
    foreign key (clinic_id, shipment_id) references shipments (clinic_id, id)
) strict;
create index scans_by_shipment on scans (clinic_id, shipment_id, occurred_at);

-- At most one open refill for a prescription, whoever races.
create table refills (
    clinic_id blob not null references clinics (id),
    id blob not null unique,
    patient_id blob not null,
    prescription_id blob not null,
    line_id blob not null,
    order_id blob,
    status text not null,
    requested_quantity integer not null,
    approved_quantity integer,
    review_reason text,
    decision_reason blob,
    shipment_group blob,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    primary key (clinic_id, id),
    foreign key (clinic_id, prescription_id) references prescriptions (clinic_id, id)
) strict;
create unique index refills_open on refills (clinic_id, prescription_id)
    where status in ('pending', 'approved', 'processing');
create index refills_by_status on refills (status, id);
create index refills_by_order on refills (clinic_id, order_id);

-- Append-only: who moved what, when, from where to where, why. `note` is sealed.
create table history (
    clinic_id blob not null,
    id blob not null,
    subject text not null,
    subject_id blob not null,
    order_id blob,
    from_status text,
    to_status text not null,
    actor_kind text not null,
    actor text not null,
    reason text,
    note blob,
    at integer not null,
    primary key (clinic_id, id)
) strict;
create index history_by_order on history (clinic_id, order_id, id);
create index history_by_subject on history (clinic_id, subject_id, id);

-- Running numbers, such as Rx numbers: the next value is the stored one plus one.
create table counters (
    name text primary key,
    value integer not null
) strict;
insert into counters (name, value) values ('rx_number', 1000000);
