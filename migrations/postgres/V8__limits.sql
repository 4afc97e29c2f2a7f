-- Limits of requests, and where a replayed reply says its resource is.

-- Requests a minute that a key may make; null is the deployment's default.
alter table api_keys add column reads_per_minute bigint;
alter table api_keys add column writes_per_minute bigint;

-- The Location header of a stored reply: a path, which holds ids alone.
alter table idempotency add column location text;

-- What the processes of a deployment have admitted, by owner (a key, a token, a feed), class (reads, writes) and
-- window, whose start is in seconds since 1970. Unlogged: a count is worth a minute, and after a crash of the
-- server each process still knows its own.
create unlogged table rate_usage (
    owner uuid not null,
    class text not null,
    window_start bigint not null,
    used bigint not null,
    primary key (owner, class, window_start)
);
create index rate_usage_by_start on rate_usage (window_start);
