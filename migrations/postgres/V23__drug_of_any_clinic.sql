-- Whether any clinic has a drug of its own by an id: asked when a lot is received.
create index clinic_drugs_own on clinic_drugs (drug_id) where name is not null;
