//! A store that has been in use for long: deliveries of the past, all done, and how fast it is beside an empty one.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags};

use super::{
    drain::{self, Drained},
    publish::{self, Published},
    register,
};
use crate::{
    Failure,
    database::psql,
    options::{Engine, Options},
    receiver::Receiver,
    server::Server,
};

/// Deliveries of each event.
const FAN_OUT: u64 = 10;
/// Events written at a time.
const BATCH: u64 = 20_000;
/// They are of so many days until now: of an age that no retention touches.
const DAYS: u64 = 20;
/// The ledger has looked at all of them after so long.
const LEDGER_WITHIN: Duration = Duration::from_secs(600);

/// Rates beside the past, by those without.
pub(super) struct Flat {
    pub(super) published: f64,
    pub(super) drained: f64,
    pub(super) lost: u64,
}

pub(super) async fn flat(options: &Options, empty: &Published, drained: &Drained) -> Result<Flat, Failure> {
    let mut server = Server::start(options).await?;
    let receiver = Receiver::start(|_, _| {}).await?;
    let endpoint = register(&server, receiver.address, "past").await?;
    server.stop().await?;
    eprintln!("  filling with {} deliveries", options.past);
    Past::new(options, &server, &endpoint)?.write(&server)?;
    server.resume(options).await?;
    ledger_has_walked(&server, options.past).await?;
    server.delete(&endpoint).await?;
    let published = publish::publish(options, &server).await?;
    let beside = drain::drain(&server).await?;
    server.stop().await?;
    Ok(Flat {
        published: published.delivered_per_second / empty.delivered_per_second,
        drained: beside.per_second / drained.per_second,
        lost: published.lost + beside.lost,
    })
}

/// What is written, and where.
struct Past {
    /// Literals of the engine's SQL.
    clinic: String,
    endpoint: String,
    events: u64,
    /// Microseconds since 1970.
    begin_us: u64,
    /// Between two events.
    step_us: u64,
}

impl Past {
    fn new(options: &Options, server: &Server, endpoint: &str) -> Result<Self, Failure> {
        let endpoint = endpoint.rsplit('/').next().unwrap_or_default();
        let literal = |id: &str| match options.engine {
            Engine::Sqlite => format!("x'{}'", id.replace('-', "")),
            Engine::Postgres(_) => format!("cast('{id}' as uuid)"),
        };
        let span = Duration::from_secs(DAYS * 24 * 3600);
        let events = options.past.div_ceil(FAN_OUT);
        let begin = SystemTime::now().duration_since(UNIX_EPOCH)? - span;
        Ok(Self {
            clinic: literal(server.seeded("/clinic_id")?),
            endpoint: literal(endpoint),
            events,
            begin_us: u64::try_from(begin.as_micros())?,
            step_us: u64::try_from(span.as_micros())? / (events + 1),
        })
    }

    fn write(&self, server: &Server) -> Result<(), Failure> {
        let batches = (0..self.events).step_by(BATCH as usize);
        let batches = batches.map(|from| (from, (from + BATCH).min(self.events)));
        if let Some(url) = server.database.url() {
            for (from, to) in batches {
                psql(url, &self.postgres(from, to))?;
            }
            psql(url, &self.delivered())?;
            psql(url, "vacuum analyze events, deliveries, attempts; checkpoint;\n")?;
        } else {
            let db = Connection::open(server.folder.path().join("data").join("nimbus.db"))?;
            db.execute_batch("pragma synchronous = off; pragma cache_size = -500000;")?;
            for (from, to) in batches {
                db.execute_batch(&format!("begin; {} commit;", self.sqlite(from, to)))?;
            }
            db.execute_batch(&self.delivered())?;
            db.execute_batch("pragma wal_checkpoint(truncate);")?;
        }
        Ok(())
    }

    /// The ledger counts a delivery in the transaction in which it ends; what events say it adds up by itself.
    fn delivered(&self) -> String {
        let Self { clinic, endpoint, .. } = self;
        format!(
            "insert into delivery_ledger (clinic_id, endpoint_id, accepted, delivered, dead, cancelled)
            values ({clinic}, {endpoint}, 0, {}, 0, 0)
            on conflict (clinic_id, endpoint_id) do update set delivered = excluded.delivered;\n",
            self.events * FAN_OUT
        )
    }

    /// Ids are in the order of time, as those of the server are, with bytes as random as sealed ones in the bodies.
    fn sqlite(&self, from: u64, to: u64) -> String {
        let Self { clinic, endpoint, begin_us, step_us, .. } = self;
        let event = "unhex(printf('%012x70008000%012x', at / 1000, n))";
        let each = "unhex(printf('%012x70008000%012x', at / 1000, n * 16 + k))";
        let events = format!(
            "with recursive numbers(n) as (select {from} union all select n + 1 from numbers where n + 1 < {to}),
            past as (select n, {begin_us} + n * {step_us} as at from numbers)"
        );
        let deliveries = format!(
            "{events}, copies(k) as (select 0 union all select k + 1 from copies where k + 1 < {FAN_OUT})"
        );
        format!(
            "{events} insert into events
                (clinic_id, id, shape, name, type, subject_id, body, created_at, fanout)
            select {clinic}, {event}, 'partner', 'medication:updated', 'medication:shipped', {event},
                randomblob(760), at, {FAN_OUT} from past;
            {deliveries} insert into deliveries
                (clinic_id, id, endpoint_id, event_id, event_name, state, attempts, due_at, status_code, created_at,
                finished_at)
            select {clinic}, {each}, {endpoint}, {event}, 'medication:updated', 'delivered', 1, at, 200, at, at
            from past, copies;
            {deliveries} insert into attempts
                (clinic_id, id, delivery_id, number, started_at, elapsed_ms, outcome, status_code)
            select {clinic}, {each}, {each}, 1, at, 1, 'delivered', 200 from past, copies;"
        )
    }

    fn postgres(&self, from: u64, to: u64) -> String {
        let Self { clinic, endpoint, begin_us, step_us, .. } = self;
        let id = |number: &str| {
            format!(
                "cast(lpad(to_hex(us / 1000), 12, '0') || '70008000' || lpad(to_hex({number}), 12, '0') as uuid)"
            )
        };
        let (event, each) = (id("n"), id("n * 16 + k"));
        let past = format!(
            "(select n, {begin_us} + n * {step_us} as us,
                timestamptz 'epoch' + ({begin_us} + n * {step_us}) * interval '1 microsecond' as at
            from generate_series(cast({from} as bigint), {to} - 1) n) past"
        );
        let copies = format!("generate_series(0, {FAN_OUT} - 1) k");
        let body = "decode(repeat(md5(cast(n as text)), 47), 'hex')";
        format!(
            "insert into events (clinic_id, id, shape, name, type, subject_id, body, created_at, fanout)
            select {clinic}, {event}, 'partner', 'medication:updated', 'medication:shipped', {event}, {body}, at,
                {FAN_OUT} from {past};
            insert into deliveries
                (clinic_id, id, endpoint_id, event_id, event_name, state, attempts, due_at, status_code, created_at,
                finished_at)
            select {clinic}, {each}, {endpoint}, {event}, 'medication:updated', 'delivered', 1, at, 200, at, at
            from {past}, {copies};
            insert into attempts
                (clinic_id, id, delivery_id, number, started_at, elapsed_ms, outcome, status_code)
            select {clinic}, {each}, {each}, 1, at, 1, 'delivered', 200 from {past}, {copies};\n"
        )
    }
}

/// Waits until the ledger has added up what events of the past say.
async fn ledger_has_walked(server: &Server, deliveries: u64) -> Result<(), Failure> {
    let until = Instant::now() + LEDGER_WITHIN;
    let sql = "select coalesce(sum(accepted), 0) from delivery_ledger;\n";
    while Instant::now() < until {
        let accepted: u64 = match server.database.url() {
            Some(url) => psql(url, sql)?.trim().parse()?,
            None => {
                let path = server.folder.path().join("data").join("nimbus.db");
                let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
                u64::try_from(db.query_row(sql, [], |row| row.get::<_, i64>(0))?)?
            }
        };
        if accepted >= deliveries {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err("the ledger does not add up the past in time".into())
}
