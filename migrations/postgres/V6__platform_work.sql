-- What makes repeats safe, what is remembered of every access, and what is to be done later.

-- The reply of a request with an Idempotency-Key, written in the transaction of what it answers. `owner` is
-- the API key or operations token; `fingerprint` is of method, path and body; `reply` is sealed.
create table idempotency (
    owner uuid not null,
    key text not null,
    fingerprint bytea not null,
    status bigint not null,
    reply bytea not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    primary key (owner, key)
);
create index idempotency_by_expiry on idempotency (expires_at);

-- Append-only: every read and write of patient data and every act of administration (45 CFR 164.312(b)).
create table audit (
    id uuid not null,
    clinic_id uuid,
    at timestamptz not null,
    actor_kind text not null,
    actor text not null,
    action text not null,
    subject text not null,
    subject_id uuid,
    request_id text,
    address text,
    reason text,
    primary key (id)
) partition by range (id);
create table audit_default partition of audit default;
create index audit_by_clinic on audit (clinic_id, id);
create index audit_by_subject on audit (subject_id, id);

-- Timed work. At most one job of a kind for a subject; scheduling again moves it.
create table jobs (
    id uuid primary key,
    kind text not null,
    clinic_id uuid not null,
    subject_id uuid not null,
    due_at timestamptz not null,
    attempts bigint not null,
    lease_token uuid,
    lease_until timestamptz,
    created_at timestamptz not null,
    unique (kind, subject_id)
);
create index jobs_due on jobs (due_at);
