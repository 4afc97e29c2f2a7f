-- Parcels are found by what a carrier calls them. Carriers give numbers out again, so none is unique.
create index shipments_by_tracking on shipments (tracking_number, id) where tracking_number is not null;
-- Those that are not safely where they belong, for staff who look for what needs their attention: few beside all.
create index shipments_open on shipments (id) where status not in ('delivered', 'cancelled');

-- A line that is held or cancelled while its parcel waits for the carrier leaves it, and the parcel goes on with the
-- others. The last one stays in a parcel that is cancelled with it.
alter table shipment_lines add column removed_at integer;

insert into sqlite_stat1 (tbl, idx, stat) values
    ('shipments', 'shipments_by_tracking', '10000000 2 1 noskipscan'),
    ('shipments', 'shipments_open', '100000 1 noskipscan');
