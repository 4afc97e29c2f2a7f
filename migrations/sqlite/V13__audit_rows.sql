-- Every read of patient data adds a row here before it is answered. The rows lie in the order of their ids, which is
-- that of time, and nothing else is kept in order beside them: one place to write instead of four. What searches the
-- log by another order brings an index for it.
create table audit_rows (
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
) strict, without rowid;
insert into audit_rows (id, clinic_id, at, actor_kind, actor, action, subject, subject_id, request_id, address, reason)
select id, clinic_id, at, actor_kind, actor, action, subject, subject_id, request_id, address, reason
from audit order by rowid;
drop table audit;
alter table audit_rows rename to audit;
