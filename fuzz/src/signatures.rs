//! Signatures of webhooks: what is signed verifies, what is changed does not, and what is pasted is explained.

use nimbus_webhooks::signing::{
    SigningKey, SigningSecret,
    debug::{Question, explain, pasted_headers},
    sign, verify,
};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHER: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
const AT: i64 = 1_649_367_553;
const TOLERANCE: i64 = 300;

fn secret(text: &str) -> SigningSecret {
    SigningSecret::parse(text).expect("it is one")
}

/// Bytes as a body, as a header of signatures, as a time and as pasted headers.
pub fn signature(data: &[u8]) {
    let own = secret(SECRET);
    let keys = [SigningKey::Secret(secret(SECRET)), SigningKey::Secret(secret(OTHER))];
    let signed = sign(&keys, &own, ID, AT, data).standard;
    let accepts = |secret: &SigningSecret, signatures: &str, body: &[u8], now: i64| {
        verify(secret, ID, &AT.to_string(), signatures, body, now, TOLERANCE).is_ok()
    };
    assert!(accepts(&own, &signed, data, AT) && accepts(&secret(OTHER), &signed, data, AT + TOLERANCE));
    assert!(!accepts(&own, &signed, data, AT + TOLERANCE + 1), "an old one");
    let (first, _) = signed.split_once(' ').expect("two signatures");
    assert!(!accepts(&secret(OTHER), first, data, AT), "another's");
    let mut changed = data.to_vec();
    match changed.first_mut() {
        Some(byte) => *byte ^= 1,
        None => changed.push(0),
    }
    assert!(!accepts(&own, &signed, &changed, AT), "another body");

    let text = String::from_utf8_lossy(data);
    // 256 bits are not guessed: only what holds the right signature passes.
    assert!(!accepts(&own, &text, b"a body of mine", AT) || text.contains("v1,"), "it was never signed");
    let timed = verify(&own, ID, &text, &signed, data, AT, TOLERANCE);
    assert_eq!(timed.is_ok(), text.trim_ascii() == AT.to_string() && text == AT.to_string());
    let _ = (SigningKey::parse(&text), SigningSecret::parse(&text));
    explained(&text, data);
}

/// Whatever is pasted, only what verifies is called genuine.
fn explained(text: &str, body: &[u8]) {
    let headers = pasted_headers(text);
    let keys = [SECRET.to_owned()];
    let question =
        Question { headers: &headers, body, keys: &keys, now_seconds: AT, tolerance_seconds: TOLERANCE };
    let verdict = explain(&question);
    let shows = |text: &str| text.contains(&SECRET[6..]);
    let is_told = verdict.steps.iter().any(|step| shows(step));
    assert!(
        !is_told || headers.iter().any(|(_, value)| shows(value)),
        "a secret is not shown, but to who pasted it"
    );
    if verdict.is_genuine() {
        let header = |name: &str| {
            headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        assert!(header("webhook-signature").is_some() || header("x-webhook-signature").is_some());
    }
}
