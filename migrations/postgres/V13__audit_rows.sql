-- Every read of patient data adds a row here before it is answered. The rows are found by their ids, in the order of
-- time, and nothing else is kept in order beside them. What searches the log by another order brings an index for it.
drop index audit_by_clinic;
drop index audit_by_subject;
