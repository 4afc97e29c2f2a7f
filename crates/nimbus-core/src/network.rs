//! Networks that a key works from: ranges of IPv4 and IPv6 addresses in CIDR notation (RFC 4632 section 3.1, RFC 4291
//! section 2.3).

use std::{fmt, net::IpAddr, str::FromStr};

/// A range of addresses. What is IPv4 written as IPv6 is IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    /// How many leading bits all its addresses share.
    length: u8,
}

/// Why a text is no network, in words that do not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("must be an address or a network such as 203.0.113.0/24 or 2001:db8::/32")]
    Form,
    #[error("must begin with the first address of its network, such as 203.0.113.0/24")]
    NotFirst,
}

const fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => ((v4.to_bits() as u128) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

/// The leading bits of a number.
const fn leading(number: u128, length: u8) -> u128 {
    match length {
        0 => 0,
        length => number & (u128::MAX << (128 - length as u32)),
    }
}

impl Network {
    pub const fn contains(self, address: IpAddr) -> bool {
        let (first, width) = bits(self.first);
        let (address, of_width) = bits(address.to_canonical());
        width == of_width && leading(address, self.length) == first
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// An address alone is the network of it alone.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| NetworkError::Form)?;
        let (_, width) = bits(written);
        let length = match length {
            None => width,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|length| *length <= width).ok_or(NetworkError::Form)?
            }
            Some(_) => return Err(NetworkError::Form),
        };
        let first = written.to_canonical();
        let (number, width_now) = bits(first);
        // Of an IPv4 address that is written as IPv6, the first 96 bits say only that.
        let length = length.checked_sub(width - width_now).ok_or(NetworkError::Form)?;
        if leading(number, length) != number {
            return Err(NetworkError::NotFirst);
        }
        Ok(Self { first, length })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

/// The networks that a key works from; none is anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// The most that a key may have.
    pub const MAX: usize = 50;

    /// `None` if they are more than [`Self::MAX`].
    pub fn new(networks: Vec<Network>) -> Option<Self> {
        (networks.len() <= Self::MAX).then_some(Self(networks))
    }

    /// Whether a key with these works from an address.
    pub fn admit(&self, address: IpAddr) -> bool {
        self.0.is_empty() || self.0.iter().any(|network| network.contains(address))
    }

    pub fn iter(&self) -> impl Iterator<Item = Network> {
        self.0.iter().copied()
    }

    /// All of them, separated by a space.
    pub fn to_text(&self) -> String {
        self.0.iter().map(Network::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Reads [`Networks::to_text`].
    pub fn parse(text: &str) -> Option<Self> {
        let networks = text.split_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>().ok()?;
        Self::new(networks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_as_it_does() {
        for (network, within, without) in [
            ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
            ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
            ("203.0.113.128/25", "203.0.113.128", "203.0.113.127"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
            ("::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.0"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
        ] {
            assert!(contains(network, within) && !contains(network, without), "{network}");
        }
        assert!(contains("192.0.2.0/24", "::ffff:192.0.2.1"), "however the address is written");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/",
            "hello",
            "203.0.113.0/",
            "203.0.113.0/33",
            "203.0.113.0/+8",
            "203.0.113.0/-1",
            "203.0.113/24",
            "::/129",
            "::ffff:192.0.2.0/64",
            "203.0.113.0/24/24",
            " 203.0.113.0/24",
            "203.0.113.0:80",
            "[::1]",
            "fe80::1%eth0",
            "0xcb.0.0.1",
            "010.0.0.1",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Form), "{text}");
        }
        for text in ["203.0.113.1/24", "2001:db8::1/32", "128.0.0.0/0"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::NotFirst), "{text}");
        }
    }

    #[test]
    fn a_list_reads_back_and_is_bounded() {
        let text = "203.0.113.0/24 192.0.2.1/32 2001:db8::/32";
        assert_eq!(Networks::parse(text).unwrap().to_text(), text);
        let any = Networks::parse("").unwrap();
        assert!(any.admit("192.0.2.1".parse().unwrap()) && any.to_text().is_empty());
        let some = Networks::parse(text).unwrap();
        assert!(some.admit("192.0.2.1".parse().unwrap()) && !some.admit("192.0.2.2".parse().unwrap()));
        let network: Network = "192.0.2.1".parse().unwrap();
        assert!(Networks::new(vec![network; Networks::MAX]).is_some());
        assert!(Networks::new(vec![network; Networks::MAX + 1]).is_none());
    }
}
