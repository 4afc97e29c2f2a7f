-- What was sent to an endpoint, sent again: so many a second, from the oldest on. `cursor` is the last delivery that
-- was made due, written with it, so that whoever comes after a crash goes on behind it. `event_types` is what was
-- asked for, separated by a space; `which` is 'failed' or 'all'.
create table replays (
    clinic_id blob not null,
    id blob not null,
    endpoint_id blob not null,
    since integer not null,
    until integer not null,
    which text not null,
    event_types text,
    per_second integer not null,
    state text not null,
    total integer not null,
    queued integer not null,
    cursor blob,
    version integer not null,
    created_at integer not null,
    finished_at integer,
    primary key (clinic_id, id)
) strict;
create unique index replays_running on replays (endpoint_id) where state = 'running';

-- The replay that made a delivery due again, and what it was before, for as long as it may be taken back.
alter table deliveries add column replay_id blob;
alter table deliveries add column was_state text;
alter table deliveries add column was_attempts integer;
alter table deliveries add column was_finished_at integer;
create index deliveries_replayed on deliveries (clinic_id, replay_id, state) where replay_id is not null;
