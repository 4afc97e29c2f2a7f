//! Whatever bytes a receiver sends: the client ends in time, and holds to its bounds.

use std::time::Duration;

use nimbus_webhooks::client::{BODY_KEPT, Outcome, WebhookClient};
use nimbus_webhooks::kept;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;

use crate::support::{LOCAL, Receiver, post_with, read_request};

const CASES: u32 = 300;
const DEADLINE: Duration = Duration::from_millis(150);
/// A busy machine is late, but not by this.
const LATEST_MS: i64 = 3_000;

/// What a receiver does with a connection.
#[derive(Debug, Clone)]
struct Script {
    reads_first: bool,
    writes: Vec<Vec<u8>>,
    closes: bool,
    tls: bool,
}

/// Bytes that get past the first checks of a parser more often than random ones.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 204 \r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 410 Gone\r\n",
        "HTTP/1.1 503 \r\nretry-after: 99999999999999999999\r\n",
        "content-length: 5\r\n",
        "content-length: 18446744073709551615\r\n",
        "transfer-encoding: chunked\r\n",
        "connection: close\r\n",
        "trailer: x\r\n",
        "\r\n",
        "\n",
        "5\r\nhello\r\n",
        "ffffffffffffffff\r\n",
        "0\r\n\r\n",
        "x: \u{0}\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{3}\u{0}\u{7a}\u{2}",
        "\u{15}\u{3}\u{3}\u{0}\u{2}\u{2}\u{28}",
    ]);
    prop_oneof![
        4 => text.prop_map(|text| text.as_bytes().to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (any::<u8>(), 1_usize..40_000).prop_map(|(byte, count)| vec![byte; count]),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let writes = prop::collection::vec(piece(), 0..8);
    (any::<bool>(), writes, prop::bool::weighted(0.8), prop::bool::weighted(0.2))
        .prop_map(|(reads_first, writes, closes, tls)| Script { reads_first, writes, closes, tls })
}

async fn holds_to_its_bounds(client: &WebhookClient, script: Script) -> Result<(), TestCaseError> {
    let (does, tls) = (script.clone(), script.tls);
    let receiver = Receiver::start(move |mut stream| {
        let script = does.clone();
        async move {
            if script.reads_first && !script.tls {
                read_request(&mut stream).await;
            }
            for write in &script.writes {
                if stream.write_all(write).await.is_err() {
                    return;
                }
            }
            if !script.closes {
                sleep(DEADLINE * 4).await;
            }
        }
    })
    .await;
    let url = match tls {
        true => receiver.url().replace("http:", "https:"),
        false => receiver.url(),
    };
    let answer = post_with(client, &url, DEADLINE).await;
    prop_assert!(answer.elapsed_ms < LATEST_MS, "{} ms", answer.elapsed_ms);
    prop_assert!(answer.body.len() <= BODY_KEPT);
    let kept: usize = answer.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    prop_assert!(kept <= kept::MAX_BYTES && answer.headers.len() <= kept::MAX_NAMES);
    let is_2xx = answer.status.is_some_and(|status| (200..300).contains(&status));
    prop_assert!(answer.outcome != Outcome::Success || is_2xx);
    prop_assert_eq!(answer.cause().is_none(), answer.outcome == Outcome::Success);
    prop_assert!(!tls || answer.status.is_none(), "no answer without TLS");
    Ok(())
}

#[test]
fn no_bytes_hang_or_break_the_client() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = WebhookClient::new(LOCAL, None);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let result = runner.run(&script(), |script| runtime.block_on(holds_to_its_bounds(&client, script)));
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
