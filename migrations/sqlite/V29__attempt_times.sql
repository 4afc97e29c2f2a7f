-- How long the parts of an attempt took, in microseconds; null for those that it did not come to. `reused`: whether it
-- went over a connection that was there already; null if nothing was sent. `response_headers` is sealed.
alter table attempts add column dns_us integer;
alter table attempts add column connect_us integer;
alter table attempts add column tls_us integer;
alter table attempts add column first_byte_us integer;
alter table attempts add column reused integer;
alter table attempts add column response_headers blob;
