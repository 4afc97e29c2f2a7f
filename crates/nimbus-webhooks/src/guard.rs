//! Which addresses a webhook may be sent to: public unicast ones only.
//!
//! The lists follow the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates). The
//! check is made on the address about to be dialled, so a name that resolves anew is checked anew.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is allowed beyond public addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddressPolicy {
    /// Lets webhooks go to this machine itself, and over plain http, for a sandbox on a developer's laptop.
    /// Nothing else that is not public is allowed by it.
    pub allow_loopback: bool,
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefusal {
    /// 127.0.0.0/8, `::1`.
    #[error("The address is a loopback address.")]
    Loopback,
    /// RFC 1918 and unique local (fc00::/7) addresses.
    #[error("The address belongs to a private network.")]
    Private,
    /// 169.254.0.0/16, fe80::/10.
    #[error("The address is link-local.")]
    LinkLocal,
    /// 100.64.0.0/10 (RFC 6598).
    #[error("The address belongs to a carrier's internal network.")]
    CarrierNat,
    /// The addresses at which clouds serve credentials to their machines.
    #[error("The address is a cloud metadata service.")]
    Metadata,
    /// 224.0.0.0/4, ff00::/8.
    #[error("The address is a multicast address.")]
    Multicast,
    /// 255.255.255.255.
    #[error("The address is a broadcast address.")]
    Broadcast,
    /// 0.0.0.0 and `::`.
    #[error("The address is unspecified.")]
    Unspecified,
    /// RFC 5737, RFC 3849 and RFC 9637.
    #[error("The address is reserved for documentation.")]
    Documentation,
    /// 198.18.0.0/15 and 2001:2::/48.
    #[error("The address is reserved for benchmarking.")]
    Benchmarking,
    /// 2001::/32 (RFC 4380): the far end is chosen by obfuscated bits.
    #[error("The address is a Teredo tunnel.")]
    Teredo,
    /// fec0::/10 (RFC 3879).
    #[error("The address is site-local.")]
    SiteLocal,
    /// Everything else that is not public unicast.
    #[error("The address is reserved.")]
    Reserved,
}

/// 168.63.129.16 lies in public space, but inside Azure it is the host's own service, and 169.254.169.254
/// serves credentials in most clouds.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(169, 254, 169, 254), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200)];

/// The IPv6 metadata address of EC2.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Checks one address; an IPv4 address inside an IPv6 one is checked as well.
///
/// # Errors
/// Why no webhook may be sent there.
pub fn vet(ip: IpAddr, policy: AddressPolicy) -> Result<(), AddressRefusal> {
    let verdict = match ip {
        IpAddr::V4(v4) => vet_v4(v4),
        IpAddr::V6(v6) => vet_v6(v6),
    };
    // A loopback address embedded for a translator elsewhere is not this machine, so only ::1, 127.0.0.0/8
    // and its mapped form, which the kernel itself turns into IPv4, count.
    if policy.allow_loopback && is_loopback(ip) { Ok(()) } else { verdict }
}

/// Whether dialling this address reaches this machine.
pub fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn vet_v4(ip: Ipv4Addr) -> Result<(), AddressRefusal> {
    if METADATA_V4.contains(&ip) {
        return Err(AddressRefusal::Metadata);
    }
    match ip.octets() {
        [0, 0, 0, 0] => Err(AddressRefusal::Unspecified),
        [127, ..] => Err(AddressRefusal::Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Err(AddressRefusal::Private),
        [100, 64..=127, ..] => Err(AddressRefusal::CarrierNat),
        [169, 254, ..] => Err(AddressRefusal::LinkLocal),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Err(AddressRefusal::Documentation),
        [198, 18..=19, ..] => Err(AddressRefusal::Benchmarking),
        [224..=239, ..] => Err(AddressRefusal::Multicast),
        [255, 255, 255, 255] => Err(AddressRefusal::Broadcast),
        // "This network", IETF protocol assignments, the retired 6to4 relay anycast, and class E.
        [0, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [240..=255, ..] => Err(AddressRefusal::Reserved),
        // Routed, but to whatever AS112 or AMT node is nearest, which may be a private one.
        [192, 31, 196, _] | [192, 52, 193, _] | [192, 175, 48, _] => Err(AddressRefusal::Reserved),
        _ => Ok(()),
    }
}

fn vet_v6(ip: Ipv6Addr) -> Result<(), AddressRefusal> {
    if ip == METADATA_V6 {
        return Err(AddressRefusal::Metadata);
    }
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Err(AddressRefusal::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Err(AddressRefusal::Loopback),
        // IPv4-mapped; NAT64 under the well-known prefix (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            vet_v4(embedded(high, low))
        }
        // Local-use NAT64 (RFC 8215). Where the IPv4 address stands depends on the operator's prefix length;
        // with zeros here every layout but /96 yields 0.0.0.x, so that the one check is enough, and any
        // other address of the block is refused below.
        [0x64, 0xff9b, 1, 0, 0, 0, high, low] => vet_v4(embedded(high, low)),
        // IPv4-compatible: retired by RFC 4291 and never public, so the inner address only words the refusal.
        [0, 0, 0, 0, 0, 0, high, low] => vet_v4(embedded(high, low)).and(Err(AddressRefusal::Reserved)),
        [0x2002, high, low, ..] => vet_v4(embedded(high, low)),
        [0x2001, 0, ..] => Err(AddressRefusal::Teredo),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Err(AddressRefusal::Documentation),
        [0x2001, 2, 0, ..] => Err(AddressRefusal::Benchmarking),
        // The rest of the IETF protocol assignments, 2001::/23.
        [0x2001, 0..=0x01ff, ..] => Err(AddressRefusal::Reserved),
        // AS112, as in IPv4.
        [0x2620, 0x4f, 0x8000, ..] => Err(AddressRefusal::Reserved),
        [0xfc00..=0xfdff, ..] => Err(AddressRefusal::Private),
        [0xfe80..=0xfebf, ..] => Err(AddressRefusal::LinkLocal),
        [0xfec0..=0xfeff, ..] => Err(AddressRefusal::SiteLocal),
        [0xff00..=0xffff, ..] => Err(AddressRefusal::Multicast),
        // An ISATAP interface identifier (RFC 5214): its router hands the packet to the IPv4 address inside.
        [0x2000..=0x3fff, _, _, _, 0 | 0x0200, 0x5efe, high, low] => vet_v4(embedded(high, low)),
        // Only 2000::/3 is global unicast (RFC 4291 §2.4, IANA).
        [0x2000..=0x3fff, ..] => Ok(()),
        _ => Err(AddressRefusal::Reserved),
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::AddressRefusal::*;
    use super::*;

    const STRICT: AddressPolicy = AddressPolicy { allow_loopback: false };
    const LOCAL: AddressPolicy = AddressPolicy { allow_loopback: true };

    const REFUSED: &[(&str, AddressRefusal)] = &[
        ("0.0.0.0", Unspecified),
        ("0.1.2.3", Reserved),
        ("10.0.0.1", Private),
        ("10.255.255.255", Private),
        ("100.64.0.1", CarrierNat),
        ("100.127.255.255", CarrierNat),
        ("100.100.100.200", Metadata),
        ("127.0.0.1", Loopback),
        ("127.255.0.9", Loopback),
        ("168.63.129.16", Metadata),
        ("169.254.0.1", LinkLocal),
        ("169.254.169.254", Metadata),
        ("172.16.0.1", Private),
        ("172.31.255.255", Private),
        ("192.0.0.8", Reserved),
        ("192.0.2.1", Documentation),
        ("192.88.99.1", Reserved),
        ("192.168.1.1", Private),
        ("198.18.0.1", Benchmarking),
        ("198.19.255.255", Benchmarking),
        ("198.51.100.7", Documentation),
        ("203.0.113.7", Documentation),
        ("224.0.0.1", Multicast),
        ("239.255.255.255", Multicast),
        ("240.0.0.1", Reserved),
        ("255.255.255.254", Reserved),
        ("255.255.255.255", Broadcast),
        ("::", Unspecified),
        ("::1", Loopback),
        ("::127.0.0.1", Loopback),
        ("::8.8.8.8", Reserved),
        ("::ffff:127.0.0.1", Loopback),
        ("::ffff:10.0.0.1", Private),
        ("::ffff:169.254.169.254", Metadata),
        ("::ffff:0:8.8.8.8", Reserved),
        ("64:ff9b::10.0.0.1", Private),
        ("64:ff9b::127.0.0.1", Loopback),
        ("64:ff9b::169.254.169.254", Metadata),
        ("64:ff9b:0:1::8.8.8.8", Reserved),
        ("64:ff9b:1::192.168.0.1", Private),
        ("64:ff9b:1:7f00:0:100::", Reserved),
        ("64:ff9b:1:fffe::8.8.8.8", Reserved),
        ("100::1", Reserved),
        ("2001::1", Teredo),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Teredo),
        ("2001:2::1", Benchmarking),
        ("2001:10::1", Reserved),
        ("2001:1ff::1", Reserved),
        ("2001:db8::1", Documentation),
        ("2002:7f00:1::", Loopback),
        ("2002:a00:1::1", Private),
        ("2002:a9fe:a9fe::", Metadata),
        ("3fff::1", Documentation),
        ("3fff:fff::1", Documentation),
        ("4000::1", Reserved),
        ("5f00::1", Reserved),
        ("fc00::1", Private),
        ("fd00::1", Private),
        ("fd00:ec2::254", Metadata),
        ("fe80::1", LinkLocal),
        ("febf::1", LinkLocal),
        ("fec0::1", SiteLocal),
        ("feff::1", SiteLocal),
        ("ff02::1", Multicast),
    ];

    const ALLOWED: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::8.8.8.8",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2002:808:808::1",
        "2606:4700:4700::1111",
        "3fff:1000::1",
    ];

    #[test]
    fn special_addresses_are_refused_and_public_ones_pass() {
        for (text, expected) in REFUSED {
            assert_eq!(vet(text.parse().unwrap(), STRICT), Err(*expected), "{text}");
        }
        for text in ALLOWED {
            assert_eq!(vet(text.parse().unwrap(), STRICT), Ok(()), "{text}");
            assert_eq!(vet(text.parse().unwrap(), LOCAL), Ok(()), "{text}");
        }
    }

    #[test]
    fn the_local_policy_adds_loopback_and_nothing_else() {
        let local = ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"];
        for text in local {
            assert_eq!(vet(text.parse().unwrap(), LOCAL), Ok(()), "{text}");
        }
        for (text, expected) in REFUSED.iter().filter(|(text, _)| !local.contains(text)) {
            assert_eq!(vet(text.parse().unwrap(), LOCAL), Err(*expected), "{text}");
        }
    }
}
