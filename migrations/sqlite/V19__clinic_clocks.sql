-- A sandbox clinic's own clock.

-- How far the clinic's business time is ahead of the deployment's, in microseconds. It only grows, and only in a
-- sandbox; every other clock is wall time, which nobody moves. It stands here because whoever calls is read with its
-- clinic: the clock costs no query.
alter table clinics add column clock_ahead_us integer not null default 0;

-- The few whose clock was moved, so that their jobs are found due by it.
create index clinics_ahead on clinics (id) where clock_ahead_us > 0;

-- What falls due on the way of a clock that is moved, in order.
create index jobs_by_clinic on jobs (clinic_id, due_at, id);
