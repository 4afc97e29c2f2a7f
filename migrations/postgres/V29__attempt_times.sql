-- How long the parts of an attempt took, in microseconds; null for those that it did not come to. `reused`: whether it
-- went over a connection that was there already; null if nothing was sent. `response_headers` is sealed.
alter table attempts add column dns_us bigint;
alter table attempts add column connect_us bigint;
alter table attempts add column tls_us bigint;
alter table attempts add column first_byte_us bigint;
alter table attempts add column reused boolean;
alter table attempts add column response_headers bytea;
