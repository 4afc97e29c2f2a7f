-- The ledger of deliveries: accepted = delivered + pending + dead + cancelled. `accepted` is what events say was written
-- with them, added by a worker that walks them in the order of their commits; the others are counted as deliveries end,
-- in the transactions in which they end, and less again where one begins anew. Pending ones are counted as rows: neither
-- side can be had from the other, and finished rows may go. The row of an endpoint with an id of nothing but zeros has
-- what events say and no delivery was found for.
create table delivery_ledger (
    clinic_id blob not null,
    endpoint_id blob not null,
    accepted integer not null,
    delivered integer not null,
    dead integer not null,
    cancelled integer not null,
    primary key (clinic_id, endpoint_id)
) strict;
insert into delivery_ledger (clinic_id, endpoint_id, accepted, delivered, dead, cancelled)
select clinic_id, endpoint_id, count(*), count(*) filter (where state = 'delivered'),
    count(*) filter (where state = 'dead'), count(*) filter (where state = 'cancelled')
from deliveries group by clinic_id, endpoint_id;

-- How far the walk has come: the position of the last event that was looked at, and who walks. `additions` counts the
-- deliveries that were added to events later; a step that met one is taken again.
create table delivery_ledger_mark (
    id integer primary key check (id = 1),
    position integer not null,
    additions integer not null,
    lease_token blob,
    lease_until integer
) strict;
insert into delivery_ledger_mark (id, position, additions) select 1, coalesce(max(position), 0), 0 from events;
