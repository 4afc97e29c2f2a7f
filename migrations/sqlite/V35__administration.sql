-- Partners, clinics and keys as staff manage them: who may, from where, and until when.

-- The one clinic that a token of the role clinic_admin reaches; null for every other role.
alter table ops_tokens add column clinic_id blob references clinics (id);

-- Networks that a key works from, in CIDR notation, separated by a space; empty is from anywhere.
alter table api_keys add column networks text not null default '';

-- What a change is meant for, and lists by when something changed.
alter table clinics add column version integer not null default 1;
alter table clinics add column updated_at integer not null default 0;
update clinics set updated_at = created_at;

-- Keys and agreements that end by themselves, by when: what notices are looked for by.
create index api_keys_ending on api_keys (expires_at) where expires_at is not null and revoked_at is null;
create index baas_ending on baas (ends_on) where ends_on is not null;

-- What ends soon and was told, once for each so many days before: `kind` is 'key' or 'baa', `subject_id` the id of it,
-- `ends_at` when it no longer works. A key or agreement whose end is moved is told of anew.
create table notices (
    id blob primary key,
    kind text not null,
    subject_id blob not null,
    partner_id blob not null references partners (id),
    clinic_id blob references clinics (id),
    days integer not null,
    ends_at integer not null,
    created_at integer not null
) strict;
create unique index notices_once on notices (subject_id, ends_at, days);
