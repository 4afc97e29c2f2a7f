-- The ledger of deliveries: accepted = delivered + pending + dead + cancelled. `accepted` is what events say was written
-- with them, added by a worker that walks them in the order of their commits; the others are counted as deliveries end,
-- in the transactions in which they end, and less again where one begins anew. Pending ones are counted as rows: neither
-- side can be had from the other, and finished rows may go. The row of an endpoint with an id of nothing but zeros has
-- what events say and no delivery was found for. Rows change all the time, and find room for it on their own pages.
create table delivery_ledger (
    clinic_id uuid not null,
    endpoint_id uuid not null,
    accepted bigint not null,
    delivered bigint not null,
    dead bigint not null,
    cancelled bigint not null,
    primary key (clinic_id, endpoint_id)
) with (fillfactor = 50);

-- How far the walk has come: the position of the last event that was looked at, and who walks. `additions` counts the
-- deliveries that were added to events later; a step that met one is taken again.
create table delivery_ledger_mark (
    id bigint primary key check (id = 1),
    position bigint not null,
    additions bigint not null,
    lease_token uuid,
    lease_until timestamptz
);

-- Nothing is written while what there is is counted.
lock table deliveries in share mode;
insert into delivery_ledger_mark (id, position, additions)
select 1, cast(cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as bigint) - 1, 0;
insert into delivery_ledger (clinic_id, endpoint_id, accepted, delivered, dead, cancelled)
select clinic_id, endpoint_id,
    count(*) filter (where not exists (
        select 1 from events e
        where e.position > (select position from delivery_ledger_mark)
            and e.clinic_id = d.clinic_id and e.id = d.event_id)),
    count(*) filter (where state = 'delivered'), count(*) filter (where state = 'dead'),
    count(*) filter (where state = 'cancelled')
from deliveries d group by clinic_id, endpoint_id;

-- The walk goes by position, which grows as the table does: a summary of ranges of pages finds its place, and costs an
-- insert next to nothing.
create index events_by_position on events using brin (position) with (pages_per_range = 16, autosummarize = on);
