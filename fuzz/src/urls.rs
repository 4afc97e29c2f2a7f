//! Where webhooks may go: no spelling of an address gets past the guard, by a list that is not its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nimbus_webhooks::{
    guard::{AddressPolicy, vet},
    url::EndpointUrl,
};

const STRICT: AddressPolicy = AddressPolicy { allow_loopback: false };
const LOCAL: AddressPolicy = AddressPolicy { allow_loopback: true };

/// Bytes as the URL of an endpoint, and as addresses.
pub fn address_guard(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        registered(text);
        // The same as a host, which mutation alone seldom reaches.
        registered(&format!("https://{text}/hook"));
    }
    if let Some(bytes) = data.first_chunk::<4>() {
        vetted(Ipv4Addr::from(*bytes).into());
        vetted(Ipv4Addr::from(*bytes).to_ipv6_mapped().into());
    }
    if let Some(bytes) = data.first_chunk::<16>() {
        vetted(Ipv6Addr::from(*bytes).into());
    }
}

fn registered(text: &str) {
    let Ok(url) = EndpointUrl::parse(text, STRICT) else { return };
    assert!(url.as_str().starts_with("https://"), "another scheme");
    let again = EndpointUrl::parse(url.as_str(), STRICT).expect("what is kept can be read again");
    assert_eq!(again.as_str(), url.as_str(), "and is the same");
    assert!(!url.host().contains('@') && !url.as_str().contains('#'));
    let host = url.host().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(address) => assert!(!is_private(address), "a private address"),
        // What the system's own resolver would take for an address must have been one to the guard.
        Err(_) => assert!(!host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "half an address"),
    }
    assert!(!host.eq_ignore_ascii_case("localhost") && !host.ends_with(".localhost"));
}

fn vetted(address: IpAddr) {
    let strict = vet(address, STRICT);
    if is_private(address) {
        assert!(strict.is_err(), "a private address");
    }
    // Letting this machine be reached lets nothing else be reached.
    assert_eq!(vet(address, LOCAL).is_ok(), strict.is_ok() || address.to_canonical().is_loopback());
}

/// What the standard library calls other than public.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.is_unspecified()
                || v4.is_documentation()
                || v4.octets()[0] == 0
        }
        IpAddr::V6(v6) => {
            let embedded = v6.octets().starts_with(&[0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]);
            let [.., a, b, c, d] = v6.octets();
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || embedded && is_private(Ipv4Addr::new(a, b, c, d).into())
        }
    }
}
