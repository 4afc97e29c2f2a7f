-- Stock is counted in units, the reasons of its movements are sealed, and a label of the number of another one is found.

-- What a clinic's own drug is dispensed in; one of before is counted as its form says.
alter table clinic_drugs add column unit text;

-- What a lot is counted in. The formulary is no table: a server that starts gives the lots of before the unit of their
-- drug, and until then it is null.
alter table inventory_lots add column unit text;
create index inventory_lots_without_unit on inventory_lots (drug_id) where unit is null;

-- Stock as it is listed, newest first: of a drug, of what is there, of what is not; or by what expires, where that is
-- little.
create index inventory_lots_by_drug on inventory_lots (drug_id, id);
create index inventory_lots_there on inventory_lots (id) where on_hand > 0;
create index inventory_lots_used_up on inventory_lots (id) where on_hand = 0;
create index inventory_lots_by_expiry on inventory_lots (expires_on, id);

-- Why stock was corrected, in the words of staff: sealed by the platform's keys. `reason` held it in the clear: what is
-- there is sealed and emptied once the keys are at hand, and nothing writes it any more.
alter table inventory_moves add column note blob;
create index inventory_moves_in_clear on inventory_moves (id) where reason is not null;

-- Whether a label that was bought has the number of another one.
create index label_purchases_by_number on label_purchases (carrier_id, tracking_number)
    where tracking_number is not null;
