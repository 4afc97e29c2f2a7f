//! Why a signature does not verify: what is computed of a request as it came, and the one fault that explains it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use nimbus_core::words;
use serde_json::Value;

use super::{
    PublicKey, SecretError, SigningPair, SigningSecret, VerifyError, check_timestamp, content, older,
};

/// Keys that are tried, and signatures that are read.
const MAX_TRIED: usize = 16;
/// A time of so many digits is in milliseconds, until the year 2286.
const MILLISECOND_DIGITS: usize = 13;

words! {
    /// What is wrong with a request, or with how it was checked.
    pub enum Fault {
        IdMissing = "id_missing",
        TimestampMissing = "timestamp_missing",
        SignatureMissing = "signature_missing",
        TimestampMalformed = "timestamp_malformed",
        TimestampMilliseconds = "timestamp_milliseconds",
        TimestampOld = "timestamp_old",
        TimestampFuture = "timestamp_future",
        SignatureMalformed = "signature_malformed",
        KeyMissing = "key_missing",
        KeyMalformed = "key_malformed",
        KeyQuoted = "key_quoted",
        SecretWithoutPrefix = "secret_without_prefix",
        SecretEncodedTwice = "secret_encoded_twice",
        PrivateKeyGiven = "private_key_given",
        PublicKeyNeeded = "public_key_needed",
        SecretNeeded = "secret_needed",
        BodyNewline = "body_newline",
        BodyByteOrderMark = "body_byte_order_mark",
        BodyReencoded = "body_reencoded",
        OtherId = "other_id",
        OlderSchemeMatches = "older_scheme_matches",
        NoMatch = "no_match",
    }
}

impl Fault {
    /// What is the matter, and what to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::IdMissing => "The webhook-id header is missing: pass all headers on, whatever their case.",
            Self::TimestampMissing => {
                "The webhook-timestamp header is missing: pass all headers on, whatever their case."
            }
            Self::SignatureMissing => {
                "The webhook-signature header is missing: pass all headers on. X-Webhook-Signature is \
                 the older scheme."
            }
            Self::TimestampMalformed => "The webhook-timestamp header is not a whole number of seconds.",
            Self::TimestampMilliseconds => {
                "The webhook-timestamp is in milliseconds; what is signed and compared are seconds, as they came."
            }
            Self::TimestampOld => {
                "The webhook-timestamp is older than the tolerance: a repeat of an old request, or the \
                 clock here is fast."
            }
            Self::TimestampFuture => {
                "The webhook-timestamp is ahead by more than the tolerance: the clock here is slow."
            }
            Self::SignatureMalformed => {
                "The webhook-signature header holds no signature of the form v1,<base64> or v1a,<base64>."
            }
            Self::KeyMissing => "No secret and no public key was given to check with.",
            Self::KeyMalformed => {
                "That is neither a secret (whsec_ and base64) nor a public key (whpk_ and base64): copy it whole."
            }
            Self::KeyQuoted => "The key stands in quotes: configure it without them.",
            Self::SecretWithoutPrefix => "The secret lacks its whsec_: configure it as it was shown.",
            Self::SecretEncodedTwice => {
                "The secret was encoded in base64 once more: configure it as it was shown."
            }
            Self::PrivateKeyGiven => {
                "That is a private key (whsk_): a receiver checks with the public one (whpk_), and knows no other."
            }
            Self::PublicKeyNeeded => {
                "The signatures are v1a: they are checked by the endpoint's public key (whpk_), not by a secret."
            }
            Self::SecretNeeded => {
                "The signatures are v1: they are checked by the endpoint's secret (whsec_), not by a public key."
            }
            Self::BodyNewline => {
                "The body has a line break at its end that was not sent: keep the bytes as they came."
            }
            Self::BodyByteOrderMark => "The body begins with a byte order mark that was not sent.",
            Self::BodyReencoded => {
                "The body is the same JSON written in another way: check the raw bytes, before anything parses them."
            }
            Self::OtherId => {
                "The webhook-id is not the one that was signed, which is that of the event in the body."
            }
            Self::OlderSchemeMatches => {
                "X-Webhook-Signature matches, so secret and body are right: the webhook-id or the \
                 webhook-timestamp was changed."
            }
            Self::NoMatch => {
                "No signature matches: the secret is another endpoint's or has been rotated, or the body \
                 is not the one that was sent."
            }
        }
    }
}

/// A request as it came, and what it is checked with.
pub struct Question<'a> {
    /// Names in any case.
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
    /// `whsec_…` or `whpk_…`, as they are configured.
    pub keys: &'a [String],
    pub now_seconds: i64,
    pub tolerance_seconds: i64,
}

/// What came of it. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What was looked at and computed, in order.
    pub steps: Vec<String>,
    /// Empty if the request is genuine.
    pub faults: Vec<Fault>,
}

impl Verdict {
    pub fn is_genuine(&self) -> bool {
        self.faults.is_empty()
    }

    fn step(&mut self, step: impl Into<String>) {
        self.steps.push(step.into());
    }

    fn fault(&mut self, fault: Fault) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

/// Reads headers as people paste them: one `Name: value` a line, with or without curl's `<` or `>` before it, or a JSON
/// object. Lines that are no headers are left out.
pub fn pasted_headers(text: &str) -> Vec<(String, String)> {
    if let Ok(Value::Object(object)) = serde_json::from_str(text) {
        let text = |value: &Value| match value {
            Value::Array(values) => values.first().and_then(Value::as_str).map(str::to_owned),
            value => value.as_str().map(str::to_owned),
        };
        return object.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect();
    }
    let header = |line: &str| {
        let (name, value) = line.trim_start_matches(['<', '>', ' ']).split_once(':')?;
        let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
        is_name.then(|| (name.to_owned(), value.trim().to_owned()))
    };
    text.lines().filter_map(header).collect()
}

/// Checks a request, and says what explains it if it does not pass.
pub fn explain(question: &Question<'_>) -> Verdict {
    let mut verdict = Verdict { steps: Vec::new(), faults: Vec::new() };
    let header = |name: &str| {
        let found = question.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    };
    let names = [
        ("webhook-id", Fault::IdMissing),
        ("webhook-timestamp", Fault::TimestampMissing),
        ("webhook-signature", Fault::SignatureMissing),
    ];
    let [id, timestamp, signature] = names.map(|(name, missing)| {
        match header(name) {
            Some(value) => verdict.step(format!("{name}: {value}")),
            None => verdict.fault(missing),
        }
        header(name)
    });
    if let Some(timestamp) = timestamp {
        judge_timestamp(&mut verdict, question, timestamp);
    }
    let keys = read_keys(&mut verdict, question.keys);
    verdict.step(format!("body: {} bytes", question.body.len()));
    let (Some(id), Some(timestamp), Some(signature)) = (id, timestamp, signature) else { return verdict };

    let signatures = read_signatures(signature);
    if signatures.is_empty() {
        verdict.fault(Fault::SignatureMalformed);
        return verdict;
    }
    verdict.step(format!("signed: {id}.{timestamp}. and the body"));
    for (number, candidate) in keys.iter().enumerate().filter(|(_, candidate)| candidate.fault.is_none()) {
        verdict.step(format!(
            "key {}: {}",
            number + 1,
            computed(&candidate.key, id, timestamp, question.body)
        ));
    }
    if keys.is_empty() {
        return verdict;
    }
    let sent = Sent { id: id.to_owned(), timestamp: timestamp.to_owned(), body: question.body.to_vec() };
    match matching(&keys, &sent, &signatures) {
        Some(faults) => {
            verdict.step(
                "a signature matches".to_owned() + if faults.is_empty() { "" } else { ", but only so:" },
            );
            faults.into_iter().for_each(|fault| verdict.fault(fault));
        }
        None => {
            let legacy = header("x-webhook-signature");
            verdict.fault(unmatched(&keys, &signatures, legacy, question.body));
        }
    }
    verdict
}

fn judge_timestamp(verdict: &mut Verdict, question: &Question<'_>, timestamp: &str) {
    let (now, tolerance) = (question.now_seconds, question.tolerance_seconds);
    let is_number = timestamp.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && timestamp.len() == MILLISECOND_DIGITS {
        return verdict.fault(Fault::TimestampMilliseconds);
    }
    match check_timestamp(timestamp, now, tolerance) {
        Ok(()) => verdict.step(format!("the timestamp is within {tolerance} seconds of {now}")),
        Err(VerifyError::TimestampOld) => verdict.fault(Fault::TimestampOld),
        Err(VerifyError::TimestampFuture) => verdict.fault(Fault::TimestampFuture),
        Err(_) => verdict.fault(Fault::TimestampMalformed),
    }
}

enum Key {
    Secret(SigningSecret),
    Public(PublicKey),
}

/// A key that may be what was meant, and what is wrong with what was given if it is.
struct Candidate {
    key: Key,
    fault: Option<Fault>,
}

fn read_keys(verdict: &mut Verdict, given: &[String]) -> Vec<Candidate> {
    if given.is_empty() {
        verdict.fault(Fault::KeyMissing);
    }
    let mut candidates = Vec::new();
    for text in given.iter().take(MAX_TRIED) {
        let before = candidates.len();
        read_key(text.trim(), &mut candidates);
        if candidates.len() == before {
            verdict.fault(Fault::KeyMalformed);
        }
    }
    candidates
}

fn read_key(text: &str, candidates: &mut Vec<Candidate>) {
    let mut add = |key: Result<Key, SecretError>, fault| match key {
        Ok(key) => {
            candidates.push(Candidate { key, fault });
            true
        }
        Err(SecretError) => false,
    };
    let secret = |text: &str| SigningSecret::parse(text).map(Key::Secret);
    let bare = text.trim_matches(['"', '\'', '`']);
    let quoted = (bare != text).then_some(Fault::KeyQuoted);
    let found = add(secret(bare), quoted)
        || add(PublicKey::parse(bare).map(Key::Public), quoted)
        || add(SigningPair::parse(bare).map(|pair| Key::Public(pair.public())), Some(Fault::PrivateKeyGiven));
    if !found {
        add(secret(&format!("whsec_{bare}")), Some(Fault::SecretWithoutPrefix));
    }
    // The whole text encoded, or what follows the prefix.
    let decoded = |text: &str| String::from_utf8(STANDARD.decode(text).ok()?).ok();
    if let Some(inner) = decoded(bare.strip_prefix("whsec_").unwrap_or(bare)) {
        let whole = if inner.starts_with("whsec_") { inner } else { format!("whsec_{inner}") };
        add(secret(&whole), Some(Fault::SecretEncodedTwice));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    V1,
    V1a,
}

fn read_signatures(header: &str) -> Vec<(Scheme, Vec<u8>)> {
    let read = |text: &str| {
        let (version, encoded) = text.split_once(',')?;
        let scheme = match version {
            "v1" => Scheme::V1,
            "v1a" => Scheme::V1a,
            _ => return None,
        };
        Some((scheme, STANDARD.decode(encoded).ok()?))
    };
    header.split_ascii_whitespace().take(MAX_TRIED).filter_map(read).collect()
}

/// What a key makes of the request, for comparison by eye.
fn computed(key: &Key, id: &str, timestamp: &str, body: &[u8]) -> String {
    match key {
        Key::Secret(secret) => {
            format!("the secret makes v1,{}", STANDARD.encode(secret.tag(id, timestamp, body)))
        }
        Key::Public(key) => format!("the public key {key} checks v1a"),
    }
}

struct Sent {
    id: String,
    timestamp: String,
    body: Vec<u8>,
}

impl Key {
    fn matches(&self, sent: &Sent, signatures: &[(Scheme, Vec<u8>)]) -> bool {
        let Sent { id, timestamp, body } = sent;
        signatures.iter().any(|(scheme, signature)| match (self, scheme) {
            (Self::Secret(secret), Scheme::V1) => {
                verify_slices_are_equal(secret.tag(id, timestamp, body).as_ref(), signature).is_ok()
            }
            (Self::Public(key), Scheme::V1a) => key.has_signed(&content(id, timestamp, body), signature),
            _ => false,
        })
    }
}

/// The faults of the request and of the key with which a signature matches: none, if it does as it is.
fn matching(keys: &[Candidate], sent: &Sent, signatures: &[(Scheme, Vec<u8>)]) -> Option<Vec<Fault>> {
    let variants =
        std::iter::once((None, None)).chain(variants(sent).into_iter().map(|(f, it)| (Some(f), Some(it))));
    for (fault, variant) in variants {
        let tried = variant.as_ref().unwrap_or(sent);
        let matches = |candidate: &&Candidate| candidate.key.matches(tried, signatures);
        // A key that is right as it was given goes before one that is not.
        let found = keys.iter().filter(matches).min_by_key(|candidate| candidate.fault.is_some());
        if let Some(candidate) = found {
            return Some(candidate.fault.into_iter().chain(fault).collect());
        }
    }
    None
}

/// The request without one of the faults that are often made.
fn variants(sent: &Sent) -> Vec<(Fault, Sent)> {
    let with_body = |body: Vec<u8>| Sent { id: sent.id.clone(), timestamp: sent.timestamp.clone(), body };
    let mut variants = Vec::new();
    if sent.timestamp.len() == MILLISECOND_DIGITS && sent.timestamp.is_ascii() {
        let timestamp = sent.timestamp[..MILLISECOND_DIGITS - 3].to_owned();
        let sent = Sent { id: sent.id.clone(), timestamp, body: sent.body.clone() };
        variants.push((Fault::TimestampMilliseconds, sent));
    }
    if sent.body.ends_with(b"\n") {
        let trimmed = sent.body.strip_suffix(b"\r\n").or_else(|| sent.body.strip_suffix(b"\n"));
        variants.push((Fault::BodyNewline, with_body(trimmed.unwrap_or(&sent.body).to_vec())));
    }
    if let Some(rest) = sent.body.strip_prefix(b"\xef\xbb\xbf") {
        variants.push((Fault::BodyByteOrderMark, with_body(rest.to_vec())));
    }
    if let Ok(json) = serde_json::from_slice::<Value>(&sent.body) {
        for id in ["event_id", "id"].iter().filter_map(|name| json.get(name)?.as_str()) {
            let sent = Sent { id: id.to_owned(), timestamp: sent.timestamp.clone(), body: sent.body.clone() };
            variants.push((Fault::OtherId, sent));
        }
        if let Some(body) = std::str::from_utf8(&sent.body).ok().and_then(as_sent) {
            variants.push((Fault::BodyReencoded, with_body(body)));
        }
    }
    variants
}

/// A JSON text as deliveries write it: no space between its parts, and no escapes that need not be. The order of the
/// fields stays, and so do numbers.
fn as_sent(json: &str) -> Option<Vec<u8>> {
    let mut sent = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(next) = rest.chars().next() {
        if next == '"' {
            let mut texts = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let text = texts.next()?.ok()?;
            sent.push_str(&serde_json::to_string(&text).ok()?);
            rest = &rest[texts.byte_offset()..];
        } else {
            if !next.is_ascii_whitespace() {
                sent.push(next);
            }
            rest = &rest[next.len_utf8()..];
        }
    }
    Some(sent.into_bytes())
}

/// What is said where nothing matches.
fn unmatched(
    keys: &[Candidate],
    signatures: &[(Scheme, Vec<u8>)],
    legacy: Option<&str>,
    body: &[u8],
) -> Fault {
    let all = |scheme| signatures.iter().all(|(it, _)| *it == scheme);
    let older_matches = |candidate: &Candidate| match &candidate.key {
        Key::Secret(secret) => legacy.is_some_and(|legacy| {
            verify_slices_are_equal(older(secret.as_str(), body).as_bytes(), legacy.as_bytes()).is_ok()
        }),
        Key::Public(_) => false,
    };
    if all(Scheme::V1a) && keys.iter().all(|candidate| matches!(candidate.key, Key::Secret(_))) {
        Fault::PublicKeyNeeded
    } else if all(Scheme::V1) && keys.iter().all(|candidate| matches!(candidate.key, Key::Public(_))) {
        Fault::SecretNeeded
    } else if keys.iter().any(older_matches) {
        Fault::OlderSchemeMatches
    } else {
        Fault::NoMatch
    }
}

#[cfg(test)]
mod tests;
