//! A stand-in for ShipEngine that speaks its wire format, with the faults that a network and a provider have.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// The longest body that is read.
const MAX_BODY: usize = 1 << 20;
/// How long a reply that never comes is held back; every deadline is over by then.
const FOREVER: Duration = Duration::from_secs(120);

/// How often a label that waits looks whether it still has to.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No reply, and nothing is done.
    Hang,
    /// It is done, and the reply is lost on the way.
    LostReply,
    /// It is done, and the reply is held back until whoever waits for it is gone.
    HeldReply,
    /// Nothing is done; with the seconds of `Retry-After`.
    TooManyRequests(u32),
    /// Nothing is done.
    Status(u16),
    /// Nothing is done: a validation error with this code, whose message repeats the address.
    Refused(&'static str),
    /// It is done, and the reply is no JSON.
    Garbage,
    /// It is done; the number is another carrier's.
    ForeignNumber,
    /// Nothing is done for the caller: the reply is another parcel's label.
    OtherLabel,
    /// Nothing is done for the caller: the reply is the first label ever made, without its external id and by another
    /// service.
    FirstLabel,
    /// It is done; the document lies on another host.
    DocumentElsewhere,
    /// It is done; the document cannot be fetched this once, with this status.
    DocumentFails(u16),
    /// It is done, the reply is lost, and the first look for it has this status.
    FindFails(u16),
    /// A redirect to another host.
    Redirect,
}

/// A label as the provider keeps it.
#[derive(Debug, Clone)]
struct Label {
    id: String,
    external_id: String,
    number: String,
    shipment: Value,
    is_voided: bool,
}

#[derive(Default)]
struct Books {
    labels: Vec<Label>,
    is_slow: bool,
    faults: VecDeque<Fault>,
    document_fails: Option<u16>,
    find_fails: Option<u16>,
    void_refused: bool,
    requests: Vec<(String, Value)>,
    estimates: Option<Value>,
}

/// A listening provider. Its threads end with the process.
#[derive(Clone)]
pub struct StandIn {
    port: u16,
    books: Arc<Mutex<Books>>,
}

/// The key that it knows its one client by.
pub const KEY: &str = "TEST_stand-in";

impl StandIn {
    /// Listens on a free port of this machine.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let provider = Self { port, books: Arc::default() };
        let serving = provider.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let provider = serving.clone();
                thread::spawn(move || provider.serve(stream));
            }
        });
        provider
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next label that is asked for goes wrong so; several in turn.
    pub fn fail_next(&self, fault: Fault) {
        self.lock().faults.push_back(fault);
    }

    /// Labels that are asked for wait, until this is taken back.
    pub fn be_slow(&self, slow: bool) {
        self.lock().is_slow = slow;
    }

    /// Whether labels are taken back.
    pub fn refuse_voids(&self, refuse: bool) {
        self.lock().void_refused = refuse;
    }

    /// What `POST /v1/rates/estimate` answers; without it 500.
    pub fn estimates(&self, rates: Value) {
        self.lock().estimates = Some(rates);
    }

    /// The labels that were paid for and not given back: their external ids and tracking numbers.
    pub fn paid(&self) -> Vec<(String, String)> {
        let books = self.lock();
        let paid = books.labels.iter().filter(|label| !label.is_voided);
        paid.map(|label| (label.external_id.clone(), label.number.clone())).collect()
    }

    /// How many labels were ever made.
    pub fn made(&self) -> usize {
        self.lock().labels.len()
    }

    /// Every request: method and path, and its body.
    pub fn requests(&self) -> Vec<(String, Value)> {
        self.lock().requests.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) {
        let Ok(reading) = stream.try_clone() else { return };
        let (mut reader, mut writer) = (BufReader::new(reading), stream);
        while let Some((line, key, body)) = read_request(&mut reader) {
            let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            self.lock().requests.push((line.clone(), body.clone()));
            let reply = match key.as_deref() == Some(KEY) {
                true => self.answer(&line, &body),
                false => Some(error(401, "unauthorized")),
            };
            let Some(reply) = reply else {
                writer.shutdown(Shutdown::Both).ok();
                return;
            };
            if writer.write_all(&reply).is_err() {
                return;
            }
        }
    }

    fn answer(&self, line: &str, body: &Value) -> Option<Vec<u8>> {
        match line.split_once(' ')? {
            ("POST", "/v1/labels") => self.buy(body),
            ("POST", "/v1/rates/estimate") => {
                let rates = self.lock().estimates.clone();
                Some(rates.map_or_else(|| error(500, "unspecified"), |rates| reply(200, &rates.to_string())))
            }
            ("GET", path) if path.starts_with("/v1/labels/external_shipment_id/") => {
                let id = path.rsplit('/').next()?;
                if let Some(status) = self.lock().find_fails.take() {
                    return Some(error(status, "unauthorized"));
                }
                let found = self.lock().labels.iter().find(|label| label.external_id == id).cloned();
                Some(found.map_or_else(|| error(404, "not_found"), |label| self.shown(&label, None)))
            }
            ("GET", path) if path.starts_with("/v1/downloads/") => match self.lock().document_fails.take() {
                Some(status) => Some(error(status, "unspecified")),
                None => Some(reply(200, &format!("%PDF-1.4 label of {path}"))),
            },
            ("PUT", path) if path.ends_with("/void") => Some(self.void(path)),
            _ => Some(error(404, "not_found")),
        }
    }

    fn buy(&self, body: &Value) -> Option<Vec<u8>> {
        while self.lock().is_slow {
            thread::sleep(LOOK_AGAIN);
        }
        let fault = self.lock().faults.pop_front();
        match fault {
            Some(Fault::Hang) => {
                thread::sleep(FOREVER);
                return None;
            }
            Some(Fault::TooManyRequests(seconds)) => {
                let head = format!("HTTP/1.1 429 x\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n");
                return Some(head.into_bytes());
            }
            Some(Fault::Status(status)) => return Some(error(status, "unspecified")),
            Some(Fault::Refused(code)) => return Some(error(400, code)),
            Some(Fault::Redirect) => {
                let head =
                    "HTTP/1.1 307 x\r\nlocation: http://192.0.2.1/v1/labels\r\ncontent-length: 0\r\n\r\n";
                return Some(head.as_bytes().to_vec());
            }
            Some(Fault::OtherLabel) => {
                let other = Label {
                    id: "se-999".to_owned(),
                    external_id: "somebody-elses".to_owned(),
                    number: "1Z999AA10123456784".to_owned(),
                    shipment: body["shipment"].clone(),
                    is_voided: false,
                };
                return Some(self.shown(&other, None));
            }
            Some(Fault::FirstLabel) => {
                let first = self.lock().labels.first().cloned()?;
                let mut shown = self.described(&first, None);
                shown["external_shipment_id"] = Value::Null;
                shown["service_code"] = json!("ups_2nd_day_air");
                return Some(reply(200, &shown.to_string()));
            }
            _ => {}
        }
        let label = self.make(&body["shipment"], fault);
        match fault {
            Some(Fault::LostReply | Fault::FindFails(_)) => None,
            Some(Fault::HeldReply) => {
                thread::sleep(FOREVER);
                None
            }
            Some(Fault::Garbage) => Some(reply(200, "<html>all is well</html>")),
            Some(Fault::DocumentElsewhere) => Some(self.shown(&label, Some("http://192.0.2.1/label.pdf"))),
            _ => Some(self.shown(&label, None)),
        }
    }

    fn make(&self, shipment: &Value, fault: Option<Fault>) -> Label {
        let mut books = self.lock();
        let serial = books.labels.len() + 1;
        let text = |name: &str| shipment[name].as_str().unwrap_or_default().to_owned();
        let carrier = match fault {
            Some(Fault::ForeignNumber) => "se-3818360".to_owned(),
            _ => text("carrier_id"),
        };
        let service =
            if fault == Some(Fault::ForeignNumber) { "fedex_2day".to_owned() } else { text("service_code") };
        let number = crate::built_in::Accounts::default()
            .number(&carrier, &service, i64::try_from(serial).unwrap_or(1) + 500)
            .map(|number| number.as_str().to_owned())
            .unwrap_or_default();
        let label = Label {
            id: format!("se-{serial}"),
            external_id: text("external_shipment_id"),
            number,
            shipment: shipment.clone(),
            is_voided: false,
        };
        match fault {
            Some(Fault::DocumentFails(status)) => books.document_fails = Some(status),
            Some(Fault::FindFails(status)) => books.find_fails = Some(status),
            _ => {}
        }
        books.labels.push(label.clone());
        label
    }

    fn shown(&self, label: &Label, document: Option<&str>) -> Vec<u8> {
        reply(200, &self.described(label, document).to_string())
    }

    fn described(&self, label: &Label, document: Option<&str>) -> Value {
        let own = format!("{}/v1/downloads/10/{}.pdf", self.url(), label.id);
        json!({
            "label_id": label.id,
            "status": if label.is_voided { "voided" } else { "completed" },
            "shipment_id": format!("{}0", label.id),
            "external_shipment_id": label.external_id,
            "ship_date": label.shipment["ship_date"],
            "shipment_cost": {"currency": "usd", "amount": 8.45},
            "insurance_cost": {"currency": "usd", "amount": 0.0},
            "tracking_number": label.number,
            "is_return_label": false,
            "carrier_id": label.shipment["carrier_id"],
            "service_code": label.shipment["service_code"],
            "voided": label.is_voided,
            "label_format": "pdf",
            "label_layout": "4x6",
            "trackable": true,
            "tracking_status": "unknown",
            "label_download": {"pdf": document.unwrap_or(&own), "href": document.unwrap_or(&own)},
        })
    }

    fn void(&self, path: &str) -> Vec<u8> {
        let mut books = self.lock();
        if books.void_refused {
            return reply(200, &json!({"approved": false, "message": "Too late."}).to_string());
        }
        let id = path.trim_end_matches("/void").rsplit('/').next().unwrap_or_default().to_owned();
        match books.labels.iter_mut().find(|label| label.id == id) {
            None => error(404, "not_found"),
            Some(label) => {
                label.is_voided = true;
                reply(200, &json!({"approved": true, "message": "Request for refund submitted."}).to_string())
            }
        }
    }
}

/// Method and path, the API key, and the body.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<(String, Option<String>, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let request = format!("{} {}", words.next()?, words.next()?);
    let (mut length, mut key) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok().filter(|length| *length <= MAX_BODY)?,
            "api-key" => key = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((request, key, body))
}

fn reply(status: u16, body: &str) -> Vec<u8> {
    let kind = if body.starts_with("%PDF") { "application/pdf" } else { "application/json" };
    format!("HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn error(status: u16, code: &str) -> Vec<u8> {
    let body = json!({
        "request_id": "b1a2",
        "errors": [{
            "error_source": "shipengine", "error_type": "validation", "error_code": code,
            "message": "ship_to 456 Oak Ave, Austin cannot be served",
        }],
    });
    reply(status, &body.to_string())
}
