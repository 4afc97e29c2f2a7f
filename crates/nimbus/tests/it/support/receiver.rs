//! A partner's webhook receiver: answers as the test scripts it, and keeps every request that reached it.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use super::contract::check_delivery;

/// The longest body a receiver reads.
const MAX_BODY: usize = 1024 * 1024;

/// What the receiver does with one request.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    delay: Duration,
    hangs: bool,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO, hangs: false }
    }

    /// Reads the request and never answers.
    pub(crate) fn hang() -> Self {
        Self { hangs: true, ..Self::status(200) }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Answers only after so long.
    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// One request as it came.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// When its last byte was read.
    pub(crate) at: Instant,
    /// The same, in seconds since 1970.
    pub(crate) unix_seconds: i64,
}

impl Received {
    /// The value of a header, in whatever case it came.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a webhook's body is JSON")
    }

    pub(crate) fn webhook_id(&self) -> &str {
        self.header("webhook-id").expect("a webhook has an id")
    }

    pub(crate) fn event_type(&self) -> String {
        self.json()["event_type"].as_str().expect("a webhook has an event_type").to_owned()
    }
}

struct Script {
    next: VecDeque<Answer>,
    otherwise: Answer,
    received: Vec<Received>,
    answered: usize,
    /// Why the first delivery is not as documented that is not.
    undocumented: Option<String>,
    stopped: bool,
}

struct Shared {
    /// What is sent elsewhere is for a receiver that had this port before: its server does not know yet that it is gone.
    path: String,
    script: Mutex<Script>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Script> {
        // A test thread that panicked while it held the lock fails by itself; the receiver goes on.
        self.script.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A listening receiver; dropping it stops it and lets hanging requests go, and panics if a delivery came that is not
/// as the documents say.
pub(crate) struct Receiver {
    port: u16,
    /// No other receiver's.
    path: String,
    shared: Arc<Shared>,
}

impl Receiver {
    /// Answers 200 until it is told otherwise.
    pub(crate) fn start() -> Self {
        Self::answering(Answer::status(200))
    }

    /// Gives this answer to every request that the script does not cover.
    pub(crate) fn answering(otherwise: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let script = Script {
            next: VecDeque::new(),
            otherwise,
            received: Vec::new(),
            answered: 0,
            undocumented: None,
            stopped: false,
        };
        static RECEIVERS: AtomicUsize = AtomicUsize::new(1);
        let path = format!("/hook/{}", RECEIVERS.fetch_add(1, Ordering::Relaxed));
        let shared =
            Arc::new(Shared { path: path.clone(), script: Mutex::new(script), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.lock().stopped {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&accepting)) else { continue };
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { port, path, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.path)
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The answers to the next requests, in the order in which they come.
    pub(crate) fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.lock().next.extend(answers);
    }

    /// Changes the answer to every request that the script does not cover.
    pub(crate) fn otherwise(&self, answer: Answer) {
        self.shared.lock().otherwise = answer;
    }

    /// Everything received so far, in the order in which it came.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.lock().received.clone()
    }

    /// How many requests were answered in full.
    pub(crate) fn answered(&self) -> usize {
        self.shared.lock().answered
    }

    /// Waits until the requests satisfy the condition; panics with what came instead when the time is up.
    pub(crate) fn wait_until(
        &self,
        what: &str,
        patience: Duration,
        mut satisfied: impl FnMut(&[Received]) -> bool,
    ) -> Vec<Received> {
        let until = Instant::now() + patience;
        let mut script = self.shared.lock();
        loop {
            if satisfied(&script.received) {
                return script.received.clone();
            }
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                let came: Vec<String> = script.received.iter().map(describe).collect();
                drop(script);
                panic!("{what}: not within {patience:?}; {} requests came: {came:#?}", came.len());
            };
            let waited = self.shared.changed.wait_timeout(script, left);
            script = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Waits for so many requests.
    pub(crate) fn wait_for(&self, count: usize, patience: Duration) -> Vec<Received> {
        self.wait_until(&format!("{count} requests"), patience, |received| received.len() >= count)
    }

    /// Waits for an event of this type; the first one.
    pub(crate) fn wait_for_type(&self, event_type: &str, patience: Duration) -> Received {
        let is_wanted = |received: &Received| received.event_type() == event_type;
        let received = self.wait_until(event_type, patience, |received| received.iter().any(is_wanted));
        received.into_iter().find(is_wanted).expect("it was there a moment ago")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        // Wakes the accepting thread, which then sees that it is over.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        let undocumented = self.shared.lock().undocumented.take();
        if let (Some(why), false) = (undocumented, thread::panicking()) {
            panic!("not as documented: {why}");
        }
    }
}

fn describe(received: &Received) -> String {
    let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
    format!("{} {} #{}", received.header("webhook-id").unwrap_or("?"), body["event_type"], body["sequence"])
}

/// Serves one connection until it ends.
fn serve(stream: TcpStream, shared: &Shared) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some(received) = read_request(&mut reader) {
        if received.path.split('?').next() != Some(&shared.path) {
            if write_answer(&mut writer, &Answer::status(410)).is_err() {
                return;
            }
            continue;
        }
        let checked = check_delivery(|name| received.header(name), &received.body);
        let answer = {
            let mut script = shared.lock();
            if let (None, Err(why)) = (&script.undocumented, checked) {
                let body = String::from_utf8_lossy(&received.body);
                script.undocumented = Some(format!("{why}\n{body}"));
            }
            if script.stopped {
                return;
            }
            let answer = script.next.pop_front().unwrap_or_else(|| script.otherwise.clone());
            script.received.push(received);
            answer
        };
        shared.changed.notify_all();
        if answer.hangs {
            wait_while_running(shared, None);
            return;
        }
        if !answer.delay.is_zero() {
            wait_while_running(shared, Some(answer.delay));
        }
        if write_answer(&mut writer, &answer).is_err() {
            return;
        }
        shared.lock().answered += 1;
        shared.changed.notify_all();
    }
}

/// Waits until the receiver is stopped, or for so long.
fn wait_while_running(shared: &Shared, limit: Option<Duration>) {
    let until = limit.map(|limit| Instant::now() + limit);
    let mut script = shared.lock();
    while !script.stopped {
        let left =
            until.map_or(Duration::from_secs(60), |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return;
        }
        let waited = shared.changed.wait_timeout(script, left);
        script = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
    }
}

/// Reads one request; `None` when the connection ends before all of it came.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    assert!(length <= MAX_BODY, "a webhook is never that large");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let unix_seconds = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    let unix_seconds = i64::try_from(unix_seconds).expect("seconds fit");
    Some(Received { path, headers, body, at: Instant::now(), unix_seconds })
}

fn write_answer(writer: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    let mut head =
        format!("HTTP/1.1 {} Scripted\r\nContent-Length: {}\r\n", answer.status, answer.body.len());
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    writer.write_all(&[head.as_bytes(), &answer.body].concat())?;
    writer.flush()
}
