-- Who integrates, for whom, and with which keys.

-- A partner is a company. Nothing works for it before `approved`; `suspended` stops its production keys.
create table partners (
    id blob primary key,
    name text not null,
    status text not null,
    created_at integer not null,
    updated_at integer not null
) strict;

-- Business associate agreements on record (45 CFR 164.504(e)). One is in force from `effective_on` through
-- `ends_on`, days in UTC; a production key works only while its partner has one in force.
create table baas (
    id blob primary key,
    partner_id blob not null references partners (id),
    effective_on text not null,
    ends_on text,
    document_hash text not null,
    created_at integer not null
) strict;
create index baas_by_partner on baas (partner_id);

-- A clinic is the tenant: its id leads the key of every table with patient data.
create table clinics (
    id blob primary key,
    partner_id blob not null references partners (id),
    name text not null,
    created_at integer not null,
    deleted_at integer
) strict;
create index clinics_by_partner on clinics (partner_id);

-- `hash` (SHA-256 of the whole key) authenticates. `secret` is the key itself, sealed by the clinic: webhook
-- deliveries carry it to the partner's own receiver as X-API-Key.
create table api_keys (
    id blob primary key,
    clinic_id blob not null references clinics (id),
    name text not null,
    environment text not null,
    prefix text not null,
    hash blob not null unique,
    secret blob not null,
    scopes text not null,
    created_at integer not null,
    expires_at integer,
    revoked_at integer,
    last_used_at integer
) strict;
create index api_keys_by_clinic on api_keys (clinic_id);

-- What staff and machines of the pharmacy show instead of a key; `roles` separated by a space.
create table ops_tokens (
    id blob primary key,
    name text not null,
    roles text not null,
    hash blob not null unique,
    created_at integer not null,
    expires_at integer,
    revoked_at integer,
    last_used_at integer
) strict;
