-- Legal holds: while one of a clinic is not released, nothing of the clinic is let go by age or erased. `matter` is a name
-- by which counsel knows it. Rows stay as long as the audit log.
create table legal_holds (
    clinic_id blob not null references clinics (id),
    id blob not null,
    matter text not null,
    placed_at integer not null,
    released_at integer,
    release_reason text,
    primary key (clinic_id, id)
) strict;
create index legal_holds_in_force on legal_holds (clinic_id) where released_at is null;
