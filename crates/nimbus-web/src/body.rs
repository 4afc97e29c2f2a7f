//! A request as handlers read it: ids from the path, fields from the query and from the JSON body.
//!
//! Nothing of the body is read before the caller is known to be allowed the route.

use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::digest::{Context, SHA256};
use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request},
};
use bytes::Bytes;
use http::{HeaderMap, Method, header::CONTENT_TYPE, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use nimbus_app::{Call, Error, Idempotency};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::{
    caching,
    failure::Failure,
    fields::{self, Fields},
    unread::TooSlow,
};

/// The largest body that a route reads, in bytes and in words.
#[derive(Clone, Copy)]
pub(crate) struct BodyLimit {
    pub(crate) bytes: usize,
    pub(crate) words: &'static str,
}

pub(crate) const MAX_JSON: BodyLimit = BodyLimit { bytes: 1024 * 1024, words: "1 MiB" };
/// What a body that is read as JSON must be.
pub(crate) const JSON: &str = "JSON, sent with Content-Type: application/json";
/// The longest `Idempotency-Key`.
const MAX_IDEMPOTENCY_KEY: usize = 255;
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// A request whose body has not been read.
pub(crate) struct Incoming {
    pub(crate) parts: Parts,
    path: Vec<(String, String)>,
    /// Never locked: it makes a request that is awaited by reference `Sync`, which a body is not.
    body: Mutex<Body>,
}

impl<S: Send + Sync> FromRequest<S> for Incoming {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        // A path parameter that is not UTF-8 names nothing: left out here, it is not found later.
        let path = match RawPathParams::from_request_parts(&mut parts, state).await {
            Ok(params) => params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            Err(_) => Vec::new(),
        };
        Ok(Self { parts, path, body: Mutex::new(body) })
    }
}

impl Incoming {
    /// An id in the path. An ill-formed one names nothing, like one that never existed.
    pub(crate) fn id<I: FromStr>(&self, name: &str, what: &'static str) -> Result<I, Failure> {
        let text = self.path.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        text.and_then(|text| text.parse().ok()).ok_or(Failure::App(Error::NotFound(what)))
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// Reads the query string, as an object whose values are strings.
    pub(crate) fn query<T>(&self, read: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Result<T, Failure> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&self.parts.uri)
            .map_err(|_| Error::unreadable("$", "The query string cannot be read."))?;
        let mut object = Map::new();
        for (name, value) in pairs.0 {
            if object.insert(name, Value::String(value)).is_some() {
                return Err(given_twice());
            }
        }
        Ok(fields::read_query(&object, read)?)
    }

    /// Reads the JSON body, and binds an `Idempotency-Key` to the call. A request without a body is read as an
    /// empty object, so that it is told of every field it lacks.
    pub(crate) async fn json<T>(
        &mut self,
        call: &mut Call,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Result<T, Failure> {
        let body = self.bytes(call, MAX_JSON).await?;
        let value = match body.is_empty() {
            true => Value::Object(Map::new()),
            false if is_json(self.headers()) => parse(&body)?,
            false => return Err(Failure::UnsupportedMediaType(JSON)),
        };
        Ok(fields::read(&value, read)?)
    }

    /// Reads the body of a request that needs none, and binds an `Idempotency-Key` to the call.
    pub(crate) async fn no_body(&mut self, call: &mut Call) -> Result<(), Failure> {
        self.bytes(call, MAX_JSON).await.map(|_| ())
    }

    /// The media type of the body, in lower case and without its parameters.
    pub(crate) fn media_type(&self) -> Option<String> {
        media_type(self.headers())
    }

    /// Reads a body of any kind, and binds an `Idempotency-Key` to the call.
    pub(crate) async fn bytes(&mut self, call: &mut Call, limit: BodyLimit) -> Result<Bytes, Failure> {
        let key = idempotency_key(self.headers())?;
        let body = std::mem::take(self.body.get_mut().unwrap_or_else(PoisonError::into_inner));
        let bytes = match Limited::new(body, limit.bytes).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(Failure::PayloadTooLarge(limit.words));
            }
            Err(error) if is_too_slow(error.as_ref()) => return Err(Failure::Timeout),
            Err(_) => return Err(Error::unreadable("$", "The body broke off.").into()),
        };
        if self.parts.method == Method::PATCH {
            call.if_match = caching::if_match(self.headers())?;
        }
        call.idempotency = key
            .filter(|_| self.parts.method == Method::POST)
            .map(|key| Idempotency { key, fingerprint: fingerprint(&self.parts, &bytes) });
        Ok(bytes)
    }
}

/// Whether a body ended because its time did.
fn is_too_slow(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<TooSlow>())
}

/// A query that names a parameter more than once.
pub(crate) fn given_twice() -> Failure {
    Error::unreadable("$", "A query parameter is given twice.").into()
}

pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bytes = value.as_bytes();
    let visible = bytes.iter().all(u8::is_ascii_graphic);
    match std::str::from_utf8(bytes) {
        Ok(text) if visible && (1..=MAX_IDEMPOTENCY_KEY).contains(&text.len()) && values.next().is_none() => {
            Ok(Some(text.to_owned()))
        }
        _ => {
            Err(Error::unreadable(IDEMPOTENCY_KEY, "must be 1 to 255 visible ASCII characters, once").into())
        }
    }
}

/// What makes two requests with one `Idempotency-Key` the same: method, path with query, and body bytes.
fn fingerprint(parts: &Parts, body: &[u8]) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(parts.method.as_str().as_bytes());
    hash.update(b"\n");
    hash.update(parts.uri.path_and_query().map_or("/", |path| path.as_str()).as_bytes());
    hash.update(b"\n");
    hash.update(body);
    let mut fingerprint = [0u8; 32];
    fingerprint.copy_from_slice(hash.finish().as_ref());
    fingerprint
}

/// `application/json` or a type that ends in `+json`, whatever its parameters and letter case.
fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|essence| {
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    })
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Parses a document that holds no key twice; nesting ends at serde_json's 128 levels. The parser's messages
/// name a line and a column, and never what stands there.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice::<Strict>(body)
        .map(|Strict(value)| value)
        .map_err(|error| Error::unreadable("$", format!("The body is not valid JSON: {error}")).into())
}

/// A JSON value in which no object has a key twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Strict(value))) = entries.next_entry::<String, Strict>()? {
            if object.insert(key, value).is_some() {
                return Err(serde::de::Error::custom("an object has a key twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> String {
        match parse(body.as_bytes()) {
            Err(Failure::App(Error::Invalid(fields))) => fields[0].message.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn malformed_json_is_placed_and_not_repeated() {
        let text = message("{\"first_name\": \"Jane\",\n \"last_name\": Doe}");
        assert!(text.contains("line 2 column 15"), "{text}");
        assert!(!text.contains("Doe"), "{text}");
        assert!(message("{\"a\": 1").contains("line 1"));
        assert!(message("{\"a\": 1, \"b\": {\"x\": 1, \"x\": 2}}").contains("key twice"));
        assert!(message(&"[".repeat(200)).contains("recursion limit"));
    }

    #[test]
    fn json_is_told_by_its_type() {
        let is = |kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            is_json(&headers)
        };
        assert!(
            is("application/json") && is("Application/JSON; charset=utf-8") && is("application/vnd.x+json")
        );
        assert!(!is("text/plain") && !is("application/jsonx") && !is_json(&HeaderMap::new()));
    }
}
