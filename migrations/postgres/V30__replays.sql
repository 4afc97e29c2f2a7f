-- What was sent to an endpoint, sent again: so many a second, from the oldest on. `cursor` is the last delivery that
-- was made due, written with it, so that whoever comes after a crash goes on behind it. `event_types` is what was
-- asked for, separated by a space; `which` is 'failed' or 'all'.
create table replays (
    clinic_id uuid not null,
    id uuid not null,
    endpoint_id uuid not null,
    since timestamptz not null,
    until timestamptz not null,
    which text not null,
    event_types text,
    per_second bigint not null,
    state text not null,
    total bigint not null,
    queued bigint not null,
    cursor uuid,
    version bigint not null,
    created_at timestamptz not null,
    finished_at timestamptz,
    primary key (clinic_id, id)
);
create unique index replays_running on replays (endpoint_id) where state = 'running';

-- The replay that made a delivery due again, and what it was before, for as long as it may be taken back.
alter table deliveries add column replay_id uuid;
alter table deliveries add column was_state text;
alter table deliveries add column was_attempts bigint;
alter table deliveries add column was_finished_at timestamptz;
create index deliveries_replayed on deliveries (clinic_id, replay_id, state) where replay_id is not null;
