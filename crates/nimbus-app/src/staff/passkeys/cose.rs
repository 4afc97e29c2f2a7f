//! Public keys of passkeys (RFC 9052, section 7; RFC 9053; RFC 8230), and the signatures that they verify.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};

use super::{
    cbor::{Plain, Reader},
    ceremony::Fault,
};

/// EdDSA over Ed25519.
const EDDSA: i64 = -8;
/// ECDSA over P-256 with SHA-256.
const ES256: i64 = -7;
/// PKCS#1 v1.5 with SHA-256: what Windows Hello has in older TPMs.
const RS256: i64 = -257;

/// What a passkey may sign by, the best liked first.
pub const OFFERED: [i64; 3] = [EDDSA, ES256, RS256];

/// Moduli of 2048 to 4096 bits; what is longer takes longer to verify than anybody has asked for.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// 65537, which every authenticator uses.
const EXPONENT: &[u8] = &[1, 0, 1];

/// The encodings of the points of Ed25519 of small order, the sign apart: 0, 1, -1, two of order 8, and 0 and 1 once more
/// beyond the modulus. Whoever has such a "key" signs anything, and so does everybody else.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// The parameters of a key by their labels (RFC 9053, section 7): what each means depends on the first.
#[derive(Default)]
struct Labelled<'a> {
    /// 1: the type of the key.
    kind: Option<Plain<'a>>,
    /// 3: what it signs by.
    algorithm: Option<Plain<'a>>,
    /// -1, -2, -3: curve, x and y, or modulus and exponent.
    own: [Option<Plain<'a>>; 3],
}

/// A key that can verify.
#[derive(Debug)]
pub(super) struct PublicKey(ParsedPublicKey);

impl PublicKey {
    /// Reads one key. It has the parameters that its type and algorithm need and no other (W3C Web Authentication Level
    /// 3, 6.5.1), is of an algorithm that is offered, and is a point of its curve; of Ed25519 what is no point verifies
    /// nothing (RFC 8032, 5.1.7).
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        use Plain::{Bytes, Int};
        let Labelled { kind: Some(Int(kind)), algorithm: Some(Int(algorithm)), own } = labelled(reader)?
        else {
            return Err(Fault::Malformed);
        };
        let parsed = match (kind, algorithm, own) {
            (2, ES256, [Some(Int(1)), Some(Bytes(x)), Some(Bytes(y))]) if x.len() == 32 && y.len() == 32 => {
                // Uncompressed (SEC 1, 2.3.3).
                ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, [&[4], x, y].concat())
            }
            (1, EDDSA, [Some(Int(6)), Some(Bytes(x)), None]) if x.len() == 32 && !is_small_order(x) => {
                ParsedPublicKey::new(&ED25519, x)
            }
            (3, RS256, [Some(Bytes(n)), Some(Bytes(e)), None]) if is_modulus(n) && e == EXPONENT => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
            _ => return Err(Fault::Key),
        };
        parsed.map(Self).map_err(|_| Fault::Key)
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

fn labelled<'a>(reader: &mut Reader<'a>) -> Result<Labelled<'a>, Fault> {
    let mut found = Labelled::default();
    for _ in 0..reader.map()? {
        let Plain::Int(label) = reader.plain()? else { return Err(Fault::Malformed) };
        let place = match label {
            1 => &mut found.kind,
            3 => &mut found.algorithm,
            -1 => &mut found.own[0],
            -2 => &mut found.own[1],
            -3 => &mut found.own[2],
            _ => return Err(Fault::Malformed),
        };
        if place.replace(reader.plain()?).is_some() {
            return Err(Fault::Malformed);
        }
    }
    Ok(found)
}

fn is_small_order(point: &[u8]) -> bool {
    let mut unsigned = point.to_vec();
    unsigned.last_mut().into_iter().for_each(|last| *last &= 0x7f);
    SMALL_ORDER.contains(&hex::encode(unsigned).as_str())
}

fn is_modulus(n: &[u8]) -> bool {
    let is_odd = n.last().is_some_and(|last| last % 2 == 1);
    MODULUS_BYTES.contains(&n.len()) && n[0] != 0 && is_odd
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-256's base point (SEC 2, 2.4.2).
    const X: &str = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
    const Y: &str = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    /// RFC 8032, 7.1, test 1.
    const ED: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn read(text: &str) -> Result<(), Fault> {
        let bytes = hex::decode(text).unwrap();
        let mut reader = Reader::new(&bytes);
        PublicKey::read(&mut reader).map(|_| assert!(reader.rest().is_empty(), "{text}"))
    }

    fn rsa(n: &[u8], e: &str) -> String {
        let head = if n.len() < 256 { format!("58{:02x}", n.len()) } else { format!("59{:04x}", n.len()) };
        format!("a401030339010020{head}{}21{e}", hex::encode(n))
    }

    #[test]
    fn keys_of_what_is_offered_are_read() {
        assert_eq!(read(&format!("a5010203262001215820{X}225820{Y}")), Ok(()));
        assert_eq!(read(&format!("a4010103272006215820{ED}")), Ok(()));
        assert_eq!(read(&rsa(&[0xff; 256], "43010001")), Ok(()));
        // In any order: it says nothing.
        assert_eq!(read(&format!("a5225820{Y}215820{X}200103260102")), Ok(()));
    }

    #[test]
    fn other_keys_are_not() {
        let flipped = format!("{}4", &Y[..63]);
        for (text, why, fault) in [
            (format!("a5010203262001215820{X}225820{flipped}"), "no point of the curve", Fault::Key),
            (format!("a5010203262001215820{}225820{Y}", "00".repeat(32)), "no point either", Fault::Key),
            (format!("a5010203262002215820{X}225820{Y}"), "another curve", Fault::Key),
            (format!("a501020338222001215820{X}225820{Y}"), "another algorithm: ES384", Fault::Key),
            (format!("a5010203272001215820{X}225820{Y}"), "an algorithm of another type", Fault::Key),
            (format!("a4010203262001215820{X}"), "half a point", Fault::Key),
            (format!("a501020326200121581f{}225820{Y}", &X[2..]), "a short one", Fault::Key),
            (format!("a401010327200621581f{}", &ED[2..]), "a short one", Fault::Key),
            (rsa(&[0xff; 255], "43010001"), "a short modulus", Fault::Key),
            (rsa(&[0xff; 513], "43010001"), "a long modulus", Fault::Key),
            (rsa(&[0xfe; 256], "43010001"), "an even modulus", Fault::Key),
            (rsa(&[&[0], &[0xff; 256][..]].concat(), "43010001"), "a zero in front", Fault::Key),
            (rsa(&[0xff; 256], "4103"), "another exponent", Fault::Key),
            (format!("a6010203262001215820{X}225820{Y}0440"), "one more parameter", Fault::Malformed),
            (format!("a60102010203262001215820{X}225820{Y}"), "a parameter twice", Fault::Malformed),
            (format!("a401022001215820{X}225820{Y}"), "no algorithm", Fault::Malformed),
            ("a0".to_owned(), "nothing", Fault::Malformed),
            ("80".to_owned(), "no map", Fault::Malformed),
        ] {
            assert_eq!(read(&text), Err(fault), "{why}");
        }
        for point in SMALL_ORDER {
            assert_eq!(read(&format!("a4010103272006215820{point}")), Err(Fault::Key), "{point}");
            let mut bytes = hex::decode(point).unwrap();
            bytes[31] |= 0x80;
            let negated = hex::encode(bytes);
            assert_eq!(read(&format!("a4010103272006215820{negated}")), Err(Fault::Key), "{negated}");
        }
    }
}
