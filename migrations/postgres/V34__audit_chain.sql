-- The audit log is linked into a chain by the order in which its rows were committed: `position` is the number of the
-- transaction that wrote it, as that of events is. Rows from before this column are as old as can be: 0, and so in the
-- order of their ids.
alter table audit add column position bigint not null default 0;
alter table audit alter column position set default cast(cast(pg_current_xact_id() as text) as bigint);
-- Positions grow as the table does: a summary of ranges of pages finds them, and costs an insert next to nothing.
create index audit_by_position on audit using brin (position) with (pages_per_range = 16, autosummarize = on);

-- The chain: one link for each row of the log, numbered from 1 without a gap, in the order of (position, audit_id).
-- `hash` is of the number, the hash before it, and all of the row but its position. `clinic_id` and `subject_id` are the
-- row's: the log is searched by them here, where no request waits for the index to be written.
create table audit_links (
    sequence bigint primary key,
    audit_id uuid not null,
    position bigint not null,
    hash bytea not null,
    clinic_id uuid,
    subject_id uuid
);
create index audit_links_by_clinic on audit_links (clinic_id, sequence) where clinic_id is not null;
create index audit_links_by_subject on audit_links (subject_id, sequence) where subject_id is not null;

-- What signs checkpoints. `key_pair` is sealed by the platform's own key; `public_key` is what anybody may check by.
create table audit_keys (
    id uuid primary key,
    public_key bytea not null,
    key_pair bytea not null,
    created_at timestamptz not null
);

-- Signed statements of what the chain is, numbered from 1 without a gap: `hash` is that of link `sequence`, which is also
-- the number of rows until there. `earliest_at` and `latest_at` are of the rows since the checkpoint before: where rows
-- of a time are looked for.
create table audit_checkpoints (
    number bigint primary key,
    sequence bigint not null,
    hash bytea not null,
    at timestamptz not null,
    key_id uuid not null,
    signature bytea not null,
    earliest_at timestamptz not null,
    latest_at timestamptz not null
);
create index audit_checkpoints_by_earliest on audit_checkpoints (earliest_at, sequence);
create index audit_checkpoints_by_latest on audit_checkpoints (latest_at, sequence);
create index audit_checkpoints_by_sequence on audit_checkpoints (sequence);

-- The head of the chain: its last link and where in the log that is, the newest checkpoint, and the times of rows since.
-- `base` is added to the number of a transaction to give a position, where a dump came to another cluster; rows up to
-- `old_until` may have no position. Who links is alone. Behind them goes a walk that compares the log with the chain,
-- round after round: how far it is, when it last came to the end, and the differences that it found in the last whole
-- round and in this one.
create table audit_chain (
    id bigint primary key check (id = 1),
    sequence bigint not null,
    position bigint not null,
    audit_id uuid not null,
    hash bytea not null,
    earliest_at timestamptz,
    latest_at timestamptz,
    checkpoint bigint not null,
    base bigint not null,
    old_until uuid,
    lease_token uuid,
    lease_until timestamptz,
    walked bigint not null,
    walked_at timestamptz,
    differences bigint not null,
    differences_now bigint not null
) with (fillfactor = 50);
insert into audit_chain
    (id, sequence, position, audit_id, hash, checkpoint, base, old_until, walked, differences, differences_now)
select 1, 0, -1, cast('00000000-0000-0000-0000-000000000000' as uuid), decode(repeat('00', 32), 'hex'), 0, 0,
    (select id from audit order by id desc limit 1), 0, 0, 0;
