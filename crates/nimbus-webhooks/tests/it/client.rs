//! The webhook client against receivers that behave well, badly and not at all.

use std::time::Duration;

use crate::support::{BODY, DEADLINE, LOCAL, Receiver, STRICT, post, post_with, read_request};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use nimbus_webhooks::cause::Cause;
use nimbus_webhooks::client::{BODY_KEPT, LONGEST_DEADLINE, Outcome, Outgoing, USER_AGENT, WebhookClient};
use nimbus_webhooks::url::EndpointUrl;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn sends_the_exact_request() {
    let (sender, mut requests) = mpsc::channel(1);
    let receiver = Receiver::start(move |mut stream| {
        let sender = sender.clone();
        async move {
            sender.send(read_request(&mut stream).await.unwrap()).await.unwrap();
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    })
    .await;
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
    headers.insert("user-agent", HeaderValue::from_static("other"));
    headers.insert("host", HeaderValue::from_static("elsewhere.example"));
    headers.insert("content-length", HeaderValue::from_static("3"));
    headers.insert("transfer-encoding", HeaderValue::from_static("chunked"));
    let url = EndpointUrl::parse(&format!("{}?a=1", receiver.url()), LOCAL).unwrap();
    let client = WebhookClient::new(LOCAL, None);
    let answer = client
        .post(Outgoing { url: &url, headers, body: Bytes::from_static(BODY), deadline: DEADLINE })
        .await;

    assert_eq!(
        (answer.outcome, answer.status, answer.body.as_slice()),
        (Outcome::Success, Some(200), &b"ok"[..])
    );
    assert_eq!(answer.hint(), None);
    let (head, body) = requests.recv().await.unwrap();
    assert_eq!(body, BODY);
    assert!(head.starts_with("post /hook?a=1 http/1.1\r\n"), "{head}");
    for line in [
        "webhook-id: msg_1".to_owned(),
        "content-type: application/json".to_owned(),
        format!("user-agent: {}", USER_AGENT.to_lowercase()),
        format!("host: 127.0.0.1:{}", receiver.port),
        format!("content-length: {}", BODY.len()),
    ] {
        assert_eq!(head.lines().filter(|l| *l == line).count(), 1, "{line} in {head}");
    }
    assert!(!head.contains("transfer-encoding"), "{head}");
}

#[tokio::test]
async fn keeps_the_connection_and_reconnects_when_it_was_closed() {
    let receiver = Receiver::start(|mut stream| async move {
        for _ in 0..3 {
            read_request(&mut stream).await.unwrap();
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    })
    .await;
    let client = WebhookClient::new(LOCAL, None);
    let mut dialled = Vec::new();
    for _ in 0..6 {
        let answer = post_with(&client, &receiver.url(), DEADLINE).await;
        assert_eq!(answer.outcome, Outcome::Success);
        assert_eq!(answer.reused, Some(answer.dial.is_none()));
        let head = answer.first_byte_us.unwrap();
        assert!((0..=(answer.elapsed_ms + 1) * 1000).contains(&head), "{head}");
        if let Some(times) = answer.dial {
            assert!(
                times.dns_us.is_some() && times.connect_us.is_some() && times.tls_us.is_none(),
                "{times:?}"
            );
        }
        dialled.push(answer.dial.is_some());
        // Lets the pool take the connection back, or see it closed.
        sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(receiver.accepted(), 2);
    assert_eq!(dialled, [true, false, false, true, false, false]);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = Receiver::answering(OK).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let head = format!("HTTP/1.1 {status}\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", target.url());
        let receiver = Receiver::answering(head).await;
        let answer = post(&receiver.url(), DEADLINE).await;
        assert_eq!(answer.outcome, Outcome::Failed(Cause::Redirect));
        assert!(answer.hint().unwrap().contains("Redirects are not followed"));
    }
    assert_eq!(target.accepted(), 0);
}

#[tokio::test]
async fn the_status_decides() {
    for (head, outcome, retry_after) in [
        ("201 Created\r\nretry-after: 5", Outcome::Success, None),
        ("299 Odd", Outcome::Success, None),
        ("400 Bad", Outcome::Failed(Cause::ClientError), None),
        ("410 Gone", Outcome::Gone, None),
        ("429 Slow\r\nretry-after: 120", Outcome::Failed(Cause::RateLimited), Some("120")),
        ("502 Bad\r\nretry-after: 7", Outcome::Failed(Cause::ServerError), Some("7")),
        ("504 Late\r\nretry-after: 8", Outcome::Failed(Cause::ServerError), Some("8")),
        (
            "503 Busy\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT",
            Outcome::Failed(Cause::ServerError),
            Some("Sun, 06 Nov 1994 08:49:37 GMT"),
        ),
        ("500 Oops\r\nretry-after: 120", Outcome::Failed(Cause::ServerError), None),
        ("999 Odd", Outcome::Failed(Cause::Status), None),
    ] {
        let receiver = Receiver::answering(format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n")).await;
        let answer = post(&receiver.url(), DEADLINE).await;
        assert_eq!((answer.outcome, answer.retry_after.as_deref()), (outcome, retry_after), "{head}");
        assert_eq!(answer.hint().is_none(), outcome == Outcome::Success, "{head}");
    }
    for (response, outcome) in [
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), Outcome::Success),
        (format!("HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n{OK}"), Outcome::Success),
        (
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n".to_owned(),
            Outcome::Failed(Cause::Status),
        ),
    ] {
        let receiver = Receiver::answering(response.clone()).await;
        let answer = post(&receiver.url(), DEADLINE).await;
        assert_eq!(answer.outcome, outcome, "{response}");
    }
}

#[tokio::test]
async fn a_slow_body_is_cut_by_the_deadline_and_the_connection_closed() {
    let (closed, mut seen) = mpsc::channel(1);
    let receiver = Receiver::start(move |mut stream| {
        let closed = closed.clone();
        async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await.unwrap();
            while stream.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
            closed.send(()).await.unwrap();
        }
    })
    .await;
    let answer = post(&receiver.url(), Duration::from_millis(300)).await;
    assert_eq!((answer.outcome, answer.status), (Outcome::Failed(Cause::TimeoutBody), Some(200)));
    assert!((300..1500).contains(&answer.elapsed_ms), "{}", answer.elapsed_ms);
    assert!(answer.body.starts_with(b"xx"));
    timeout(DEADLINE, seen.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn silence_is_a_timeout_at_every_stage() {
    let before_head = Receiver::start(|mut stream| async move {
        read_request(&mut stream).await.unwrap();
        sleep(LONGEST_DEADLINE).await;
    })
    .await;
    let before_tls = Receiver::start(|stream| async move {
        sleep(LONGEST_DEADLINE).await;
        drop(stream);
    })
    .await;
    for (url, cause) in [
        (before_head.url(), Cause::TimeoutFirstByte),
        (before_tls.url().replace("http:", "https:"), Cause::TimeoutTls),
    ] {
        let answer = post(&url, Duration::from_millis(200)).await;
        assert_eq!((answer.outcome, answer.status), (Outcome::Failed(cause), None), "{url}");
        assert!((200..1500).contains(&answer.elapsed_ms), "{}", answer.elapsed_ms);
    }
}

#[tokio::test]
async fn an_endless_body_is_capped_and_judged_by_its_status() {
    let (written, mut total) = mpsc::channel(2);
    for (status, outcome) in [("200 OK", Outcome::Success), ("500 Oops", Outcome::Failed(Cause::ServerError))]
    {
        let written = written.clone();
        let receiver = Receiver::start(move |mut stream| {
            let written = written.clone();
            async move {
                read_request(&mut stream).await.unwrap();
                let head = format!("HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                let chunk = [b"400\r\n".as_slice(), &[b'x'; 1024], b"\r\n"].concat();
                let mut sent = 0_usize;
                while stream.write_all(&chunk).await.is_ok() {
                    sent += 1024;
                }
                written.send(sent).await.unwrap();
            }
        })
        .await;
        let answer = post(&receiver.url(), DEADLINE).await;
        assert_eq!(answer.outcome, outcome);
        assert_eq!(answer.body, vec![b'x'; BODY_KEPT]);
        assert!(answer.elapsed_ms < 2000, "{}", answer.elapsed_ms);
        // What the socket buffers took is all that a client that stopped reading lets through.
        let sent = timeout(DEADLINE, total.recv()).await.unwrap().unwrap();
        assert!(sent < 32 << 20, "{sent}");
    }
}

#[tokio::test]
async fn a_body_within_the_limit_is_read_out_and_the_connection_reused() {
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: 16384\r\n\r\n{}", "y".repeat(16384));
    let receiver = Receiver::answering(response).await;
    let client = WebhookClient::new(LOCAL, None);
    for _ in 0..3 {
        let answer = post_with(&client, &receiver.url(), DEADLINE).await;
        assert_eq!((answer.outcome, answer.body.len()), (Outcome::Success, BODY_KEPT));
        sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(receiver.accepted(), 1);
}

#[tokio::test]
async fn loopback_is_refused_where_the_policy_forbids_it() {
    let receiver = Receiver::answering(OK).await;
    let strict = WebhookClient::new(STRICT, None);
    for url in [
        "http://127.0.0.1",
        "https://127.0.0.1",
        "https://localhost",
        "http://localhost",
        "https://[::ffff:127.0.0.1]",
    ] {
        let answer = post_with(&strict, &format!("{url}:{}/", receiver.port), DEADLINE).await;
        assert_eq!(answer.outcome, Outcome::Failed(Cause::AddressRefused), "{url}");
    }
    assert_eq!(receiver.accepted(), 0);
    let allowed = post(&format!("http://localhost:{}/", receiver.port), DEADLINE).await;
    assert_eq!(allowed.outcome, Outcome::Success);
}

#[tokio::test]
async fn closed_connections_are_told_apart_from_refused_ones() {
    let reset = Receiver::start(|mut stream| async move {
        // Closing with unread bytes waiting sends RST.
        stream.read_u8().await.unwrap();
    })
    .await;
    let closed = Receiver::start(|mut stream| async move {
        read_request(&mut stream).await.unwrap();
    })
    .await;
    let half_head = Receiver::start(|mut stream| async move {
        read_request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await.unwrap();
    })
    .await;
    for receiver in [&reset, &closed, &half_head] {
        let answer = post(&receiver.url(), DEADLINE).await;
        assert_eq!((answer.outcome, answer.status), (Outcome::Failed(Cause::Reset), None));
    }

    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let answer = post(&format!("http://127.0.0.1:{free}/"), DEADLINE).await;
    assert_eq!(answer.outcome, Outcome::Failed(Cause::Refused));
    let answer = post("https://nimbus-webhooks.invalid/", Duration::from_secs(10)).await;
    // Where there are no name servers none says that the name does not exist.
    let causes = [Cause::DnsNotFound, Cause::DnsUnanswered, Cause::TimeoutDns].map(Outcome::Failed);
    assert!(causes.contains(&answer.outcome), "{:?}", answer.outcome);
}

#[tokio::test]
async fn a_truncated_body_leaves_the_status_standing() {
    let receiver = Receiver::start(|mut stream| async move {
        read_request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart").await.unwrap();
    })
    .await;
    let answer = post(&receiver.url(), DEADLINE).await;
    assert_eq!((answer.outcome, answer.body.as_slice()), (Outcome::Success, &b"part"[..]));
}

#[tokio::test]
async fn odd_responses_are_protocol_failures() {
    let many_fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101));
    let long_field = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(1 << 20));
    for response in [
        "SSH-2.0-OpenSSH_9.9\r\n\r\n",
        "HTTP/1.1 20 Short\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\nb\u{0}d: x\r\n\r\n",
        &many_fields,
        &long_field,
    ] {
        let receiver = Receiver::answering(response.as_bytes().to_vec()).await;
        let answer = post(&receiver.url(), DEADLINE).await;
        let start = &response[..response.len().min(40)];
        assert_eq!(answer.outcome, Outcome::Failed(Cause::Protocol), "{start:?}");
    }
}
