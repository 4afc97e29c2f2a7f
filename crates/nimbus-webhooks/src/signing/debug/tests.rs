//! Each fault with a request that has it, and what passes.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;
use crate::signing::{SigningKey, TOLERANCE_SECONDS, sign};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ID: &str = "0193b0c8-0000-7000-8000-000000000001";
const NOW: i64 = 1_700_000_000;
const BODY: &str =
    r#"{"event_id":"0193b0c8-0000-7000-8000-000000000001","zeta":1.50,"alpha":"Grüße / \"x\""}"#;

/// A genuine request, to be spoilt.
struct Case {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    keys: Vec<String>,
    now: i64,
}

impl Case {
    fn genuine() -> Self {
        Self::signed_by(SECRET)
    }

    fn signed_by(key: &str) -> Self {
        let secret = SigningSecret::parse(SECRET).unwrap();
        let signed = sign(&[SigningKey::parse(key).unwrap()], &secret, ID, NOW, BODY.as_bytes());
        let headers = [
            ("Webhook-Id", ID.to_owned()),
            ("Webhook-Timestamp", NOW.to_string()),
            ("Webhook-Signature", signed.standard),
            ("X-Webhook-Signature", signed.legacy),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self { headers, body: BODY.into(), keys: vec![SECRET.to_owned()], now: NOW }
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(given, _)| given != name);
        self
    }

    fn with(self, name: &str, value: &str) -> Self {
        let mut case = self.without(name);
        case.headers.push((name.to_owned(), value.to_owned()));
        case
    }

    fn with_body(self, body: &str) -> Self {
        Self { body: body.into(), ..self }
    }

    fn with_key(self, key: &str) -> Self {
        Self { keys: vec![key.to_owned()], ..self }
    }

    fn at(self, now: i64) -> Self {
        Self { now, ..self }
    }

    fn verdict(&self) -> Verdict {
        let Self { headers, body, keys, now } = self;
        explain(&Question { headers, body, keys, now_seconds: *now, tolerance_seconds: TOLERANCE_SECONDS })
    }
}

#[track_caller]
fn check(case: Case, expected: &[Fault]) {
    let verdict = case.verdict();
    assert_eq!(verdict.faults, expected, "{:?}", verdict.steps);
    assert_eq!(verdict.is_genuine(), expected.is_empty());
    for key in &case.keys {
        let shown = format!("{verdict:?}");
        let secret = key.trim_start_matches("whsec_");
        assert!(key.starts_with("whpk_") || secret.len() < 8 || !shown.contains(secret), "a secret is shown");
    }
}

#[test]
fn a_genuine_request_passes_with_any_of_its_keys() {
    check(Case::genuine(), &[]);
    check(Case::genuine().at(NOW + TOLERANCE_SECONDS), &[]);
    let other = SigningSecret::generate();
    let several = Case { keys: vec![other.as_str().to_owned(), format!("{SECRET}\n")], ..Case::genuine() };
    check(several, &[]);
    let signature = format!("v1,AAAA {}", Case::genuine().headers[2].1);
    check(Case::genuine().with("Webhook-Signature", &signature), &[]);
    let pair = SigningPair::generate();
    check(Case::signed_by(pair.as_str()).with_key(&pair.public().to_string()), &[]);
}

#[test]
fn what_is_missing_is_named() {
    for (name, fault) in [
        ("Webhook-Id", Fault::IdMissing),
        ("Webhook-Timestamp", Fault::TimestampMissing),
        ("Webhook-Signature", Fault::SignatureMissing),
    ] {
        check(Case::genuine().without(name), &[fault]);
        check(Case::genuine().with(name, " "), &[fault]);
    }
    check(Case { keys: Vec::new(), ..Case::genuine() }, &[Fault::KeyMissing]);
    let bare = Case { headers: Vec::new(), ..Case::genuine() };
    check(bare, &[Fault::IdMissing, Fault::TimestampMissing, Fault::SignatureMissing]);
}

#[test]
fn the_clock_and_the_form_of_the_time_are_told_apart() {
    check(Case::genuine().at(NOW + 301), &[Fault::TimestampOld]);
    check(Case::genuine().at(NOW - 301), &[Fault::TimestampFuture]);
    let with = |value: &str| Case::genuine().with("Webhook-Timestamp", value);
    check(with(&format!("{NOW}123")), &[Fault::TimestampMilliseconds]);
    check(with("soon"), &[Fault::TimestampMalformed, Fault::OlderSchemeMatches]);
    check(with(&(NOW + 1).to_string()), &[Fault::OlderSchemeMatches]);
}

#[test]
fn what_is_wrong_with_a_key_is_named() {
    let of = |key: &str| Case::genuine().with_key(key);
    check(of(&SECRET[6..]), &[Fault::SecretWithoutPrefix]);
    check(of(&format!("\"{SECRET}\"")), &[Fault::KeyQuoted]);
    check(of(&STANDARD.encode(SECRET)), &[Fault::SecretEncodedTwice]);
    check(of(&format!("whsec_{}", STANDARD.encode(&SECRET[6..]))), &[Fault::SecretEncodedTwice]);
    check(of("hunter2"), &[Fault::KeyMalformed]);
    check(of("whsec_short"), &[Fault::KeyMalformed]);
    let other = SigningSecret::generate();
    check(of(other.as_str()), &[Fault::NoMatch]);
    let pair = SigningPair::generate();
    check(of(&pair.public().to_string()), &[Fault::SecretNeeded]);
    let asymmetric = || Case::signed_by(pair.as_str());
    check(asymmetric(), &[Fault::PublicKeyNeeded]);
    check(asymmetric().with_key(pair.as_str()), &[Fault::PrivateKeyGiven]);
    check(asymmetric().with_key(&SigningPair::generate().public().to_string()), &[Fault::NoMatch]);
}

#[test]
fn what_became_of_the_body_is_named() {
    let with = |body: &str| Case::genuine().with_body(body);
    check(with(&format!("{BODY}\n")), &[Fault::BodyNewline]);
    check(with(&format!("{BODY}\r\n")), &[Fault::BodyNewline]);
    check(with(&format!("\u{feff}{BODY}")), &[Fault::BodyByteOrderMark]);
    for reencoded in [
        r#"{"event_id": "0193b0c8-0000-7000-8000-000000000001", "zeta": 1.50, "alpha": "Gr\u00fc\u00dfe / \"x\""}"#,
        "{\n  \"event_id\": \"0193b0c8-0000-7000-8000-000000000001\",\n  \"zeta\": 1.50,\n  \"alpha\": \"Gr\u{fc}\u{df}e \\/ \\\"x\\\"\"\n}",
    ] {
        check(with(reencoded), &[Fault::BodyReencoded]);
    }
    check(with(&BODY.replace("1.50", "1.5")), &[Fault::NoMatch]);
    check(with(""), &[Fault::NoMatch]);
}

#[test]
fn another_id_is_told_by_the_body() {
    check(Case::genuine().with("Webhook-Id", "dlv_1"), &[Fault::OtherId]);
}

#[test]
fn signatures_of_no_known_form_are_named() {
    for value in ["t=1,v1=abc", "v2,AAAA", "v1,***", "v1"] {
        check(Case::genuine().with("Webhook-Signature", value), &[Fault::SignatureMalformed]);
    }
    check(
        Case::genuine().with("Webhook-Signature", "v1,AAAA").without("X-Webhook-Signature"),
        &[Fault::NoMatch],
    );
    check(Case::genuine().with("Webhook-Signature", "v1,AAAA"), &[Fault::OlderSchemeMatches]);
}

#[test]
fn headers_are_read_as_they_are_pasted() {
    let expected = [("Webhook-Id", "msg_1"), ("webhook-timestamp", "17")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    for text in [
        "POST /hook HTTP/1.1\nWebhook-Id: msg_1\r\nwebhook-timestamp:17\n\n",
        "> Webhook-Id: msg_1\n> webhook-timestamp: 17 \n>\n",
        r#"{"Webhook-Id": "msg_1", "webhook-timestamp": ["17"], "n": 7}"#,
    ] {
        assert_eq!(pasted_headers(text), expected, "{text}");
    }
    assert_eq!(pasted_headers("").len(), 0);
}

#[test]
fn every_fault_has_its_advice() {
    for fault in Fault::ALL {
        assert!(fault.advice().ends_with('.'), "{fault}");
    }
}
