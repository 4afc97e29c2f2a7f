-- Roots wrap the keys of the clinics; the newest one wraps what is new. Each root is wrapped by one master key or
-- several, so that one can take the place of another while processes run: `key_id` tells which.
create table roots (
    version integer not null primary key,
    created_at integer not null
) strict;
create table root_wraps (
    version integer not null references roots (version),
    key_id text not null,
    wrapped blob not null,
    created_at integer not null,
    primary key (version, key_id)
) strict;

-- The root that wraps a key. Without one the master key itself does, as before there were roots; the next start changes
-- that.
alter table clinic_keys add column root integer references roots (version);
