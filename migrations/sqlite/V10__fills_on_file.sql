-- Orders for prescriptions on file. An order that consumes refills says how many, so that they can be given back
-- whether or not a refill request stands behind it. `standing` is where the order stands whatever holds it (the
-- least advanced live line, a held one as the state it left): what the orders API filters by.
alter table orders add column refills_consumed integer not null default 0;
alter table orders add column standing text not null default 'received';
update orders set refills_consumed = 1 where refill_id is not null;
update orders set standing = status where status <> 'on_hold';
update orders
set standing = coalesce(
    (select l.held_from from order_lines l
        where l.clinic_id = orders.clinic_id and l.order_id = orders.id and l.status = 'on_hold'
            and l.held_from is not null
        order by case l.held_from
            when 'received' then 0 when 'verified' then 1 when 'submitted' then 2 when 'acknowledged' then 3
            when 'filling' then 4 else 5 end
        limit 1),
    standing)
where status = 'on_hold';
