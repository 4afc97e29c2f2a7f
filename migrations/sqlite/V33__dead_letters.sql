-- Staff look through the dead letters of a clinic, whichever endpoint they were for, and through the endpoints of all
-- clinics by their status. Few rows are in either index, and the way of a delivery to its receiver touches neither.
create index deliveries_dead on deliveries (clinic_id, id) where state = 'dead';
create index webhook_endpoints_by_status on webhook_endpoints (status, id) where deleted_at is null;
