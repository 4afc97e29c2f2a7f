-- Events are listed in the order in which they were committed. `position` says where: an id is made before its
-- event is committed, so that one with a smaller id may appear after one with a greater.

-- The number of the transaction that wrote it. Readers stop below the oldest transaction that still runs, so that
-- nothing can appear before what they have read. Events from before this column are as old as can be: 0, and so
-- in the order of their ids.
alter table events add column position bigint not null default 0;
alter table events alter column position set default cast(cast(pg_current_xact_id() as text) as bigint);
create index events_feed on events (clinic_id, shape, position, id);
