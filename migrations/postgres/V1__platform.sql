-- Facts about this installation that must outlive a restart, such as the check value of its master key.
create table platform_settings (
    name text not null primary key,
    value text not null
);

-- The keys of each clinic, wrapped by the master key. Kind 'data' seals patient data and has versions; kind
-- 'index' hashes what is looked up and has one. The platform's own rows belong to the nil clinic. Destroying a
-- clinic's rows here erases its patient data.
create table clinic_keys (
    clinic_id uuid not null,
    kind text not null check (kind in ('data', 'index')),
    version bigint not null,
    wrapped bytea not null,
    created_at timestamptz not null,
    primary key (clinic_id, kind, version)
);
