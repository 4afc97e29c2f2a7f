-- Who integrates, for whom, and with which keys.

-- A partner is a company. Nothing works for it before `approved`; `suspended` stops its production keys.
create table partners (
    id uuid primary key,
    name text not null,
    status text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);

-- Business associate agreements on record (45 CFR 164.504(e)). One is in force from `effective_on` through
-- `ends_on`, days in UTC; a production key works only while its partner has one in force.
create table baas (
    id uuid primary key,
    partner_id uuid not null references partners (id),
    effective_on date not null,
    ends_on date,
    document_hash text not null,
    created_at timestamptz not null
);
create index baas_by_partner on baas (partner_id);

-- A clinic is the tenant: its id leads the key of every table with patient data.
create table clinics (
    id uuid primary key,
    partner_id uuid not null references partners (id),
    name text not null,
    created_at timestamptz not null,
    deleted_at timestamptz
);
create index clinics_by_partner on clinics (partner_id);

-- `hash` (SHA-256 of the whole key) authenticates. `secret` is the key itself, sealed by the clinic: webhook
-- deliveries carry it to the partner's own receiver as X-API-Key.
create table api_keys (
    id uuid primary key,
    clinic_id uuid not null references clinics (id),
    name text not null,
    environment text not null,
    prefix text not null,
    hash bytea not null unique,
    secret bytea not null,
    scopes text not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);
create index api_keys_by_clinic on api_keys (clinic_id);

-- What staff and machines of the pharmacy show instead of a key; `roles` separated by a space.
create table ops_tokens (
    id uuid primary key,
    name text not null,
    roles text not null,
    hash bytea not null unique,
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);
