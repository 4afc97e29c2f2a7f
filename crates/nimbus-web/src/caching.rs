//! `ETag`, `If-None-Match` and `If-Match` (RFC 9110 sections 8.8.3 and 13).
//!
//! A tag is a hash of the reply's bytes. That of a resource which PATCH changes begins with its stored version, and
//! `If-Match` compares that alone: what is shown beside the resource is no part of what a PATCH would overwrite.
//! The tag is of the reply before compression; a compressed one carries it as a weak tag.

use aws_lc_rs::digest::{SHA256, digest};
use axum::{body::Body, response::Response};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, VARY},
};
use http_body_util::BodyExt;
use nimbus_app::{Error, IfMatch, Reply};

use crate::{failure::Failure, wire};

/// The most tags that one header may list.
const MAX_TAGS: usize = 50;

/// The stored version of what a reply shows.
#[derive(Clone, Copy)]
struct Version(i64);

/// Marks what was read as this version of its resource.
pub(crate) fn versioned(mut response: Response, version: i64) -> Response {
    response.extensions_mut().insert(Version(version));
    response
}

/// Sends the reply of a PATCH, with a tag for the next one: what a GET would show is not at hand.
pub(crate) fn patched(reply: Reply) -> Response {
    let version = reply.rendered.version;
    let mut response = wire::reply(reply);
    if let Some(version) = version {
        let tag = format!("\"v{version}\"");
        response.headers_mut().insert(ETAG, HeaderValue::try_from(tag).expect("a number is visible ASCII"));
    }
    response
}

/// Gives the reply to a read its tag, and answers 304 to who has it already. A reply that is not whole in memory
/// passes as it is.
pub(crate) async fn conditional(asked: Asked, response: Response) -> Response {
    if response.status() != StatusCode::OK {
        return response;
    }
    let response = hashed(response).await;
    let Some(tag) = response.headers().get(ETAG) else { return response };
    if !asked.has(tag) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(CONTENT_TYPE);
    parts.headers.remove(CONTENT_LENGTH);
    // As the whole reply would have, which may be compressed.
    parts.headers.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    Response::from_parts(parts, Body::empty())
}

/// Gives a reply the hash of its bytes as its tag.
async fn hashed(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if axum::body::HttpBody::size_hint(&body).exact().is_none() {
        return Response::from_parts(parts, body);
    }
    // Of a known size: it is in memory, and nothing can fail.
    let Ok(bytes) = body.collect().await.map(|body| body.to_bytes()) else {
        return Response::from_parts(parts, Body::empty());
    };
    let hash = digest(&SHA256, &bytes);
    let hash = hash.as_ref()[..16].iter().fold(0, |hash: u128, &byte| hash << 8 | u128::from(byte));
    let hash = nimbus_core::ids::base62(hash);
    let tag = match parts.extensions.get() {
        Some(Version(version)) => format!("\"v{version}-{hash}\""),
        None => format!("\"{hash}\""),
    };
    parts.headers.insert(ETAG, HeaderValue::try_from(tag).expect("letters and digits"));
    Response::from_parts(parts, Body::from(bytes))
}

/// What a read said in `If-None-Match`.
pub(crate) struct Asked(Vec<HeaderValue>);

impl Asked {
    /// `None` for any other method.
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Option<Self> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        reads.then(|| Self(headers.get_all(IF_NONE_MATCH).iter().cloned().collect()))
    }

    /// Weak comparison: what is ours is strong, and a proxy may have weakened it. An ill-formed list names nothing.
    fn has(&self, tag: &HeaderValue) -> bool {
        let lists = self.0.iter().filter_map(|value| tags(value.to_str().ok()?));
        lists.flatten().any(|listed| listed == "*" || listed.as_bytes() == tag.as_bytes())
    }
}

/// Reads `If-Match`: `*`, or tags of which one must be the resource's. A weak prefix is forgiven: proxies that
/// compress add one.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<IfMatch>, Failure> {
    let malformed = || Error::field("If-Match", "must be * or a list of entity tags in quotes");
    let mut versions = Vec::new();
    let mut any = false;
    for value in headers.get_all(IF_MATCH) {
        let listed = value.to_str().ok().and_then(tags).ok_or_else(malformed)?;
        for tag in listed {
            any |= tag == "*";
            versions.extend(version_of(tag));
        }
    }
    if !headers.contains_key(IF_MATCH) {
        return Ok(None);
    }
    Ok(Some(if any { IfMatch::Any } else { IfMatch::Versions(versions) }))
}

/// The version that a tag names; tags that are not of this form match nothing.
fn version_of(tag: &str) -> Option<i64> {
    let named = tag.strip_prefix("\"v")?.strip_suffix('"')?;
    let digits = named.split_once('-').map_or(named, |(version, _)| version);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The tags of a list, in their quotes and without a weak prefix; or `*` alone. `None` if it is ill-formed.
fn tags(list: &str) -> Option<Vec<&str>> {
    if list.trim() == "*" {
        return Some(vec!["*"]);
    }
    let mut tags = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let opaque = rest.strip_prefix("W/").unwrap_or(rest);
        let end = opaque.strip_prefix('"')?.find('"')? + 2;
        tags.push(&opaque[..end]);
        rest = opaque[end..].trim_start();
        if let Some(next) = rest.strip_prefix(',') {
            rest = next.trim_start();
        } else if !rest.is_empty() {
            return None;
        }
    }
    (1..=MAX_TAGS).contains(&tags.len()).then_some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tags_are_read_as_they_are_written() {
        for (list, expected) in [
            ("*", Some(vec!["*"])),
            ("\"v1\"", Some(vec!["\"v1\""])),
            ("W/\"v1\" , \"a,b\",\"\"", Some(vec!["\"v1\"", "\"a,b\"", "\"\""])),
            ("", None),
            ("v1", None),
            ("\"v1", None),
            ("\"v1\" \"v2\"", None),
            ("*, \"v1\"", None),
        ] {
            assert_eq!(tags(list), expected, "{list}");
        }
        assert_eq!(tags(&"\"x\",".repeat(MAX_TAGS + 1)), None);
    }

    #[test]
    fn only_our_own_tags_name_a_version() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, value.parse().unwrap());
            if_match(&headers).ok().flatten()
        };
        assert_eq!(of("\"v7\", W/\"v8-3Xk\", \"x\""), Some(IfMatch::Versions(vec![7, 8])));
        assert_eq!(of("\"v-7\", \"v+7\", \"v99999999999999999999\""), Some(IfMatch::Versions(vec![])));
        assert_eq!(of("*"), Some(IfMatch::Any));
        assert_eq!(of("v7"), None);
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
    }
}
