-- What a stored reply is about, by the audit log's word for the kind of record: whoever is told it again is on record
-- with it.
alter table idempotency add column subject text;
alter table idempotency add column subject_id uuid;
