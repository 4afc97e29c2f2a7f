-- Events are listed in the order in which they were committed. `position` says where: an id is made before its
-- event is committed, so that one with a smaller id may appear after one with a greater.

-- There is one writer, and it commits in the order in which it inserts: the row's number is its position. Rows that
-- are there already are copied by their numbers, which is the order of the table: nothing is sorted.
create table events_with_position (
    position integer primary key,
    clinic_id blob not null,
    id blob not null,
    shape text not null,
    name text not null,
    type text not null,
    subject_id blob not null,
    ordering_key blob,
    sequence integer,
    body blob not null,
    created_at integer not null,
    unique (clinic_id, id)
) strict;
insert into events_with_position
    (clinic_id, id, shape, name, type, subject_id, ordering_key, sequence, body, created_at)
select clinic_id, id, shape, name, type, subject_id, ordering_key, sequence, body, created_at
from events order by rowid;
drop table events;
alter table events_with_position rename to events;
create index events_feed on events (clinic_id, shape, position, id);
