-- What drug a prescription is for, what a clinic may order, and where the pharmacy may ship.

-- `drug` is the formulary's id of it, sealed as what is prescribed is; what rules and filters ask of it is not.
alter table prescriptions add column drug blob;
alter table prescriptions add column refrigerated integer not null default 0;
alter table prescriptions add column compounded integer not null default 0;

-- A clinic's list. A row without a name lists an entry of the shipped formulary: a clinic that lists any may order
-- those alone. A row with a name is a drug of the clinic's own, which it may order besides.
create table clinic_drugs (
    clinic_id blob not null references clinics (id),
    drug_id text not null,
    name text,
    form text,
    strength text,
    schedule text,
    refrigerated integer,
    compounded integer,
    ndc text,
    species text,
    added_at integer not null,
    primary key (clinic_id, drug_id)
) strict;

-- The pharmacy's permits: what it may send to a state. Several of one state and kind may overlap, as they do at a
-- renewal; one that has not expired is enough.
create table licenses (
    id blob primary key,
    state text not null,
    category text not null,
    number text not null,
    expires_on text not null,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    unique (state, category, number)
) strict;
