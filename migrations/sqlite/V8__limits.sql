-- Limits of requests, and where a replayed reply says its resource is.

-- Requests a minute that a key may make; null is the deployment's default.
alter table api_keys add column reads_per_minute integer;
alter table api_keys add column writes_per_minute integer;

-- The Location header of a stored reply: a path, which holds ids alone.
alter table idempotency add column location text;

-- What the processes of a deployment on PostgreSQL have admitted, by owner (a key, a token, a feed), class
-- (reads, writes) and window, whose start is in seconds since 1970. The embedded database has one process,
-- which counts in memory, and leaves the table empty.
create table rate_usage (
    owner blob not null,
    class text not null,
    window_start integer not null,
    used integer not null,
    primary key (owner, class, window_start)
) strict;
create index rate_usage_by_start on rate_usage (window_start);
