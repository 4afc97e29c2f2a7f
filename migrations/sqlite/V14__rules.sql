-- What the rules decided, and by whose law.

-- Where and what the patient was when it was issued: the state × schedule × species whose law limits it. Where a
-- prescription is older than this, the state is not known, and the rules for all states are cited.
alter table prescriptions add column issued_state text;
alter table prescriptions add column issued_species text not null default 'human';

-- When a refill is too soon for a clinic, in hundredths of a fill's days. A null is the deployment's, and a clinic
-- without a row has nulls.
create table refill_thresholds (
    clinic_id blob not null primary key references clinics (id),
    percent integer,
    controlled_percent integer,
    updated_at integer not null
) strict;

-- Decisions that let a refill or an order come into being, written with it and never changed. `question` (sealed) is
-- all that the rules read, `outcomes` the codes and verdicts of those that failed; with the pack of that version the
-- one yields the other again. Found by their own id or that of what they are about, whose clinic the one who asks
-- need not know.
create table decisions (
    clinic_id blob not null references clinics (id),
    id blob not null unique,
    kind text not null,
    subject text not null,
    subject_id blob not null,
    pack_version text not null,
    question blob not null,
    outcomes text not null,
    decided_at integer not null,
    primary key (clinic_id, id)
) strict;
create index decisions_by_subject on decisions (subject_id, id);
