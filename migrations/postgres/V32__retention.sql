-- How far old rows have been let go, one row for each class of them. A worker walks the events in the order of their
-- commits: `position` is the last one that it has looked at, `reached` the last one that it ever let go of, `behind` the
-- first that had to stay since the walk last began anew, which it does there, at `swept_at`. Rows whose ids are at
-- `before` or later have not been touched. `ended_at` is when the walk last came to its end.
create table retention_marks (
    class text primary key,
    position bigint not null,
    reached bigint not null,
    behind bigint,
    before uuid not null,
    swept_at timestamptz,
    ended_at timestamptz
);
insert into retention_marks (class, position, reached, before)
select class, -9223372036854775807, -9223372036854775807, cast('00000000-0000-0000-0000-000000000000' as uuid)
from (values ('bodies'), ('attempts'), ('metadata')) as classes (class);
