-- Where a range of creation begins and ends among a clinic's events, whose order is that of their commits: creation is
-- business time, and may disagree with it. Both are read from this index alone. It costs each event one entry, which is
-- appended, as both grow.
create index events_by_created on events (clinic_id, shape, created_at, position);
