-- What signs an endpoint's deliveries. `signing` is 'hmac' (v1, by `secret`) or 'ed25519' (v1a, by `key_pair`, which
-- is sealed and whose other half is `public_key`). `retiring` is sealed: keys that others have taken the place of, each
-- with the time until which it signs too. `previous_secret` is read where a release before this one wrote it.
alter table webhook_endpoints add column signing text not null default 'hmac';
alter table webhook_endpoints add column key_pair bytea;
alter table webhook_endpoints add column public_key text;
alter table webhook_endpoints add column retiring bytea;

-- What anybody may read to check signatures of v1a: the public keys of endpoints, those that retire too.
create table webhook_public_keys (
    clinic_id uuid not null references clinics (id),
    endpoint_id uuid not null,
    public_key text not null,
    retires_at timestamptz,
    primary key (clinic_id, endpoint_id, public_key)
);
create index webhook_public_keys_by_endpoint on webhook_public_keys (endpoint_id, public_key);

-- The key that takes the place of another: endpoints of the old one send it from its first use, or from when the old
-- one ends.
alter table api_keys add column successor_id uuid;
