//! Migrations and partitions: repeatable, safe to race, and the same schema in both dialects.

use std::collections::BTreeSet;

use nimbus_core::time::Ts;
use nimbus_store::{
    Db, Engine, Error, Tx, ensure_partitions, migrate,
    testing::{TestDb, block_on, master_key},
};

/// Table, column, SQLite's type for it, whether it may be null.
type Column = (String, String, String, bool);

const SQLITE_COLUMNS: &str = "select m.name, c.name, c.type, c.\"notnull\" = 0 and c.pk = 0
    from sqlite_master m, pragma_table_info(m.name) c
    where m.type = 'table' and m.name not like 'sqlite%' and m.name <> 'refinery_schema_history'";

// Partitions are left out: SQLite has none.
const POSTGRES_COLUMNS: &str =
    "select cast(t.relname as text), cast(c.attname as text), case cast(y.typname as text)
        when 'uuid' then 'BLOB' when 'bytea' then 'BLOB'
        when 'timestamptz' then 'INTEGER' when 'int8' then 'INTEGER' when 'bool' then 'INTEGER'
        when 'text' then 'TEXT' when 'date' then 'TEXT' when 'jsonb' then 'TEXT'
        else cast(y.typname as text) end, not c.attnotnull
    from pg_class t join pg_attribute c on c.attrelid = t.oid join pg_type y on y.oid = c.atttypid
    where t.relnamespace = cast('public' as regnamespace) and t.relkind in ('r', 'p') and not t.relispartition
        and c.attnum > 0 and not c.attisdropped and t.relname <> 'refinery_schema_history'";

async fn columns(db: &Db, sql: &'static str) -> BTreeSet<Column> {
    db.read(move |tx: &mut Tx| {
        Box::pin(async move {
            let rows = tx.query(sql, &[]).await?;
            rows.iter()
                .map(|row| {
                    let mut column = row.columns();
                    Ok((column.take()?, column.take()?, column.take()?, column.take()?))
                })
                .collect::<Result<_, Error>>()
        })
    })
    .await
    .unwrap()
}

#[test]
fn both_dialects_make_the_same_schema() {
    block_on(async {
        let sqlite = columns(&TestDb::migrated(Engine::Sqlite).await.db, SQLITE_COLUMNS).await;
        let postgres = columns(&TestDb::migrated(Engine::Postgres).await.db, POSTGRES_COLUMNS).await;
        let only_sqlite: Vec<_> = sqlite.difference(&postgres).collect();
        let only_postgres: Vec<_> = postgres.difference(&sqlite).collect();
        assert!(sqlite.len() > 5);
        assert!(
            only_sqlite.is_empty() && only_postgres.is_empty(),
            "only SQLite: {only_sqlite:#?}\nonly PostgreSQL: {only_postgres:#?}"
        );
    });
}

/// SQLite plans lists by figures that a migration wrote; an index without any would seem better than it is.
#[test]
fn every_index_of_a_listed_table_has_its_figures() {
    let missing = "select m.name from sqlite_master m
        where m.type = 'index' and m.tbl_name in (select tbl from sqlite_stat1)
            and m.name not in (select idx from sqlite_stat1)";
    let names = block_on(async {
        let read = TestDb::migrated(Engine::Sqlite).await;
        let count = names(&read.db, "select idx from sqlite_stat1").await.len();
        assert!(count > 30, "{count}");
        names(&read.db, missing).await
    });
    assert_eq!(names, [] as [String; 0]);
}

async fn names(db: &Db, sql: &'static str) -> Vec<String> {
    db.read(move |tx: &mut Tx| {
        Box::pin(async move {
            let rows = tx.query(sql, &[]).await?;
            rows.iter().map(|row| row.columns().take()).collect::<Result<_, Error>>()
        })
    })
    .await
    .unwrap()
}

fn check_repeated(engine: Engine) {
    block_on(async {
        let test = TestDb::empty(engine).await;
        assert!(migrate::pending(&test.db).await.unwrap() > 0);
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(test.place.open(master_key()).await.unwrap());
        }
        let runs = futures_util::future::join_all(others.iter().map(migrate::run)).await;
        for run in runs {
            run.unwrap();
        }
        migrate::run(&test.db).await.unwrap();
        assert_eq!(migrate::pending(&test.db).await.unwrap(), 0);
    });
}

#[test]
fn migrations_race_and_repeat_on_sqlite() {
    check_repeated(Engine::Sqlite);
}

#[test]
fn migrations_race_and_repeat_on_postgres() {
    check_repeated(Engine::Postgres);
}

async fn run_all(db: &Db, statements: &'static [&'static str]) {
    db.write(move |tx: &mut Tx| {
        Box::pin(async move {
            for sql in statements {
                tx.execute(sql, &[]).await?;
            }
            Ok::<_, Error>(())
        })
    })
    .await
    .unwrap();
}

/// The partitions of a table that was there before any was made: of weeks from the one of Saturday, 21 November 2026.
async fn made_ahead(db: &Db) -> Vec<String> {
    let now = Ts::parse("2026-11-21T00:00:00Z").unwrap();
    let runs = futures_util::future::join_all((0..4).map(|_| ensure_partitions(db, now))).await;
    for run in runs {
        assert!(run.unwrap());
    }
    assert!(ensure_partitions(db, now).await.unwrap());
    let partitions =
        "select cast(relname as text) from pg_class where relispartition and relkind = 'r' order by relname";
    names(db, partitions).await
}

const PARTITIONED: [&str; 2] = [
    "create table events (id uuid primary key, body text not null) partition by range (id)",
    "create table events_default partition of events default",
];

#[test]
fn partitions_are_made_ahead_and_take_in_what_came_before_them() {
    block_on(async {
        let test = TestDb::empty(Engine::Postgres).await;
        run_all(&test.db, &PARTITIONED).await;
        // 2026-11-21T00:00:00Z
        let early = "insert into events values ('01a1fb67-1800-7000-8000-000000000001', 'early')";
        run_all(&test.db, Box::leak(Box::new([early]))).await;
        let names = made_ahead(&test.db).await;
        let weeks = [
            "events_p20261116",
            "events_p20261123",
            "events_p20261130",
            "events_p20261207",
            "events_p20261214",
        ];
        assert_eq!(names[1..], weeks);
        assert_eq!(names[0], "events_default");
        let moved = test
            .db
            .read(|tx: &mut Tx| {
                Box::pin(async move {
                    tx.query_one("select count(*) from events_p20261116", &[]).await?.columns().take()
                })
            })
            .await;
        assert_eq!(Result::<i64, Error>::unwrap(moved), 1);
    });
}

#[test]
fn partitions_of_weeks_follow_those_of_months() {
    block_on(async {
        let test = TestDb::empty(Engine::Postgres).await;
        run_all(&test.db, &PARTITIONED).await;
        // November 2026, as an earlier release made it.
        let month = "create table events_p202611 partition of events for values
            from ('01a19467-e800-0000-0000-000000000000') to ('01a22ee6-b000-0000-0000-000000000000')";
        run_all(&test.db, Box::leak(Box::new([month]))).await;
        let expected =
            ["events_default", "events_p202611", "events_p20261201", "events_p20261207", "events_p20261214"];
        assert_eq!(made_ahead(&test.db).await, expected);
    });
}

#[test]
fn partitions_are_nothing_on_sqlite() {
    block_on(async {
        let test = TestDb::empty(Engine::Sqlite).await;
        assert!(ensure_partitions(&test.db, Ts::from_micros(0)).await.unwrap());
    });
}
