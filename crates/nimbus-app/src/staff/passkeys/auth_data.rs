//! What an authenticator says of itself and of a passkey (W3C Web Authentication Level 3, 6.1 and 6.5).

use super::{cbor::Reader, ceremony::Fault, cose::PublicKey};

/// Somebody was there.
const PRESENT: u8 = 1;
/// And was the one whose authenticator it is: by a finger, a face or a code.
const VERIFIED: u8 = 1 << 2;
/// The passkey may be copied to other devices.
const BACKUP_ELIGIBLE: u8 = 1 << 3;
/// It was.
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

/// Ids of credentials: at least 16 bytes (the definition of a credential ID), at most 1023 (7.1, step 25).
const CREDENTIAL_ID_BYTES: std::ops::RangeInclusive<usize> = 16..=1023;

/// Authenticator data, read to its last byte.
#[derive(Debug)]
pub(super) struct AuthData<'a> {
    /// SHA-256 of the id of whom it is for.
    pub(super) party_hash: &'a [u8; 32],
    flags: u8,
    pub(super) sign_count: u32,
    pub(super) credential: Option<Credential<'a>>,
}

/// A passkey that was made.
#[derive(Debug)]
pub(super) struct Credential<'a> {
    pub(super) id: &'a [u8],
    /// As it is kept; it was read, and is a good one.
    pub(super) public_key: &'a [u8],
}

impl<'a> AuthData<'a> {
    /// Reads what was sent. Extensions nobody asked for are read over, as 7.1 and 7.2 demand; what stands behind the end
    /// is refused.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        let party_hash = reader.array()?;
        let [flags] = *reader.array()?;
        let sign_count = u32::from_be_bytes(*reader.array()?);
        let credential = match flags & HAS_CREDENTIAL {
            0 => None,
            _ => Some(credential(&mut reader)?),
        };
        if flags & HAS_EXTENSIONS != 0 {
            reader.skip_map(0)?;
        }
        let data = Self { party_hash, flags, sign_count, credential };
        if reader.rest().is_empty() { Ok(data) } else { Err(Fault::Malformed) }
    }

    pub(super) const fn is_present(&self) -> bool {
        self.flags & PRESENT != 0
    }

    pub(super) const fn is_verified(&self) -> bool {
        self.flags & VERIFIED != 0
    }

    pub(super) const fn is_backup_eligible(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }

    pub(super) const fn is_backed_up(&self) -> bool {
        self.flags & BACKED_UP != 0
    }
}

fn credential<'a>(reader: &mut Reader<'a>) -> Result<Credential<'a>, Fault> {
    // Which model it is: not judged, as attestation is not.
    reader.take(16)?;
    let length = u16::from_be_bytes(*reader.array()?);
    let id = reader.take(length.into())?;
    if !CREDENTIAL_ID_BYTES.contains(&id.len()) {
        return Err(Fault::Malformed);
    }
    let before = reader.rest();
    PublicKey::read(reader)?;
    Ok(Credential { id, public_key: &before[..before.len() - reader.rest().len()] })
}

/// The authenticator data in an attestation object. The statement beside them is read over: none is asked for, and what
/// makes of authenticators are good is judged by nobody here (7.1, steps 21 to 24, are for parties that do).
pub(super) fn attested(object: &[u8]) -> Result<&[u8], Fault> {
    let mut reader = Reader::new(object);
    let (mut format, mut statement, mut data) = (None, None, None);
    if reader.map()? != 3 {
        return Err(Fault::Malformed);
    }
    for _ in 0..3 {
        let is_twice = match reader.text()? {
            "fmt" => format.replace(reader.text()?).is_some(),
            "attStmt" => statement.replace(reader.skip_map(1)?).is_some(),
            "authData" => data.replace(reader.bytes()?).is_some(),
            _ => true,
        };
        if is_twice {
            return Err(Fault::Malformed);
        }
    }
    // Of three that are three different ones each is there.
    data.filter(|_| reader.rest().is_empty()).ok_or(Fault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-256's base point as a key.
    const KEY: &str = "a50102032620012158206b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
        2258204fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

    fn read(text: &str) -> Result<(u32, Option<usize>), Fault> {
        let bytes = hex::decode(text).unwrap();
        let data = AuthData::read(&bytes)?;
        let key = data.credential.as_ref().map(|it| hex::encode(it.public_key));
        assert!(key.is_none_or(|key| key == KEY));
        Ok((data.sign_count, data.credential.map(|it| it.id.len())))
    }

    /// With so long an id.
    fn made(flags: &str, length: usize) -> String {
        let id = "ab".repeat(length);
        format!("{}{flags}00000007{}{length:04x}{id}{KEY}", "11".repeat(32), "22".repeat(16))
    }

    #[test]
    fn it_is_read_to_its_last_byte() {
        let hash = "11".repeat(32);
        assert_eq!(read(&format!("{hash}05ffffffff")), Ok((u32::MAX, None)));
        assert_eq!(read(&made("45", 16)), Ok((7, Some(16))));
        assert_eq!(read(&made("45", 1023)), Ok((7, Some(1023))));
        // {"credProtect": 2}, which browsers ask for by themselves.
        let extension = "a16b6372656450726f7465637402";
        assert_eq!(read(&format!("{}{extension}", made("c5", 16))), Ok((7, Some(16))));
        assert_eq!(read(&format!("{hash}8500000001{extension}")), Ok((1, None)));
        for (text, why) in [
            (String::new(), "nothing"),
            (format!("{hash}05000000"), "cut off"),
            (format!("{hash}0500000000aa"), "a byte more"),
            (format!("{hash}4500000000"), "a credential that is not there"),
            (format!("{hash}8500000000"), "extensions that are not there"),
            (format!("{hash}850000000000"), "extensions that are no map"),
            (format!("{hash}8500000000a1{}", "81".repeat(9)), "extensions too deep"),
            (made("45", 15), "a short id"),
            (made("45", 1024), "a long id"),
            (format!("{}00", made("45", 16)), "a byte more"),
            (format!("{}{extension}", made("45", 16)), "extensions that are not said"),
            (made("45", 16)[..200].to_owned(), "a key that is cut off"),
        ] {
            assert_eq!(read(&text), Err(Fault::Malformed), "{why}");
        }
    }

    #[test]
    fn an_attestation_object_has_three_members() {
        let of = |text: &str| attested(&hex::decode(text).unwrap()).map(<[u8]>::to_vec);
        let (format, statement, data) =
            ("63666d74646e6f6e65", "6761747453746d74a0", "686175746844617461410a");
        assert_eq!(of(&format!("a3{format}{statement}{data}")), Ok(vec![10]));
        assert_eq!(of(&format!("a3{data}{statement}{format}")), Ok(vec![10]));
        assert_eq!(of(&format!("a3{format}6761747453746d74a1008180{data}")), Ok(vec![10]));
        for (text, why) in [
            (format!("a2{format}{statement}"), "no data"),
            (format!("a3{format}{format}{data}"), "one twice"),
            (format!("a3{format}{statement}{data}00"), "a byte more"),
            (format!("a3{format}{statement}6161410a"), "another member"),
            (format!("a3{format}6761747453746d7480{data}"), "a statement that is no map"),
            (format!("a3{format}6761747453746d74a100818180{data}"), "a statement too deep"),
            (format!("a3{format}{statement}686175746844617461610a"), "data that are text"),
            (format!("bf{format}{statement}{data}ff"), "no length"),
        ] {
            assert_eq!(of(&text), Err(Fault::Malformed), "{why}");
        }
    }
}
