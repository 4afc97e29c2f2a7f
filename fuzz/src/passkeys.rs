//! Passkeys: nothing that was not made for us is taken, whatever bytes browsers and authenticators send.

use std::sync::OnceLock;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use nimbus_app::staff::passkeys::ceremony::{
    Assertion, OnFile, Party, Registration, asserted, challenge_of, registered,
};
use serde_json::json;

const CHALLENGE: [u8; 32] = [7; 32];
const HANDLE: &[u8] = b"somebody";
/// Somebody was there, and was the one.
const VERIFIED: u8 = 5;

fn party() -> Party {
    Party::of("https://nimbus.test").expect("an address")
}

/// One key of a process, and how COSE writes it.
fn key() -> &'static (EcdsaKeyPair, Vec<u8>) {
    static KEY: OnceLock<(EcdsaKeyPair, Vec<u8>)> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        let point = pair.public_key().as_ref();
        let cose =
            [b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", &point[1..33], b"\x22\x58\x20", &point[33..]];
        let cose = cose.concat();
        (pair, cose)
    })
}

fn client_data(kind: &str) -> Vec<u8> {
    let challenge = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
    format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"https://nimbus.test"}}"#).into_bytes()
}

fn hashed() -> Vec<u8> {
    digest(&SHA256, b"nimbus.test").as_ref().to_vec()
}

/// Bytes as client data, as an attestation object, as what stands in one, as authenticator data, as a key and as a
/// signature.
pub fn passkey(data: &[u8]) {
    registers(data);
    signs(data);
    let _ = challenge_of(data);
    let party = String::from_utf8_lossy(data);
    if let Some(party) = Party::of(&party) {
        assert!(party.origin.contains(&party.id), "an origin has its host");
    }
}

fn registers(data: &[u8]) {
    // Data with a credential, and whatever stands behind.
    let made = [&hashed(), &[VERIFIED | 64][..], &[0; 4], &[0; 16], &[0, 16], &[9; 16], data].concat();
    let length = u16::try_from(made.len()).unwrap_or(u16::MAX).to_be_bytes();
    let wrapped = [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59", &length[..], &made].concat();
    for attestation in [data.to_vec(), wrapped] {
        let sent = Registration {
            credential_id: vec![9; 16],
            client_data: client_data("webauthn.create"),
            attestation: attestation.clone(),
        };
        if let Ok(kept) = registered(&party(), &CHALLENGE, &sent) {
            assert!(attestation.windows(32).any(|part| part == hashed()), "it is for us");
            assert!(kept.public_key.len() <= attestation.len() && !kept.public_key.is_empty());
            assert!(kept.backup_eligible || !kept.backed_up);
            // What stands behind the end is seen, and so is an end that is missing.
            for other in [[&attestation[..], &[0]].concat(), attestation[..attestation.len() - 1].to_vec()] {
                let sent = Registration { attestation: other, ..sent.clone() };
                assert!(registered(&party(), &CHALLENGE, &sent).is_err());
            }
            let sent = Registration { client_data: client_data("webauthn.get"), ..sent };
            assert!(registered(&party(), &CHALLENGE, &sent).is_err(), "it is of another ceremony");
        }
    }
    let sent =
        Registration { credential_id: Vec::new(), client_data: data.to_vec(), attestation: Vec::new() };
    assert!(registered(&party(), &CHALLENGE, &sent).is_err(), "there is none");
}

fn signs(data: &[u8]) {
    let (pair, cose) = key();
    let on_file = OnFile { public_key: cose, user_handle: HANDLE, backup_eligible: false, identifies: true };
    let right = [&hashed(), &[VERIFIED][..], &[0; 4]].concat();
    let judge = |on_file: &OnFile<'_>, client_data: &[u8], authenticator_data: &[u8], signature: &[u8]| {
        let sent = Assertion {
            credential_id: Vec::new(),
            client_data: client_data.to_vec(),
            authenticator_data: authenticator_data.to_vec(),
            signature: signature.to_vec(),
            user_handle: Some(HANDLE.to_vec()),
        };
        asserted(&party(), &CHALLENGE, on_file, &sent).is_ok()
    };
    // Nobody guesses a signature of a key that was made a moment ago.
    assert!(!judge(&on_file, &client_data("webauthn.get"), &right, data), "it was never signed");
    // What is signed, whatever it is, is taken only if it says what it must.
    let signed = |authenticator_data: &[u8], client_data: &[u8]| {
        let message = [authenticator_data, digest(&SHA256, client_data).as_ref()].concat();
        pair.sign(&SystemRandom::new(), &message).expect("a signature").as_ref().to_vec()
    };
    let client = client_data("webauthn.get");
    let by_data = signed(data, &client);
    if judge(&on_file, &client, data, &by_data) {
        assert!(data.starts_with(&hashed()) && data[32] & VERIFIED == VERIFIED && data[32] & 0x58 == 0);
    }
    let by_client = signed(&right, data);
    if judge(&on_file, data, &right, &by_client) {
        let told: serde_json::Value = serde_json::from_slice(data).expect("it is JSON");
        assert_eq!((&told["type"], &told["origin"]), (&json!("webauthn.get"), &json!("https://nimbus.test")));
        assert_eq!(challenge_of(data).ok(), Some(CHALLENGE));
    }
    assert!(judge(&on_file, &client, &right, &signed(&right, &client)), "the right one");
    // Whatever is said to be a key verifies nothing of ours.
    let other = OnFile { public_key: data, ..on_file };
    assert!(!judge(&other, &client, &right, &signed(&right, &client)) || data.starts_with(cose));
}
