-- Events, and their sending.

-- `shape` says which vocabulary an endpoint reads. `event_types` are separated by a space. Deleting is soft.
create table webhook_endpoints (
    clinic_id blob not null references clinics (id),
    id blob not null unique,
    shape text not null,
    url text not null,
    event_types text not null,
    description text,
    secret blob not null,
    previous_secret blob,
    previous_secret_until integer,
    send_api_key integer not null,
    key_id blob,
    headers blob,
    after_dead_letter text not null,
    status text not null,
    disabled_reason text,
    failing_since integer,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    deleted_at integer,
    primary key (clinic_id, id)
) strict;
create unique index webhook_endpoints_by_url on webhook_endpoints (clinic_id, shape, url) where deleted_at is null;

-- How many events an ordering key has had in a shape; the row is locked while a transaction adds to it, so
-- that sequences have no gaps.
create table event_sequences (
    clinic_id blob not null,
    shape text not null,
    ordering_key blob not null,
    last integer not null,
    primary key (clinic_id, shape, ordering_key)
) strict;

-- One fact as one vocabulary tells it. `body` is the payload's bytes as they are signed and sent, sealed.
create table events (
    clinic_id blob not null,
    id blob not null,
    shape text not null,
    name text not null,
    type text not null,
    subject_id blob not null,
    ordering_key blob,
    sequence integer,
    body blob not null,
    created_at integer not null,
    primary key (clinic_id, id)
) strict;

-- One event to one endpoint. `event_name` is the name it is sent under. A row is sent by whoever holds its
-- lease; a result is recorded only under the lease's token.
create table deliveries (
    clinic_id blob not null,
    id blob not null,
    endpoint_id blob not null,
    event_id blob not null,
    event_name text not null,
    ordering_key blob,
    state text not null,
    attempts integer not null,
    due_at integer not null,
    lease_token blob,
    lease_until integer,
    cause text,
    status_code integer,
    created_at integer not null,
    finished_at integer,
    primary key (clinic_id, id)
) strict;
create index deliveries_due on deliveries (endpoint_id, due_at, id) where state = 'pending';
create index deliveries_first on deliveries (endpoint_id, due_at, id)
    where state = 'pending' and attempts = 0;
create index deliveries_by_endpoint on deliveries (clinic_id, endpoint_id, id);
create index deliveries_by_event on deliveries (clinic_id, event_id);

-- Every attempt, with the beginning of the receiver's answer, sealed.
create table attempts (
    clinic_id blob not null,
    id blob not null,
    delivery_id blob not null,
    number integer not null,
    started_at integer not null,
    elapsed_ms integer not null,
    outcome text not null,
    cause text,
    status_code integer,
    response blob,
    primary key (clinic_id, id)
) strict;
create index attempts_by_delivery on attempts (clinic_id, delivery_id, number);
