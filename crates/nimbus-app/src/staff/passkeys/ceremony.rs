//! The two ceremonies of passkeys, judged as the party that asks for them must (W3C Web Authentication Level 3, 7.1 and
//! 7.2): pure, on what was sent and what is on file.

use aws_lc_rs::digest::{SHA256, digest};
use nimbus_core::words;
use url::{Host, Url};

use super::{
    auth_data::{AuthData, attested},
    cbor::Reader,
    client_data::ClientData,
    cose::PublicKey,
};

words! {
    /// Why a passkey is not taken: for the log, and for nobody who asks.
    pub enum Fault {
        /// It is not of the form that it must have.
        Malformed = "malformed",
        /// It is about another ceremony.
        Ceremony = "ceremony",
        /// It signs no challenge of ours, or one that was used, is past its time, or was for something else.
        Challenge = "challenge",
        Origin = "origin",
        /// It was made in a frame of another page.
        Framed = "framed",
        /// It is for somebody else's passkeys.
        Party = "party",
        /// Nobody was there.
        NotPresent = "not_present",
        /// Somebody was, and nobody knows who.
        NotVerified = "not_verified",
        /// What it says of backups cannot be, or has changed.
        Backup = "backup",
        /// Its key is of no algorithm that is offered, or is none at all.
        Key = "key",
        /// It is another credential than it says, or than was asked for.
        Credential = "credential",
        /// It says that it is of another account.
        Account = "account",
        Signature = "signature",
        /// Its count of signatures has not grown.
        Count = "count",
    }
}

/// Who asks for passkeys: what they are bound to, and where it may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// The id that authenticators know it by: the name of the host.
    pub id: String,
    /// Scheme, host and port as browsers write them.
    pub origin: String,
}

impl Party {
    /// Who is reached at an address. A host of this machine is `localhost`: browsers make no passkeys for numbers, nor for
    /// any other name without TLS. `None` if it is no address of a web page.
    pub fn of(public_url: &str) -> Option<Self> {
        let mut url = Url::parse(public_url).ok()?;
        let is_loopback = match url.host()? {
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
            Host::Domain(_) => false,
        };
        if is_loopback {
            url.set_host(Some("localhost")).ok()?;
        }
        let (id, origin) = (url.host_str()?.to_owned(), url.origin());
        origin.is_tuple().then(|| Self { id, origin: origin.ascii_serialization() })
    }

    fn hash(&self) -> impl AsRef<[u8]> {
        digest(&SHA256, self.id.as_bytes())
    }
}

/// A passkey that was made, as a browser tells of it.
#[derive(Debug, Clone)]
pub struct Registration {
    pub credential_id: Vec<u8>,
    pub client_data: Vec<u8>,
    /// The attestation object.
    pub attestation: Vec<u8>,
}

/// What is kept of a passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// As the authenticator gave it (COSE).
    pub public_key: Vec<u8>,
    pub sign_count: u32,
    pub backup_eligible: bool,
    pub backed_up: bool,
}

/// Something that a passkey has signed, as a browser tells of it.
#[derive(Debug, Clone)]
pub struct Assertion {
    pub credential_id: Vec<u8>,
    pub client_data: Vec<u8>,
    pub authenticator_data: Vec<u8>,
    pub signature: Vec<u8>,
    /// Whose it says that it is.
    pub user_handle: Option<Vec<u8>>,
}

/// What is on file of the passkey that is said to have signed.
#[derive(Debug, Clone, Copy)]
pub struct OnFile<'a> {
    pub public_key: &'a [u8],
    pub user_handle: &'a [u8],
    pub backup_eligible: bool,
    /// Whether it tells who it is: then it has to.
    pub identifies: bool,
}

/// What is new of a passkey that has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// Whether it is one that it can have come to is the caller's to ask.
    pub sign_count: u32,
    pub backed_up: bool,
}

/// The challenge that client data are about.
pub fn challenge_of(client_data: &[u8]) -> Result<[u8; 32], Fault> {
    ClientData::read(client_data)?.challenge()
}

/// Judges a passkey that was made (7.1). Its attestation is not asked for and not judged.
pub fn registered(party: &Party, challenge: &[u8; 32], sent: &Registration) -> Result<Registered, Fault> {
    ClientData::read(&sent.client_data)?.check("webauthn.create", challenge, &party.origin)?;
    let data = AuthData::read(attested(&sent.attestation)?)?;
    check(&data, party)?;
    let made = data.credential.as_ref().ok_or(Fault::Malformed)?;
    if made.id != sent.credential_id {
        return Err(Fault::Credential);
    }
    Ok(Registered {
        public_key: made.public_key.to_vec(),
        sign_count: data.sign_count,
        backup_eligible: data.is_backup_eligible(),
        backed_up: data.is_backed_up(),
    })
}

/// Judges what a passkey has signed (7.2), but for its count.
pub fn asserted(
    party: &Party,
    challenge: &[u8; 32],
    on_file: &OnFile<'_>,
    sent: &Assertion,
) -> Result<Signed, Fault> {
    match &sent.user_handle {
        Some(handle) if handle != on_file.user_handle => return Err(Fault::Account),
        None if on_file.identifies => return Err(Fault::Account),
        _ => {}
    }
    ClientData::read(&sent.client_data)?.check("webauthn.get", challenge, &party.origin)?;
    let data = AuthData::read(&sent.authenticator_data)?;
    if data.credential.is_some() {
        // That is for passkeys that are made (6.1).
        return Err(Fault::Malformed);
    }
    check(&data, party)?;
    if data.is_backup_eligible() != on_file.backup_eligible {
        return Err(Fault::Backup);
    }
    let key = PublicKey::read(&mut Reader::new(on_file.public_key))?;
    if !key.verifies(&signed_bytes(sent), &sent.signature) {
        return Err(Fault::Signature);
    }
    Ok(Signed { sign_count: data.sign_count, backed_up: data.is_backed_up() })
}

/// What stands under the signature.
fn signed_bytes(sent: &Assertion) -> Vec<u8> {
    [&sent.authenticator_data, digest(&SHA256, &sent.client_data).as_ref()].concat()
}

/// What both ceremonies ask of an authenticator: that it is for us, that somebody was there and proved to be the one, and
/// that what is not to be backed up is not.
fn check(data: &AuthData<'_>, party: &Party) -> Result<(), Fault> {
    if data.party_hash != party.hash().as_ref() {
        return Err(Fault::Party);
    }
    if !data.is_present() {
        return Err(Fault::NotPresent);
    }
    if !data.is_verified() {
        return Err(Fault::NotVerified);
    }
    match data.is_backed_up() && !data.is_backup_eligible() {
        true => Err(Fault::Backup),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_party_is_its_host_and_origin() {
        for (url, id, origin) in [
            ("https://api.example.com", "api.example.com", "https://api.example.com"),
            ("https://API.example.com:443/", "api.example.com", "https://api.example.com"),
            ("https://api.example.com:8443", "api.example.com", "https://api.example.com:8443"),
            ("http://localhost:8080", "localhost", "http://localhost:8080"),
            ("http://127.0.0.1:4711", "localhost", "http://localhost:4711"),
            ("https://[::1]:4711", "localhost", "https://localhost:4711"),
            ("http://192.0.2.7:80", "192.0.2.7", "http://192.0.2.7"),
        ] {
            let party = Party { id: id.to_owned(), origin: origin.to_owned() };
            assert_eq!(Party::of(url), Some(party), "{url}");
        }
        for none in ["", "example.com", "mailto:ada@example.com", "https://"] {
            assert_eq!(Party::of(none), None, "{none}");
        }
    }

    /// The test vectors of the specification (section 16).
    struct Vector(Value);

    impl Vector {
        fn bytes(&self, name: &str) -> Vec<u8> {
            hex::decode(self.0[name].as_str().unwrap()).unwrap()
        }

        fn registration(&self) -> Registration {
            Registration {
                credential_id: self.bytes("credential_id"),
                client_data: self.bytes("registration_client_data"),
                attestation: self.bytes("attestation_object"),
            }
        }

        fn assertion(&self) -> Assertion {
            Assertion {
                credential_id: self.bytes("credential_id"),
                client_data: self.bytes("client_data"),
                authenticator_data: self.bytes("authenticator_data"),
                signature: self.bytes("signature"),
                user_handle: None,
            }
        }
    }

    fn vectors() -> Vec<Vector> {
        let file = include_str!("../../../../../testdata/webauthn/vectors.json");
        serde_json::from_str::<Vec<Value>>(file).unwrap().into_iter().map(Vector).collect()
    }

    fn example() -> Party {
        Party::of("https://example.org").unwrap()
    }

    #[test]
    fn the_vectors_of_the_specification_are_read() {
        let mut judged = 0;
        for vector in vectors().iter().filter(|vector| vector.0["attestation_object"].is_string()) {
            let sent = vector.registration();
            let challenge = challenge_of(&sent.client_data).unwrap();
            assert_eq!(challenge.to_vec(), vector.bytes("registration_challenge"));
            let expected = match vector.0["fault"].as_str() {
                None => Ok(vector.bytes("public_key")),
                Some(fault) => Err(Fault::parse(fault).unwrap()),
            };
            let found = registered(&example(), &challenge, &sent).map(|it| it.public_key);
            assert_eq!(found, expected, "{}", vector.0["name"]);
            // Each byte that is missing is missed.
            for end in 0..sent.attestation.len() {
                let short = Registration { attestation: sent.attestation[..end].to_vec(), ..sent.clone() };
                assert!(registered(&example(), &challenge, &short).is_err(), "{end}");
            }
            judged += 1;
        }
        assert_eq!(judged, 3);
    }

    /// None of those verifies its user, which is what it is refused for here; the signatures are good.
    #[test]
    fn the_signatures_of_the_vectors_verify() {
        let all: Vec<Vector> =
            vectors().into_iter().filter(|vector| vector.0["signature"].is_string()).collect();
        assert_eq!(all.len(), 4);
        for vector in &all {
            let (sent, key) = (vector.assertion(), vector.bytes("public_key"));
            let key = PublicKey::read(&mut Reader::new(&key)).unwrap();
            assert!(key.verifies(&signed_bytes(&sent), &sent.signature), "{}", vector.0["name"]);
            let mut other = sent.clone();
            *other.authenticator_data.last_mut().unwrap() ^= 1;
            assert!(!key.verifies(&signed_bytes(&other), &sent.signature));
            let public_key = vector.bytes("public_key");
            let on_file = OnFile {
                public_key: &public_key,
                user_handle: b"",
                backup_eligible: true,
                identifies: false,
            };
            let challenge = challenge_of(&sent.client_data).unwrap();
            assert_eq!(asserted(&example(), &challenge, &on_file, &sent), Err(Fault::NotVerified));
        }
    }
}
