-- Lists go by `created_at, id` behind what they filter by, so that a page costs the same at any depth of any list.
-- `…_by_updated` finds what has changed since a time.
--
-- What it costs: an insert of an order writes one index entry more than before (created), and one that moves at
-- each change (updated); the entries by status and by patient are 8 bytes longer. Ids and times both grow, so that
-- all but the entries by status and patient are appended.
drop index orders_by_status;
drop index orders_by_patient;
create index orders_by_created on orders (clinic_id, created_at, id);
create index orders_by_status on orders (clinic_id, status, created_at, id);
create index orders_by_standing on orders (clinic_id, standing, created_at, id);
create index orders_by_patient on orders (clinic_id, patient_id, created_at, id);
create index orders_by_updated on orders (clinic_id, updated_at, id);

drop index prescriptions_by_patient;
create index prescriptions_by_created on prescriptions (clinic_id, created_at, id);
create index prescriptions_by_status on prescriptions (clinic_id, status, created_at, id);
create index prescriptions_by_patient on prescriptions (clinic_id, patient_id, created_at, id);
create index prescriptions_by_updated on prescriptions (clinic_id, updated_at, id);

create index refills_by_created on refills (clinic_id, created_at, id);
create index refills_by_clinic_status on refills (clinic_id, status, created_at, id);
create index refills_by_patient on refills (clinic_id, patient_id, created_at, id);
create index refills_by_updated on refills (clinic_id, updated_at, id);

create index shipments_by_created on shipments (clinic_id, created_at, id);
create index shipments_by_clinic_status on shipments (clinic_id, status, created_at, id);
create index shipments_by_updated on shipments (clinic_id, updated_at, id);

create index patients_by_created on patients (clinic_id, created_at, id);
create index patients_by_status on patients (clinic_id, status, created_at, id);
create index patients_by_updated on patients (clinic_id, updated_at, id);

create index practitioners_by_created on practitioners (clinic_id, created_at, id);
create index practitioners_by_clinic_status on practitioners (clinic_id, status, created_at, id);
create index practitioners_by_updated on practitioners (clinic_id, updated_at, id);
-- Staff list them of all clinics.
create index practitioners_by_status on practitioners (status, id);

-- The deliveries that are not done, or never will be: few beside the delivered ones.
create index deliveries_undelivered on deliveries (clinic_id, endpoint_id, state, id) where state <> 'delivered';

-- What SQLite expects of these tables, which it never counts here: many rows of a clinic, a tenth of them of one
-- status, few of one patient. Without it the walk by `created_at` looks as good as the one by what is filtered by.
-- Each of their indexes has its row: the table's rows, then how many share the first column, the first two, and on;
-- none is worth skipping through for each clinic.
analyze partners;
delete from sqlite_stat1;
insert into sqlite_stat1 (tbl, idx, stat) values
    ('orders', 'sqlite_autoindex_orders_1', '10000000 1 noskipscan'),
    ('orders', 'sqlite_autoindex_orders_2', '10000000 1000000 1 noskipscan'),
    ('orders', 'orders_by_practitioner', '10000000 1000000 10000 1000 noskipscan'),
    ('orders', 'orders_queue', '10000000 1000000 1 noskipscan'),
    ('orders', 'orders_replacing', '10000000 1000000 1 noskipscan'),
    ('orders', 'orders_by_created', '10000000 1000000 1 1 noskipscan'),
    ('orders', 'orders_by_status', '10000000 1000000 100000 1 1 noskipscan'),
    ('orders', 'orders_by_standing', '10000000 1000000 100000 1 1 noskipscan'),
    ('orders', 'orders_by_patient', '10000000 1000000 100 1 1 noskipscan'),
    ('orders', 'orders_by_updated', '10000000 1000000 1 1 noskipscan'),
    ('prescriptions', 'sqlite_autoindex_prescriptions_1', '10000000 1 noskipscan'),
    ('prescriptions', 'sqlite_autoindex_prescriptions_2', '10000000 1000000 1 noskipscan'),
    ('prescriptions', 'prescriptions_by_created', '10000000 1000000 1 1 noskipscan'),
    ('prescriptions', 'prescriptions_by_status', '10000000 1000000 100000 1 1 noskipscan'),
    ('prescriptions', 'prescriptions_by_patient', '10000000 1000000 100 1 1 noskipscan'),
    ('prescriptions', 'prescriptions_by_updated', '10000000 1000000 1 1 noskipscan'),
    ('refills', 'sqlite_autoindex_refills_1', '10000000 1 noskipscan'),
    ('refills', 'sqlite_autoindex_refills_2', '10000000 1000000 1 noskipscan'),
    ('refills', 'refills_open', '10000000 1000000 1 noskipscan'),
    ('refills', 'refills_by_status', '10000000 1000000 1 noskipscan'),
    ('refills', 'refills_by_order', '10000000 1000000 1 noskipscan'),
    ('refills', 'refills_by_created', '10000000 1000000 1 1 noskipscan'),
    ('refills', 'refills_by_clinic_status', '10000000 1000000 100000 1 1 noskipscan'),
    ('refills', 'refills_by_patient', '10000000 1000000 100 1 1 noskipscan'),
    ('refills', 'refills_by_updated', '10000000 1000000 1 1 noskipscan'),
    ('shipments', 'sqlite_autoindex_shipments_1', '10000000 1 noskipscan'),
    ('shipments', 'sqlite_autoindex_shipments_2', '10000000 1000000 1 noskipscan'),
    ('shipments', 'shipments_by_status', '10000000 1000000 1 noskipscan'),
    ('shipments', 'shipments_by_created', '10000000 1000000 1 1 noskipscan'),
    ('shipments', 'shipments_by_clinic_status', '10000000 1000000 100000 1 1 noskipscan'),
    ('shipments', 'shipments_by_updated', '10000000 1000000 1 1 noskipscan'),
    ('patients', 'sqlite_autoindex_patients_1', '10000000 1 noskipscan'),
    ('patients', 'sqlite_autoindex_patients_2', '10000000 1000000 1 noskipscan'),
    ('patients', 'patients_by_identity', '10000000 1000000 1 noskipscan'),
    ('patients', 'patients_by_created', '10000000 1000000 1 1 noskipscan'),
    ('patients', 'patients_by_status', '10000000 1000000 100000 1 1 noskipscan'),
    ('patients', 'patients_by_updated', '10000000 1000000 1 1 noskipscan'),
    ('practitioners', 'sqlite_autoindex_practitioners_1', '10000000 1 noskipscan'),
    ('practitioners', 'sqlite_autoindex_practitioners_2', '10000000 1000000 1 noskipscan'),
    ('practitioners', 'practitioners_by_npi', '10000000 1000000 1 noskipscan'),
    ('practitioners', 'practitioners_by_created', '10000000 1000000 1 1 noskipscan'),
    ('practitioners', 'practitioners_by_clinic_status', '10000000 1000000 100000 1 1 noskipscan'),
    ('practitioners', 'practitioners_by_updated', '10000000 1000000 1 1 noskipscan'),
    ('practitioners', 'practitioners_by_status', '10000000 1000000 1 noskipscan');
