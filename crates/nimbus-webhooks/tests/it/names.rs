//! The webhook client and name servers that fail, are slow, or answer anew.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nimbus_webhooks::cause::Cause;
use nimbus_webhooks::client::{LONGEST_DEADLINE, Outcome, WebhookClient};
use nimbus_webhooks::guard::AddressPolicy;
use nimbus_webhooks::resolver::{ResolveError, Resolver};
use tokio::time::sleep;

use crate::support::{DEADLINE, LOCAL, Receiver, STRICT, post_with};

/// Closes the connection after each answer, so that each request resolves the name.
const CLOSING: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A client whose name servers give these answers one after the other, and the last of them for ever.
fn asking(policy: AddressPolicy, answers: Vec<Result<Vec<IpAddr>, ResolveError>>) -> WebhookClient {
    let (answers, asked) = (Arc::new(answers), AtomicUsize::new(0));
    let resolver = Resolver::new(move |_| {
        let index = asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        std::future::ready(answers[index].clone())
    });
    WebhookClient::resolving(policy, None, resolver)
}

#[tokio::test]
async fn a_name_that_moves_to_a_private_address_is_refused_from_then_on() {
    let receiver = Receiver::answering(CLOSING).await;
    let url = format!("http://hooks.localhost:{}/", receiver.port);
    for private in ["10.0.0.1", "169.254.169.254", "::ffff:192.168.0.1", "64:ff9b::a00:1", "fd00::1"] {
        let before = receiver.accepted();
        let client = asking(LOCAL, vec![Ok(vec![HERE]), Ok(vec![private.parse().unwrap()]), Ok(vec![HERE])]);
        let outcomes = [
            post_with(&client, &url, DEADLINE).await.outcome,
            post_with(&client, &url, DEADLINE).await.outcome,
            post_with(&client, &url, DEADLINE).await.outcome,
        ];
        let expected = [Outcome::Success, Outcome::Failed(Cause::AddressRefused), Outcome::Success];
        assert_eq!(outcomes, expected, "{private}");
        assert_eq!(receiver.accepted() - before, 2, "{private} was not dialled, nor anything else");
    }
}

#[tokio::test]
async fn one_refused_address_among_others_refuses_the_name() {
    let receiver = Receiver::answering(CLOSING).await;
    let private = "10.0.0.1".parse().unwrap();
    let client = asking(LOCAL, vec![Ok(vec![HERE, private])]);
    let url = format!("http://hooks.localhost:{}/", receiver.port);
    let answer = post_with(&client, &url, DEADLINE).await;
    assert_eq!(answer.outcome, Outcome::Failed(Cause::AddressRefused));

    let client = asking(STRICT, vec![Ok(vec![HERE])]);
    let url = format!("https://hooks.example.com:{}/", receiver.port);
    let answer = post_with(&client, &url, DEADLINE).await;
    assert_eq!(answer.outcome, Outcome::Failed(Cause::AddressRefused), "a public name of this machine");
    assert_eq!(receiver.accepted(), 0);
}

#[tokio::test]
async fn failures_of_name_servers_are_told_apart() {
    for (found, cause) in [
        (Err(ResolveError::NotFound), Cause::DnsNotFound),
        (Ok(Vec::new()), Cause::DnsNotFound),
        (Err(ResolveError::Unanswered), Cause::DnsUnanswered),
    ] {
        let answer = post_with(&asking(LOCAL, vec![found]), "https://hooks.example.com/", DEADLINE).await;
        assert_eq!((answer.outcome, answer.status), (Outcome::Failed(cause), None));
        let times = answer.dial.unwrap();
        assert!(times.dns_us.is_some() && times.connect_us.is_none(), "{times:?}");
    }
}

#[tokio::test]
async fn slow_name_servers_hold_up_nobody_else() {
    let receiver = Receiver::answering(CLOSING).await;
    let resolver = Resolver::new(|name: String| async move {
        if name.starts_with("slow") {
            sleep(LONGEST_DEADLINE).await;
        }
        Ok(vec![HERE])
    });
    let client = WebhookClient::resolving(LOCAL, None, resolver);
    let slow_url = format!("http://slow.localhost:{}/", receiver.port);
    let slow = post_with(&client, &slow_url, Duration::from_millis(500));
    let quick = async {
        let url = format!("http://quick.localhost:{}/", receiver.port);
        let mut longest = 0;
        for _ in 0..20 {
            let answer = post_with(&client, &url, DEADLINE).await;
            assert_eq!(answer.outcome, Outcome::Success);
            longest = longest.max(answer.elapsed_ms);
        }
        longest
    };
    let (slow, longest) = tokio::join!(slow, quick);
    assert_eq!(slow.outcome, Outcome::Failed(Cause::TimeoutDns));
    assert!(slow.dial.unwrap().dns_us.unwrap() >= 499_000, "{:?}", slow.dial);
    assert!((500..1500).contains(&slow.elapsed_ms), "{}", slow.elapsed_ms);
    assert!(longest < 400, "{longest} ms beside a name that does not resolve");
}
