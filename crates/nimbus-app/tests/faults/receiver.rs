//! A receiver of webhooks that keeps what came, in the order in which it came.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

#[derive(Clone)]
pub(crate) struct Arrival {
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) body: Vec<u8>,
}

#[derive(Default)]
struct Kept {
    arrivals: Mutex<Vec<Arrival>>,
    /// Requests on this path are answered with 500.
    failing: Mutex<Option<String>>,
    /// Every so many-th request is answered with 500; none, if it is 0.
    fails_each: AtomicUsize,
}

/// Answers 200 where it is not told otherwise.
#[derive(Clone)]
pub(crate) struct Receiver {
    kept: Arc<Kept>,
    pub(crate) url: String,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let receiver = Self { kept: Arc::default(), url };
        let kept = Arc::clone(&receiver.kept);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                // A connection that breaks off ends its task alone.
                tokio::spawn(async move { drop(serve(stream, &kept).await) });
            }
        });
        receiver
    }

    /// Answers requests on this path with 500, and no others.
    pub(crate) fn fail_on(&self, path: Option<&str>) {
        *self.kept.failing.lock().unwrap_or_else(PoisonError::into_inner) = path.map(str::to_owned);
    }

    pub(crate) fn fail_each(&self, nth: usize) {
        self.kept.fails_each.store(nth, Ordering::Relaxed);
    }

    /// What came on paths that begin so.
    pub(crate) fn arrivals(&self, prefix: &str) -> Vec<Arrival> {
        lock(&self.kept).iter().filter(|one| one.path.starts_with(prefix)).cloned().collect()
    }
}

fn lock(kept: &Kept) -> MutexGuard<'_, Vec<Arrival>> {
    kept.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(stream: TcpStream, kept: &Kept) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut id, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "webhook-id" => value.trim().clone_into(&mut id),
                "content-length" => length = value.trim().parse().unwrap_or(0),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let fails = kept.failing.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(&path);
        let count = {
            let mut arrivals = lock(kept);
            arrivals.push(Arrival { path, id, body });
            arrivals.len()
        };
        let nth = kept.fails_each.load(Ordering::Relaxed);
        let status = if fails || nth > 0 && count % nth == 0 { 500 } else { 200 };
        let answer = format!("HTTP/1.1 {status} Told\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
    }
}
