-- Prescriptions, orders, parcels and refills. A change of status is a compare-and-set on `version`.

-- `detail` (drug, dose, sig, notes) is sealed. Quantities are thousandths.
create table prescriptions (
    clinic_id uuid not null references clinics (id),
    id uuid not null unique,
    patient_id uuid not null,
    practitioner_id uuid not null,
    status text not null,
    detail bytea not null,
    schedule text not null,
    quantity bigint not null,
    days_supply bigint,
    refills_authorized bigint not null,
    refills_used bigint not null,
    do_not_refill boolean not null,
    date_issued date not null,
    expires_on date not null,
    rx_number text,
    version bigint not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (clinic_id, id),
    foreign key (clinic_id, patient_id) references patients (clinic_id, id)
);
create index prescriptions_by_patient on prescriptions (clinic_id, patient_id, id);

-- `ordering_key` is what events are ordered by: a keyed hash of patient and shipment group, or the order's id.
create table orders (
    clinic_id uuid not null references clinics (id),
    id uuid not null unique,
    patient_id uuid not null,
    practitioner_id uuid not null,
    status text not null,
    carrier_id text,
    service_id text,
    delivery_speed text,
    refrigerated boolean not null,
    ordering_key uuid not null,
    shipment_group bytea,
    shipping_address bytea not null,
    notes bytea,
    cancellation_requested_at timestamptz,
    refill_id uuid,
    replaces uuid,
    version bigint not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (clinic_id, id),
    foreign key (clinic_id, patient_id) references patients (clinic_id, id)
);
create index orders_by_status on orders (clinic_id, status, id);
create index orders_by_patient on orders (clinic_id, patient_id, id);
create index orders_by_practitioner on orders (clinic_id, practitioner_id, status);
create index orders_queue on orders (status, id);
create index orders_replacing on orders (clinic_id, replaces) where replaces is not null;

-- Medication requests: the lines of an order, written with their order under its version.
create table order_lines (
    clinic_id uuid not null,
    id uuid not null unique,
    order_id uuid not null,
    prescription_id uuid not null,
    position bigint not null,
    status text not null,
    held_from text,
    quantity bigint not null,
    days_supply bigint,
    filled_on date,
    shipment_id uuid,
    tracking_number text,
    rx_number text,
    pharmacy_word text,
    updated_at timestamptz not null,
    primary key (clinic_id, id),
    foreign key (clinic_id, order_id) references orders (clinic_id, id),
    foreign key (clinic_id, prescription_id) references prescriptions (clinic_id, id)
);
create index order_lines_by_order on order_lines (clinic_id, order_id, position);
create index order_lines_by_prescription on order_lines (clinic_id, prescription_id);

-- A hold keeps a line from going on until it is released.
create table holds (
    clinic_id uuid not null,
    id uuid not null,
    order_id uuid not null,
    line_id uuid not null,
    reason text not null,
    note bytea,
    placed_at timestamptz not null,
    released_at timestamptz,
    primary key (clinic_id, id),
    foreign key (clinic_id, order_id) references orders (clinic_id, id)
);
create index holds_by_order on holds (clinic_id, order_id, id);
create index holds_open on holds (reason, order_id) where released_at is null;

create table shipments (
    clinic_id uuid not null references clinics (id),
    id uuid not null unique,
    patient_id uuid not null,
    ordering_key uuid not null,
    status text not null,
    carrier_id text not null,
    carrier_name text not null,
    service_id text not null,
    tracking_number text,
    tracking_url text,
    delivery_method text not null,
    delivery_location bytea not null,
    notes bytea,
    ships_at timestamptz not null,
    estimated_delivery_date date,
    latest_scan_at timestamptz,
    cancellation_reason bytea,
    cancelled_at timestamptz,
    version bigint not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (clinic_id, id)
);
create index shipments_by_status on shipments (status, id);

-- Which lines are, or were, in a parcel.
create table shipment_lines (
    clinic_id uuid not null,
    shipment_id uuid not null,
    line_id uuid not null,
    order_id uuid not null,
    position bigint not null,
    primary key (clinic_id, shipment_id, line_id),
    foreign key (clinic_id, shipment_id) references shipments (clinic_id, id)
);
create index shipment_lines_by_order on shipment_lines (clinic_id, order_id);

-- Every report of where a parcel was, late and repeated ones too. `detail` (place, message) is sealed.
create table scans (
    clinic_id uuid not null,
    id uuid not null,
    shipment_id uuid not null,
    occurred_at timestamptz not null,
    status text not null,
    detail bytea,
    recorded_at timestamptz not null,
    primary key (clinic_id, id),
    foreign key (clinic_id, shipment_id) references shipments (clinic_id, id)
);
create index scans_by_shipment on scans (clinic_id, shipment_id, occurred_at);

-- At most one open refill for a prescription, whoever races.
create table refills (
    clinic_id uuid not null references clinics (id),
    id uuid not null unique,
    patient_id uuid not null,
    prescription_id uuid not null,
    line_id uuid not null,
    order_id uuid,
    status text not null,
    requested_quantity bigint not null,
    approved_quantity bigint,
    review_reason text,
    decision_reason bytea,
    shipment_group bytea,
    version bigint not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (clinic_id, id),
    foreign key (clinic_id, prescription_id) references prescriptions (clinic_id, id)
);
create unique index refills_open on refills (clinic_id, prescription_id)
    where status in ('pending', 'approved', 'processing');
create index refills_by_status on refills (status, id);
create index refills_by_order on refills (clinic_id, order_id);

-- Append-only: who moved what, when, from where to where, why. `note` is sealed.
create table history (
    clinic_id uuid not null,
    id uuid not null,
    subject text not null,
    subject_id uuid not null,
    order_id uuid,
    from_status text,
    to_status text not null,
    actor_kind text not null,
    actor text not null,
    reason text,
    note bytea,
    at timestamptz not null,
    primary key (clinic_id, id)
);
create index history_by_order on history (clinic_id, order_id, id);
create index history_by_subject on history (clinic_id, subject_id, id);

-- Running numbers, such as Rx numbers: the next value is the stored one plus one.
create table counters (
    name text primary key,
    value bigint not null
);
insert into counters (name, value) values ('rx_number', 1000000);
