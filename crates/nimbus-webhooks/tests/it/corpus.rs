//! Every address and URL of `testdata/addresses`: what is not public is refused when it is registered and when it is
//! dialled, in whatever form it comes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use nimbus_webhooks::cause::Cause;
use nimbus_webhooks::client::{Outcome, WebhookClient};
use nimbus_webhooks::guard::{is_loopback, vet};
use nimbus_webhooks::resolver::Resolver;
use nimbus_webhooks::url::EndpointUrl;

use crate::support::{DEADLINE, LOCAL, STRICT, post_with};

const REFUSED: &str = include_str!("../../../../testdata/addresses/refused.tsv");
const PUBLIC: &str = include_str!("../../../../testdata/addresses/public.tsv");
const URLS: &str = include_str!("../../../../testdata/addresses/urls.tsv");

/// The lines, with their columns.
fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// Address, refusal and why.
fn refused() -> Vec<(IpAddr, &'static str, &'static str)> {
    let row = |row: Vec<&'static str>| (row[0].parse().unwrap(), row[1], row[2]);
    let found: Vec<_> = rows(REFUSED).map(row).collect();
    assert!(found.len() > 700, "{}", found.len());
    found
}

fn public() -> Vec<IpAddr> {
    let found: Vec<_> = rows(PUBLIC).map(|row| row[0].parse().unwrap()).collect();
    assert!(found.len() > 50, "{}", found.len());
    found
}

/// The address as the host of a URL.
fn url_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => format!("https://{v4}/"),
        IpAddr::V6(v6) => format!("https://[{v6}]/"),
    }
}

/// Other ways to write an IPv4 address that parsers of URLs or C libraries read.
fn spellings(ip: Ipv4Addr) -> Vec<String> {
    let ([a, b, c, d], bits) = (ip.octets(), ip.to_bits());
    let fullwidth = |text: String| -> String {
        let wide = |c: char| match c {
            '.' => '．',
            digit => char::from_u32(u32::from(digit) - 0x30 + 0xff10).unwrap(),
        };
        text.chars().map(wide).collect()
    };
    let encoded: String = ip.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
    vec![
        bits.to_string(),
        format!("{bits:#x}"),
        format!("0{bits:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a}.{}", bits & 0xff_ffff),
        format!("{a}.{b}.{}", bits & 0xffff),
        format!("{ip}."),
        fullwidth(ip.to_string()),
        ip.to_string().replace('.', "。"),
        encoded,
    ]
}

#[test]
fn no_special_address_passes() {
    for (ip, refusal, why) in refused() {
        let verdict = vet(ip, STRICT).map_err(|found| format!("{found:?}"));
        assert_eq!(verdict, Err(refusal.to_owned()), "{ip}: {why}");
        assert_eq!(vet(ip, LOCAL).is_ok(), is_loopback(ip), "{ip}: leave for loopback is for loopback alone");
    }
}

#[test]
fn public_addresses_pass() {
    for ip in public() {
        assert_eq!(vet(ip, STRICT), Ok(()), "{ip}");
        assert!(EndpointUrl::parse(&url_of(ip), STRICT).is_ok(), "{ip}");
        let IpAddr::V4(v4) = ip else { continue };
        for host in spellings(v4) {
            let url = EndpointUrl::parse(&format!("https://{host}/"), STRICT).unwrap();
            assert_eq!(url.host(), v4.to_string(), "{host}");
        }
    }
}

#[test]
fn no_spelling_of_a_special_address_can_be_registered() {
    for (ip, refusal, why) in refused() {
        let expected = Err(format!("Address({refusal})"));
        let check = |url: &str| {
            let verdict = EndpointUrl::parse(url, STRICT).map(|_| ()).map_err(|found| format!("{found:?}"));
            assert_eq!(verdict, expected, "{url}: {why}");
        };
        check(&url_of(ip));
        if let IpAddr::V4(v4) = ip {
            spellings(v4).iter().for_each(|host| check(&format!("https://{host}/")));
        }
    }
}

#[test]
fn hostile_urls_cannot_be_registered() {
    let mut count = 0;
    for row in rows(URLS) {
        let (url, refusal, why) = (row[0], row[1], row[2]);
        let verdict = EndpointUrl::parse(url, STRICT).map_err(|found| format!("{found:?}"));
        assert_eq!(verdict.map(|_| ()), Err(refusal.to_owned()), "{url}: {why}");
        if let Ok(passed) = EndpointUrl::parse(url, LOCAL) {
            assert_eq!(refusal, "Address(Loopback)", "{url}: {why}");
            let host = passed.host().trim_matches(['[', ']', '.']);
            let here = host.parse().map_or(host.ends_with("localhost"), is_loopback);
            assert!(here, "{url}: {why}");
        }
        count += 1;
    }
    assert!(count > 180, "{count}");
}

/// The same addresses as answers of a name server.
#[tokio::test]
async fn no_special_address_is_dialled_under_a_public_name() {
    let answer = Arc::new(Mutex::new(Vec::new()));
    let given = Arc::clone(&answer);
    let resolver = Resolver::new(move |_| std::future::ready(Ok(given.lock().unwrap().clone())));
    let client = WebhookClient::resolving(STRICT, None, resolver);
    let decoy: IpAddr = "8.8.8.8".parse().unwrap();
    for (ip, _, why) in refused() {
        for answers in [vec![ip], vec![decoy, ip], vec![ip, decoy]] {
            *answer.lock().unwrap() = answers;
            let sent = post_with(&client, "https://hooks.example.com/", DEADLINE).await;
            assert_eq!(sent.outcome, Outcome::Failed(Cause::AddressRefused), "{ip}: {why}");
            assert_eq!(sent.dial.unwrap().connect_us, None, "{ip}: {why}");
        }
    }
}
