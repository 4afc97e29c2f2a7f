//! Pages of lists over few orders and over many: the same requests, one after the other, and how much slower the
//! large list answers them.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use nimbus_core::{
    ids::{LineId, OrderId, PatientId, base62},
    order::{FillStatus, Order},
    patient::Patient,
    time::Ts,
};
use nimbus_store::{Db, Error, MasterKey, Tx, orders, patients};
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::{
    Failure,
    figures::{Latencies, ratio},
    options::{Engine, Options},
    server::Server,
};

const SMALL: u64 = 10_000;
/// Requests for each filter, after a tenth of them that are not counted.
const REQUESTS: u32 = 200;
/// Orders of one transaction.
const BATCH: u64 = 500;
const PATIENTS: usize = 1000;
/// Between two orders' times.
const STEP_SECONDS: i64 = 60;

pub(crate) async fn measure(options: &Options) -> Result<Value, Failure> {
    let server = Server::start(options).await?;
    let db = open(options, &server).await?;
    let mut fill = Fill::new(&db, &server).await?;
    let mut figures = Map::new();
    let mut measured = Vec::new();
    for orders in [SMALL, options.orders] {
        eprintln!("  filling to {orders} orders");
        fill.to(&db, orders).await?;
        if let Engine::Postgres(_) = options.engine {
            crate::database::psql(server.database.url().unwrap_or_default(), "vacuum analyze;\n")?;
        }
        eprintln!("  asking for pages");
        measured.push(ask(&server, &fill).await?);
    }
    let [small, large] = measured.as_slice() else { return Err("two sizes are measured".into()) };
    for ((name, small), (_, large)) in small.iter().zip(large) {
        let (few, many) = (small.to_json(), large.to_json());
        let times = |at: &str| ratio(many[at].as_f64().unwrap_or(0.0), few[at].as_f64().unwrap_or(0.0));
        let entry = json!({ "small_ms": few, "large_ms": many, "p50_ratio": times("p50"), "p99_ratio": times("p99") });
        figures.insert((*name).to_owned(), entry);
    }
    Ok(
        json!({ "small_orders": SMALL, "large_orders": options.orders, "requests": REQUESTS, "pages": figures }),
    )
}

/// The server's store, opened beside it.
async fn open(options: &Options, server: &Server) -> Result<Db, Failure> {
    let data = server.folder.path().join("data");
    let master = MasterKey::from_base64(&std::fs::read_to_string(data.join("master.key"))?)?;
    Ok(match (&options.engine, server.database.url()) {
        (Engine::Postgres(_), Some(url)) => Db::open_postgres(url, master, 2).await?,
        _ => Db::open_sqlite(Path::new(&data.join("nimbus.db")), master).await?,
    })
}

/// Orders of the past, made of the seeded one: a minute apart, ninety-seven of a hundred delivered.
struct Fill {
    template: Order,
    patients: Vec<PatientId>,
    begin: Ts,
    made: u64,
    middle: Option<OrderId>,
}

impl Fill {
    async fn new(db: &Db, server: &Server) -> Result<Self, Failure> {
        let order: OrderId = server.seeded("/medication_order_id")?.parse()?;
        let (template, patients) = db
            .write(move |tx: &mut Tx| {
                Box::pin(async move {
                    let missing = Error::Corrupt("the seed is not in the store");
                    let template = orders::order_get_any(tx, order).await?.ok_or(missing.clone())?;
                    let patient = patients::patient_get_any(tx, template.patient_id).await?.ok_or(missing)?;
                    let mut made = Vec::with_capacity(PATIENTS);
                    for number in 0..PATIENTS {
                        made.push(another(tx, &patient, number).await?);
                    }
                    Ok::<_, Error>((template, made))
                })
            })
            .await?;
        let begin = template.created_at.plus_days(-2000);
        Ok(Self { template, patients, begin, made: 0, middle: None })
    }

    async fn to(&mut self, db: &Db, orders: u64) -> Result<(), Failure> {
        while self.made < orders {
            let batch: Vec<Order> =
                (self.made..(self.made + BATCH).min(orders)).map(|i| self.order(i)).collect();
            self.made += batch.len() as u64;
            if self.made > orders / 2 && self.middle.is_none_or(|_| self.made - BATCH <= orders / 2) {
                self.middle = batch.first().map(|order| order.id);
            }
            db.write(move |tx: &mut Tx| {
                let batch = batch.clone();
                Box::pin(async move {
                    for order in &batch {
                        orders::order_insert(tx, order).await?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await?;
        }
        Ok(())
    }

    /// When the order of a number was made.
    fn at(&self, number: u64) -> Ts {
        self.begin.plus_seconds(number as i64 * STEP_SECONDS)
    }

    fn order(&self, number: u64) -> Order {
        let mut order = self.template.clone();
        order.id = OrderId(Uuid::now_v7());
        order.patient_id = self.patients[number as usize % PATIENTS];
        order.status = match number % 100 {
            0 => FillStatus::Received,
            1 => FillStatus::Shipped,
            2 => FillStatus::Cancelled,
            _ => FillStatus::Delivered,
        };
        (order.version, order.ordering_key) = (1, order.id.0);
        (order.created_at, order.updated_at) = (self.at(number), self.at(number).plus_days(3));
        for line in &mut order.lines {
            (line.id, line.status) = (LineId(Uuid::now_v7()), order.status);
            line.shipment_id = None;
        }
        order.holds.clear();
        order
    }
}

async fn another(tx: &mut Tx, patient: &Patient, number: usize) -> Result<PatientId, Error> {
    let mut other = patient.clone();
    other.id = PatientId(Uuid::now_v7());
    other.profile.expose_mut().last_name = format!("Patient{number}");
    patients::patient_insert(tx, &other).await?;
    Ok(other.id)
}

/// What is asked, under the name it is reported by.
fn questions(fill: &Fill) -> Vec<(&'static str, String)> {
    let patient = fill.patients[0];
    let cursor = fill.middle.map(|id| base62(id.0.as_u128())).unwrap_or_default();
    let (half, last) = (fill.made / 2, fill.made);
    let (middle, after, recent) = (fill.at(half), fill.at(half + half / 10), fill.at(last - 50).plus_days(3));
    let (begin, end) = (fill.begin, fill.at(last).plus_days(3650));
    vec![
        ("no_filter", String::new()),
        ("status_rare", "status=pending".to_owned()),
        ("status_common", "status=delivered".to_owned()),
        ("status_none", "status=on_hold".to_owned()),
        ("patient", format!("patient_id={patient}")),
        ("patient_and_status", format!("patient_id={patient}&status=delivered")),
        ("created_tenth_in_the_middle", format!("created_from={middle}&created_until={after}")),
        ("created_all", format!("created_from={begin}&created_until={end}")),
        ("created_old_and_status", format!("created_until={middle}&status=shipped")),
        ("updated_few", format!("updated_from={recent}")),
        ("updated_all", format!("updated_from={begin}")),
        ("updated_few_and_status", format!("updated_from={recent}&status=delivered")),
        ("deep_no_filter", format!("cursor={cursor}")),
        ("deep_status_common", format!("cursor={cursor}&status=delivered")),
        ("deep_updated_all", format!("cursor={cursor}&updated_from={begin}")),
        ("page_of_100", "limit=100".to_owned()),
    ]
}

async fn ask(server: &Server, fill: &Fill) -> Result<Vec<(&'static str, Latencies)>, Failure> {
    let mut connection = Connection::open(server).await?;
    let mut told = Vec::new();
    for (name, query) in questions(fill) {
        let mut latencies = Latencies::new();
        for round in 0..REQUESTS + REQUESTS / 10 {
            let took = connection.page(&query).await?;
            if round >= REQUESTS / 10 {
                latencies.record(took);
            }
        }
        eprintln!("    {name}: {}", latencies.to_json());
        told.push((name, latencies));
    }
    Ok(told)
}

/// One keep-alive connection with the key of the seeded clinic.
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    host: SocketAddr,
    key: String,
}

impl Connection {
    async fn open(server: &Server) -> Result<Self, Failure> {
        let host = server.address();
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, host, key: server.seeded("/keys/integration")?.to_owned() })
    }

    /// Reads a page; how long until its last byte.
    async fn page(&mut self, query: &str) -> Result<Duration, Failure> {
        let request = Request::get(format!("/api/external/medication-order?{query}"))
            .header(header::HOST, self.host.to_string())
            .header("x-api-key", &self.key)
            .body(Empty::new())?;
        let begun = Instant::now();
        self.sender.ready().await?;
        let reply = self.sender.send_request(request).await?;
        let status = reply.status();
        let body = reply.into_body().collect().await?.to_bytes();
        match status.is_success() {
            true => Ok(begun.elapsed()),
            false => Err(format!("{query}: {status}: {}", String::from_utf8_lossy(&body)).into()),
        }
    }
}
