-- Events, and their sending. On PostgreSQL the growing tables are partitioned by month through their
-- time-ordered ids, so that retention drops partitions; rows that no partition covers fall into the default.

-- `shape` says which vocabulary an endpoint reads. `event_types` are separated by a space. Deleting is soft.
create table webhook_endpoints (
    clinic_id uuid not null references clinics (id),
    id uuid not null unique,
    shape text not null,
    url text not null,
    event_types text not null,
    description text,
    secret bytea not null,
    previous_secret bytea,
    previous_secret_until timestamptz,
    send_api_key boolean not null,
    key_id uuid,
    headers bytea,
    after_dead_letter text not null,
    status text not null,
    disabled_reason text,
    failing_since timestamptz,
    version bigint not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz,
    primary key (clinic_id, id)
);
create unique index webhook_endpoints_by_url on webhook_endpoints (clinic_id, shape, url) where deleted_at is null;

-- How many events an ordering key has had in a shape; the row is locked while a transaction adds to it, so
-- that sequences have no gaps.
create table event_sequences (
    clinic_id uuid not null,
    shape text not null,
    ordering_key uuid not null,
    last bigint not null,
    primary key (clinic_id, shape, ordering_key)
);

-- One fact as one vocabulary tells it. `body` is the payload's bytes as they are signed and sent, sealed.
create table events (
    clinic_id uuid not null,
    id uuid not null,
    shape text not null,
    name text not null,
    type text not null,
    subject_id uuid not null,
    ordering_key uuid,
    sequence bigint,
    body bytea not null,
    created_at timestamptz not null,
    primary key (clinic_id, id)
) partition by range (id);
create table events_default partition of events default;

-- One event to one endpoint. `event_name` is the name it is sent under. A row is sent by whoever holds its
-- lease; a result is recorded only under the lease's token.
create table deliveries (
    clinic_id uuid not null,
    id uuid not null,
    endpoint_id uuid not null,
    event_id uuid not null,
    event_name text not null,
    ordering_key uuid,
    state text not null,
    attempts bigint not null,
    due_at timestamptz not null,
    lease_token uuid,
    lease_until timestamptz,
    cause text,
    status_code bigint,
    created_at timestamptz not null,
    finished_at timestamptz,
    primary key (clinic_id, id)
) partition by range (id);
create table deliveries_default partition of deliveries default;
create index deliveries_due on deliveries (endpoint_id, due_at, id) where state = 'pending';
create index deliveries_first on deliveries (endpoint_id, due_at, id)
    where state = 'pending' and attempts = 0;
create index deliveries_by_endpoint on deliveries (clinic_id, endpoint_id, id);
create index deliveries_by_event on deliveries (clinic_id, event_id);

-- Every attempt, with the beginning of the receiver's answer, sealed.
create table attempts (
    clinic_id uuid not null,
    id uuid not null,
    delivery_id uuid not null,
    number bigint not null,
    started_at timestamptz not null,
    elapsed_ms bigint not null,
    outcome text not null,
    cause text,
    status_code bigint,
    response bytea,
    primary key (clinic_id, id)
) partition by range (id);
create table attempts_default partition of attempts default;
create index attempts_by_delivery on attempts (clinic_id, delivery_id, number);
