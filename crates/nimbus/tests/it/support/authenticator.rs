//! An authenticator of our own: it makes passkeys and signs with them as W3C Web Authentication Level 3 describes, and
//! says whatever a test wants it to say.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{Reply, Server, browser::Browser, story::text};

pub(crate) const PRESENT: u8 = 1;
pub(crate) const VERIFIED: u8 = 4;
pub(crate) const BACKUP_ELIGIBLE: u8 = 8;
pub(crate) const BACKED_UP: u8 = 16;
pub(crate) const HAS_CREDENTIAL: u8 = 64;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Algorithm {
    Es256,
    EdDsa,
    Rs256,
}

enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// One passkey.
pub(crate) struct Authenticator {
    key: Key,
    pub(crate) id: Vec<u8>,
    /// Whose it is, once it was asked for.
    pub(crate) handle: Option<Vec<u8>>,
}

/// What browser and authenticator say in a ceremony; a test changes what is to be wrong.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) client: Value,
    pub(crate) party: String,
    pub(crate) flags: u8,
    pub(crate) count: u32,
    /// In the place of the passkey's own key.
    pub(crate) key: Option<Vec<u8>>,
    /// Behind the authenticator data.
    pub(crate) behind: Vec<u8>,
}

impl Said {
    /// What is right, for options as they were answered.
    pub(crate) fn of(options: &Value, server: &Server) -> Self {
        let (kind, party) = match options.get("rp") {
            Some(party) => ("webauthn.create", text(&party["id"])),
            None => ("webauthn.get", text(&options["rpId"])),
        };
        let origin = match party.as_str() {
            "localhost" => server.url().replace("127.0.0.1", "localhost"),
            host => format!("https://{host}"),
        };
        let client = json!({
            "type": kind, "challenge": options["challenge"], "origin": origin, "crossOrigin": false,
        });
        Self { client, party, flags: PRESENT | VERIFIED, count: 0, key: None, behind: Vec::new() }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn data(&self, flags: u8, credential: &[u8]) -> Vec<u8> {
        let hash = digest(&SHA256, self.party.as_bytes());
        [hash.as_ref(), &[flags], &self.count.to_be_bytes(), credential, &self.behind].concat()
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text(value)).expect("base64url")
}

/// A byte string of CBOR.
fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    let head = match bytes.len() {
        length @ 0..24 => vec![0x40 + length as u8],
        length @ 24..256 => vec![0x58, length as u8],
        length => [&[0x59], &(length as u16).to_be_bytes()[..]].concat(),
    };
    [&head, bytes].concat()
}

/// An attestation object without a statement.
pub(crate) fn attestation(data: &[u8]) -> Vec<u8> {
    [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData", &cbor_bytes(data)[..]].concat()
}

impl Authenticator {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let key = match algorithm {
            Algorithm::Es256 => {
                Key::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key"))
            }
            Algorithm::EdDsa => Key::EdDsa(Ed25519KeyPair::generate().expect("a key")),
            Algorithm::Rs256 => Key::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")),
        };
        let mut id = vec![0; 32];
        aws_lc_rs::rand::fill(&mut id).expect("random bytes");
        Self { key, id, handle: None }
    }

    /// Its key in COSE.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        match &self.key {
            Key::Es256(key) => {
                let point = key.public_key().as_ref();
                let (x, y) = (cbor_bytes(&point[1..33]), cbor_bytes(&point[33..]));
                [b"\xa5\x01\x02\x03\x26\x20\x01\x21", &x[..], b"\x22", &y].concat()
            }
            Key::EdDsa(key) => {
                let x = cbor_bytes(key.public_key().as_ref());
                [b"\xa4\x01\x01\x03\x27\x20\x06\x21", &x[..]].concat()
            }
            Key::Rs256(key) => {
                // RFC 8017, A.1.1: behind the heads of a sequence and of a number, and its zero.
                let modulus = cbor_bytes(&key.public_key().as_ref()[9..265]);
                [b"\xa4\x01\x03\x03\x39\x01\x00\x20", &modulus[..], b"\x21\x43\x01\x00\x01"].concat()
            }
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Es256(key) => key.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Key::EdDsa(key) => key.sign(message).as_ref().to_vec(),
            Key::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("a signature");
                signature
            }
        }
    }

    /// What it says of a passkey that it makes.
    pub(crate) fn made(&self, said: &Said) -> Vec<u8> {
        let key = said.key.clone().unwrap_or_else(|| self.public_key());
        let length = (self.id.len() as u16).to_be_bytes();
        said.data(said.flags | HAS_CREDENTIAL, &[&[0; 16], &length[..], &self.id, &key].concat())
    }

    /// A credential that was created, as a browser writes it; `attestation` is the object.
    pub(crate) fn created(&self, said: &Said, attestation: &[u8]) -> Value {
        let id = base64(&self.id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": base64(said.client.to_string().as_bytes()),
                "attestationObject": base64(attestation), "transports": ["internal"],
            },
        })
    }

    pub(crate) fn create(&self, said: &Said) -> Value {
        self.created(said, &attestation(&self.made(said)))
    }

    /// A credential that was got, as a browser writes it.
    pub(crate) fn get(&self, said: &Said) -> Value {
        let (id, client) = (base64(&self.id), said.client.to_string());
        let data = said.data(said.flags, &[]);
        let signature = self.sign(&[&data, digest(&SHA256, client.as_bytes()).as_ref()].concat());
        json!({
            "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": base64(client.as_bytes()), "authenticatorData": base64(&data),
                "signature": base64(&signature), "userHandle": self.handle.as_deref().map(base64),
            },
        })
    }

    /// Is added to the account that a browser is signed in to.
    #[track_caller]
    pub(crate) fn register(&mut self, browser: &Browser, server: &Server) -> Reply {
        self.register_as(browser, server, "Laptop", |_| {})
    }

    #[track_caller]
    pub(crate) fn register_as(
        &mut self,
        browser: &Browser,
        server: &Server,
        name: &str,
        change: impl FnOnce(&mut Said),
    ) -> Reply {
        let options = browser.act("/staff/passkeys/start").data().clone();
        self.handle = Some(bytes(&options["user"]["id"]));
        let said = Said::of(&options, server).with(change);
        browser.post("/staff/passkeys/finish", &json!({"name": name, "credential": self.create(&said)}))
    }

    /// Signs in.
    #[track_caller]
    pub(crate) fn sign_in(&self, browser: &Browser, server: &Server) -> Reply {
        self.sign_in_as(browser, server, |_| {})
    }

    #[track_caller]
    pub(crate) fn sign_in_as(
        &self,
        browser: &Browser,
        server: &Server,
        change: impl FnOnce(&mut Said),
    ) -> Reply {
        let options = browser.act("/staff/session/passkey/start").data().clone();
        let said = Said::of(&options, server).with(change);
        finish(browser, &self.get(&said))
    }
}

/// Sends what was signed to sign in.
#[track_caller]
pub(crate) fn finish(browser: &Browser, credential: &Value) -> Reply {
    browser.post("/staff/session/passkey/finish", &json!({"credential": credential}))
}
