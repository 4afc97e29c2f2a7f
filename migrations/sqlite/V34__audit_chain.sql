-- The audit log is linked into a chain by the order in which its rows were committed. There is one writer, and it commits
-- in the order in which it inserts: a row's number is its position. The table lies in that order, and still nothing is
-- kept in order beside it: a read adds its row in one place. Rows that are there already are numbered by their ids.
create table audit_with_position (
    position integer primary key,
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
    reason text
) strict;
insert into audit_with_position
    (id, clinic_id, at, actor_kind, actor, action, subject, subject_id, request_id, address, reason)
select id, clinic_id, at, actor_kind, actor, action, subject, subject_id, request_id, address, reason
from audit order by id;
drop table audit;
alter table audit_with_position rename to audit;

-- The chain: one link for each row of the log, numbered from 1 without a gap, in the order of (position, audit_id).
-- `hash` is of the number, the hash before it, and all of the row but its position. `clinic_id` and `subject_id` are the
-- row's: the log is searched by them here, where no request waits for the index to be written.
create table audit_links (
    sequence integer primary key,
    audit_id blob not null,
    position integer not null,
    hash blob not null,
    clinic_id blob,
    subject_id blob
) strict;
create index audit_links_by_clinic on audit_links (clinic_id, sequence) where clinic_id is not null;
create index audit_links_by_subject on audit_links (subject_id, sequence) where subject_id is not null;

-- What signs checkpoints. `key_pair` is sealed by the platform's own key; `public_key` is what anybody may check by.
create table audit_keys (
    id blob primary key,
    public_key blob not null,
    key_pair blob not null,
    created_at integer not null
) strict, without rowid;

-- Signed statements of what the chain is, numbered from 1 without a gap: `hash` is that of link `sequence`, which is also
-- the number of rows until there. `earliest_at` and `latest_at` are of the rows since the checkpoint before: where rows
-- of a time are looked for.
create table audit_checkpoints (
    number integer primary key,
    sequence integer not null,
    hash blob not null,
    at integer not null,
    key_id blob not null,
    signature blob not null,
    earliest_at integer not null,
    latest_at integer not null
) strict;
create index audit_checkpoints_by_earliest on audit_checkpoints (earliest_at, sequence);
create index audit_checkpoints_by_latest on audit_checkpoints (latest_at, sequence);
create index audit_checkpoints_by_sequence on audit_checkpoints (sequence);

-- The head of the chain: its last link and where in the log that is, the newest checkpoint, and the times of rows since.
-- `base` is added to the number of a transaction to give a position, where a dump came to another cluster; rows up to
-- `old_until` may have no position. Who links is alone. Behind them goes a walk that compares the log with the chain,
-- round after round: how far it is, when it last came to the end, and the differences that it found in the last whole
-- round and in this one.
create table audit_chain (
    id integer primary key check (id = 1),
    sequence integer not null,
    position integer not null,
    audit_id blob not null,
    hash blob not null,
    earliest_at integer,
    latest_at integer,
    checkpoint integer not null,
    base integer not null,
    old_until blob,
    lease_token blob,
    lease_until integer,
    walked integer not null,
    walked_at integer,
    differences integer not null,
    differences_now integer not null
) strict;
insert into audit_chain
    (id, sequence, position, audit_id, hash, checkpoint, base, walked, differences, differences_now)
values (1, 0, -1, zeroblob(16), zeroblob(32), 0, 0, 0, 0, 0);
