-- What a gate found when it placed a hold: which gate, its sentence, the citation of the rules pack of that day, the
-- fields that resolve it (their names, separated by a space) and the step that it refused, which is tried again when
-- the hold is released. All null where staff or the platform placed it. None of it names patient data.
alter table holds add column gate text;
alter table holds add column message text;
alter table holds add column citation text;
alter table holds add column fields text;
alter table holds add column refused text;

-- The record of a valid original, electronic (21 CFR 1311) or written, of a prescription that came by API: one for a
-- prescription, never changed. Who bound it and when is part of it. Its reference and note are sealed by the clinic.
create table bound_originals (
    clinic_id uuid not null,
    prescription_id uuid not null,
    kind text not null check (kind in ('electronic', 'written')),
    reference bytea not null,
    note bytea,
    received_at timestamptz not null,
    actor_kind text not null,
    actor text not null,
    bound_at timestamptz not null,
    primary key (clinic_id, prescription_id),
    foreign key (clinic_id, prescription_id) references prescriptions (clinic_id, id)
);
