-- What makes repeats safe, what is remembered of every access, and what is to be done later.

-- The reply of a request with an Idempotency-Key, written in the transaction of what it answers. `owner` is
-- the API key or operations token; `fingerprint` is of method, path and body; `reply` is sealed.
create table idempotency (
    owner blob not null,
    key text not null,
    fingerprint blob not null,
    status integer not null,
    reply blob not null,
    created_at integer not null,
    expires_at integer not null,
    primary key (owner, key)
) strict;
create index idempotency_by_expiry on idempotency (expires_at);

-- Append-only: every read and write of patient data and every act of administration (45 CFR 164.312(b)).
create table audit (
    id blob not null,
    clinic_id blob,
    at integer not null,
    actor_kind text not null,
    actor text not null,
    action text not null,
    subject text not null,
    subject_id blob,
    request_id text,
    address text,
    reason text,
    primary key (id)
) strict;
create index audit_by_clinic on audit (clinic_id, id);
create index audit_by_subject on audit (subject_id, id);

-- Timed work. At most one job of a kind for a subject; scheduling again moves it.
create table jobs (
    id blob primary key,
    kind text not null,
    clinic_id blob not null,
    subject_id blob not null,
    due_at integer not null,
    attempts integer not null,
    lease_token blob,
    lease_until integer,
    created_at integer not null,
    unique (kind, subject_id)
) strict;
create index jobs_due on jobs (due_at);
