-- What an owner may ask of an endpoint. `ordered`: events of one ordering key are sent one after the other.
-- `payload` is 'full' or 'thin'. `retry_schedule`: seconds from each attempt to the next, separated by a space;
-- none is the published schedule.
alter table webhook_endpoints add column ordered integer not null default 0;
alter table webhook_endpoints add column rate_limit_per_second integer;
alter table webhook_endpoints add column payload text not null default 'full';
alter table webhook_endpoints add column retry_schedule text;

-- How many deliveries were written with the event: the ledger's other half. Unknown of events before this column.
alter table events add column fanout integer;

-- `rank`: first attempts (0) go before retries (1), retries before replays (2). `line` is the ordering key of a
-- delivery to an ordered endpoint, and `sequence` its place there: it waits for those before it.
alter table deliveries add column rank integer not null default 0;
alter table deliveries add column line blob;
alter table deliveries add column sequence integer;
update deliveries set rank = 1 where state = 'pending' and attempts > 0;
drop index deliveries_due;
drop index deliveries_first;
create index deliveries_due on deliveries (endpoint_id, rank, due_at, id) where state = 'pending';
create index deliveries_lines on deliveries (endpoint_id, line, sequence)
    where line is not null and state in ('pending', 'dead');
