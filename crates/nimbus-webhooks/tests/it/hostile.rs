//! The webhook client against receivers that mean harm, or are badly broken.

use std::time::Duration;

use nimbus_webhooks::cause::Cause;
use nimbus_webhooks::client::{BODY_KEPT, LONGEST_DEADLINE, Outcome, WebhookClient};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{DEADLINE, LOCAL, Receiver, post, post_with, read_request};

const SHORT: Duration = Duration::from_millis(400);
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Writes `start` to each connection, then `again` every so often for as long as the client listens.
async fn dripping(start: &'static str, again: &'static str, every: Duration) -> Receiver {
    Receiver::start(move |mut stream| async move {
        read_request(&mut stream).await.unwrap();
        let mut text = start;
        while stream.write_all(text.as_bytes()).await.is_ok() {
            text = again;
            sleep(every).await;
        }
    })
    .await
}

/// A port whose queue of connections is full: what dials it gets no answer at all.
async fn never_accepting() -> (tokio::net::TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
        assert!(waiting.len() < 100, "the queue is not bounded");
    }
    (listener, waiting)
}

#[tokio::test]
async fn a_receiver_that_does_not_accept_is_a_timeout_of_the_connection() {
    let (listener, _waiting) = never_accepting().await;
    let answer = post(&format!("http://{}/", listener.local_addr().unwrap()), SHORT).await;
    assert_eq!((answer.outcome, answer.status), (Outcome::Failed(Cause::TimeoutConnect), None));
    assert!((400..1500).contains(&answer.elapsed_ms), "{}", answer.elapsed_ms);
    let times = answer.dial.unwrap();
    assert!(times.connect_us.unwrap() >= 300_000 && answer.first_byte_us.is_none(), "{times:?}");
}

#[tokio::test]
async fn what_never_ends_ends_with_the_deadline() {
    let second = Duration::from_secs(1);
    let often = Duration::from_millis(5);
    for (start, again, every, outcome, status) in [
        ("H", "T", second, Cause::TimeoutFirstByte, None),
        ("HTTP/1.1 200 OK\r\n", "a: b\r\n", second, Cause::TimeoutFirstByte, None),
        (
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            often,
            Cause::TimeoutFirstByte,
            None,
        ),
        (
            "HTTP/1.1 103 Early Hints\r\n\r\n",
            "HTTP/1.1 102 Busy\r\n\r\n",
            often,
            Cause::TimeoutFirstByte,
            None,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", "", second, Cause::TimeoutBody, Some(200)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", "x", second, Cause::TimeoutBody, Some(200)),
        ("HTTP/1.1 200 OK\r\n\r\n", "x", second, Cause::TimeoutBody, Some(200)),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "0", often, Cause::TimeoutBody, Some(200)),
        ("HTTP/1.1 500 Oops\r\ncontent-length: 9\r\n\r\n", "x", second, Cause::ServerError, Some(500)),
    ] {
        let receiver = dripping(start, again, every).await;
        let answer = post(&receiver.url(), SHORT).await;
        assert_eq!(answer.outcome, Outcome::Failed(outcome), "{start:?} {again:?}");
        assert_eq!(answer.status, status, "{start:?}");
        assert_eq!(answer.first_byte_us.is_some(), status.is_some(), "{start:?}");
        assert!(answer.elapsed_ms < 1500, "{start:?}: {}", answer.elapsed_ms);
    }
}

#[tokio::test]
async fn informational_answers_before_the_real_one_are_passed_over() {
    for first in ["100 Continue", "102 Processing", "103 Early Hints\r\nlink: <a>"] {
        let response = format!("HTTP/1.1 {first}\r\n\r\nHTTP/1.1 {first}\r\n\r\n{OK}");
        let receiver = Receiver::answering(response).await;
        let answer = post(&receiver.url(), DEADLINE).await;
        assert_eq!((answer.outcome, answer.status), (Outcome::Success, Some(200)), "{first}");
    }
}

#[tokio::test]
async fn ten_gigabytes_are_neither_read_nor_waited_for() {
    for length in ["content-length: 10737418240", "x-none: 1"] {
        let receiver = Receiver::start(move |mut stream| async move {
            read_request(&mut stream).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\n{length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let block = vec![b'x'; 1 << 20];
            for _ in 0..10 << 10 {
                if stream.write_all(&block).await.is_err() {
                    return;
                }
            }
        })
        .await;
        let answer = post(&receiver.url(), DEADLINE).await;
        assert_eq!((answer.outcome, answer.body), (Outcome::Success, vec![b'x'; BODY_KEPT]));
        assert!(answer.elapsed_ms < 2000, "{}", answer.elapsed_ms);
    }
}

/// What follows a body that is longer than it said is nobody's answer.
#[tokio::test]
async fn bytes_after_the_body_are_not_taken_for_the_next_answer() {
    let response = format!("{OK}HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n");
    let receiver = Receiver::answering(response).await;
    let client = WebhookClient::new(LOCAL, None);
    for round in 0..10 {
        let answer = post_with(&client, &receiver.url(), DEADLINE).await;
        assert_eq!(answer.outcome, Outcome::Success, "round {round}");
        if round % 2 == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn lengths_that_contradict_each_other_are_refused() {
    for lengths in ["content-length: 2\r\ncontent-length: 3", "content-length: -1", "content-length: 2, 3"] {
        let receiver = Receiver::answering(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nok")).await;
        let answer = post(&receiver.url(), DEADLINE).await;
        assert_eq!(answer.outcome, Outcome::Failed(Cause::Protocol), "{lengths}");
    }
}

#[tokio::test]
async fn what_is_not_http_1_is_a_protocol_failure() {
    for response in [
        "<html>hello</html>\n",
        "hello\n",
        "\0\0\0\0",
        "HTTP/0.9 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "220 mail ESMTP\r\n",
    ] {
        let receiver = Receiver::start(move |mut stream| async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(response.as_bytes()).await.unwrap();
        })
        .await;
        let answer = post(&receiver.url(), DEADLINE).await;
        assert_eq!(answer.outcome, Outcome::Failed(Cause::Protocol), "{response:?}");
    }
}

#[tokio::test]
async fn fields_are_kept_within_bounds_and_without_credentials() {
    let fields: String = (0..60).map(|index| format!("x-{index:02}: {}\r\n", "v".repeat(100))).collect();
    let response = format!(
        "HTTP/1.1 500 Oops\r\nserver: test\r\nset-cookie: sid=1\r\n{fields}content-length: 0\r\n\r\n"
    );
    let receiver = Receiver::answering(response).await;
    let answer = post(&receiver.url(), DEADLINE).await;
    assert_eq!(answer.outcome, Outcome::Failed(Cause::ServerError));
    let kept: usize = answer.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!((2000..=4096).contains(&kept) && answer.headers.len() <= 50, "{kept} bytes");
    assert!(answer.headers.contains(&("server".to_owned(), "test".to_owned())));
    assert!(answer.headers.iter().all(|(name, _)| name != "set-cookie"));
}

/// All of them at once, over one client: the healthy receiver notices nothing.
#[tokio::test]
async fn hostile_receivers_disturb_no_other() {
    let (full, _waiting) = never_accepting().await;
    let silent = Receiver::start(|stream| async move {
        sleep(LONGEST_DEADLINE).await;
        drop(stream);
    })
    .await;
    let trickling = dripping("HTTP/1.1 200 OK\r\n\r\n", "x", Duration::from_secs(1)).await;
    let garbage = Receiver::answering("garbage\r\n\r\n").await;
    let healthy = Receiver::answering(OK).await;
    let client = WebhookClient::new(LOCAL, None);
    let urls = [
        format!("http://{}/", full.local_addr().unwrap()),
        silent.url(),
        silent.url().replace("http:", "https:"),
        trickling.url(),
        garbage.url(),
    ];
    let mut hostile = tokio::task::JoinSet::new();
    for index in 0..200 {
        let (client, url) = (client.clone(), urls[index % urls.len()].clone());
        hostile.spawn(async move { post_with(&client, &url, Duration::from_secs(2)).await });
    }
    let started = Instant::now();
    for _ in 0..100 {
        let answer = post_with(&client, &healthy.url(), DEADLINE).await;
        assert_eq!(answer.outcome, Outcome::Success);
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(healthy.accepted(), 1);
    while let Some(answer) = hostile.join_next().await {
        let answer = answer.unwrap();
        assert!(matches!(answer.outcome, Outcome::Failed(_)));
        assert!(answer.elapsed_ms < 4000, "{}", answer.elapsed_ms);
    }
}
