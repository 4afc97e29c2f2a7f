-- Signatures of practitioners, and people whom several clinics of one partner share.

-- The image of a practitioner's signature, sealed by the clinic.
create table signatures (
    clinic_id uuid not null,
    practitioner_id uuid not null,
    kind text not null check (kind in ('image/png', 'image/svg+xml')),
    image bytea not null,
    updated_at timestamptz not null,
    primary key (clinic_id, practitioner_id),
    foreign key (clinic_id, practitioner_id) references practitioners (clinic_id, id)
);

-- Which rows are one person: a practitioner (or patient) and its counterparts in other clinics of the partner.
-- `person_id` is the row that all began with; it has a link of its own. `copied` tells a row that an assignment
-- made from one that the clinic had by itself. Ending an assignment keeps the link: `ended_from` is the status
-- that it took the row out of, if it moved it, to be restored when the assignment is made again.
create table person_links (
    clinic_id uuid not null references clinics (id),
    id uuid not null,
    person_id uuid not null,
    kind text not null check (kind in ('practitioner', 'patient')),
    copied boolean not null,
    assigned_at timestamptz not null,
    ended_at timestamptz,
    ended_from text,
    primary key (clinic_id, id)
);
create unique index person_links_by_person on person_links (person_id, clinic_id);
