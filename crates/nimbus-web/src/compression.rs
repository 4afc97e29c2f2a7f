//! Replies of JSON compressed with gzip, for who takes it.

use axum::{extract::Request, middleware::Next, response::Response};
use http::{
    Extensions, HeaderMap, HeaderValue, StatusCode, Version,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG},
};
use tower_http::compression::{CompressionLayer, Predicate, predicate::SizeAbove};

/// Replies of JSON of 1 KiB and more. No page can make a browser send a key that it does not know, so that nobody
/// learns a secret from the lengths of replies (BREACH).
pub(crate) fn layer() -> CompressionLayer<impl Predicate> {
    let is_json = |_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| {
        headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
    };
    CompressionLayer::new().compress_when(SizeAbove::new(1024).and(is_json))
}

/// Around the layer. It is asked for gzip or for nothing: what takes neither it would answer 406, after the request
/// has been carried out. The tag of what it compressed becomes a weak one (RFC 9110 section 8.8.1): other bytes, the
/// same meaning.
pub(crate) async fn around(mut request: Request, next: Next) -> Response {
    let headers = request.headers_mut();
    let asked = takes_gzip(headers);
    headers.remove(ACCEPT_ENCODING);
    if asked {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if headers.contains_key(CONTENT_ENCODING)
        && let Some(tag) = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""))
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        headers.insert(ETAG, weak);
    }
    response
}

/// Whether `Accept-Encoding` names gzip, or everything, and not with a weight of 0.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut any) = (None, None);
    let lists = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for coding in lists.flat_map(|list| list.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().to_ascii_lowercase();
        let refused =
            weight.strip_prefix("q=").is_some_and(|weight| weight.bytes().all(|b| b"0.".contains(&b)));
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(!refused),
            "*" => any = Some(!refused),
            _ => {}
        }
    }
    gzip.or(any).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_when_it_is_asked_for() {
        for (list, taken) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("identity;q=0, *;q=0.1", true),
            ("gzip;q=0, *", false),
            ("br, *;q=0", false),
            ("identity;q=0", false),
            ("gzip;q=0.000", false),
            ("deflate", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(list))]);
            assert_eq!(takes_gzip(&headers), taken, "{list}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
