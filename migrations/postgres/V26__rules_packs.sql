-- The rules packs that a server has started with, by version. Decisions name the version that made them: `digest`
-- (SHA-256 of all that the file says, without comments and layout) tells whether the file of that name still says the
-- same. It may change until `effective_from`, as long as nothing was decided by it.
create table rules_packs (
    version text not null primary key,
    digest bytea not null,
    effective_from date not null,
    recorded_at timestamptz not null
);
