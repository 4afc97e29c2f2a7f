-- Practitioners and patients, as one clinic knows them. Everything that says who they are is sealed.

-- `npi_hash` finds a practitioner of the clinic by NPI without opening a row.
create table practitioners (
    clinic_id blob not null references clinics (id),
    id blob not null unique,
    status text not null,
    profile blob not null,
    npi_hash blob,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    primary key (clinic_id, id)
) strict;
create unique index practitioners_by_npi on practitioners (clinic_id, npi_hash) where npi_hash is not null;

-- `identity_hash` is of the folded names and the date of birth: duplicates, and search by exactly those.
create table patients (
    clinic_id blob not null references clinics (id),
    id blob not null unique,
    practitioner_id blob not null,
    status text not null,
    profile blob not null,
    identity_hash blob not null,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    primary key (clinic_id, id),
    foreign key (clinic_id, practitioner_id) references practitioners (clinic_id, id)
) strict;
create unique index patients_by_identity on patients (clinic_id, identity_hash);
