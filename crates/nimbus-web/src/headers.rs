//! What every reply tells browsers, and the one host that every request must name.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Version,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS,
    },
    uri::Authority,
};
use nimbus_app::Error;
use nimbus_core::network::Network;

use crate::{failure::Failure, transport::Connected};

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const FORWARDED_PROTO: &str = "X-Forwarded-Proto";

/// Two years, for all names below as well (RFC 6797 section 6.1).
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");
/// For replies that are no pages: nothing is loaded for them, and nobody frames them. Pages have policies of their own.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The middleware outside of all others: replies that say something else of their own keep it.
pub(crate) async fn strict(State(proxies): State<Arc<[Network]>>, request: Request, next: Next) -> Response {
    let is_https = is_https(request.extensions(), request.headers(), &proxies);
    // Partners show barcodes in pages of theirs.
    let resource_policy =
        if request.uri().path().starts_with("/links/") { "cross-origin" } else { "same-origin" };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(NOTHING);
    headers.entry(RESOURCE_POLICY).or_insert(HeaderValue::from_static(resource_policy));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if is_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
    response
}

/// Whether the caller came by TLS: to us, or to a proxy of ours that says so.
fn is_https(extensions: &Extensions, headers: &HeaderMap, proxies: &[Network]) -> bool {
    let Some(connected) = extensions.get::<Connected>() else { return false };
    let by_proxy = proxies.iter().any(|proxy| proxy.contains(connected.address.ip()));
    let told = headers.get_all(FORWARDED_PROTO).iter().next_back().and_then(|value| value.to_str().ok());
    let told = told.and_then(|list| list.rsplit(',').next()).map(str::trim);
    match told {
        Some(scheme) if by_proxy => scheme.eq_ignore_ascii_case("https"),
        _ => connected.is_tls,
    }
}

/// Refuses a request whose hosts differ, so that nothing on the way takes it for one to somebody else (RFC 9112
/// section 3.2, RFC 9113 section 8.3.1).
pub(crate) async fn one_authority(request: Request, next: Next) -> Response {
    if names_one_authority(&request) {
        return next.run(request).await;
    }
    Failure::App(Error::unreadable("Host", "must be given once, and be the host that the request is for"))
        .into_response()
}

fn names_one_authority<B>(request: &http::Request<B>) -> bool {
    let hosts: Vec<&HeaderValue> = request.headers().get_all(HOST).iter().collect();
    let asked = request.uri().authority();
    let host = match hosts.as_slice() {
        // HTTP/1.0 knows no Host, and HTTP/2 has its own way to name it.
        [] => return asked.is_some() || request.version() != Version::HTTP_11,
        [host] => host,
        _ => return false,
    };
    let Some(host) = host.to_str().ok().and_then(|text| text.parse::<Authority>().ok()) else { return false };
    !host.as_str().contains('@')
        && asked.is_none_or(|asked| asked.as_str().eq_ignore_ascii_case(host.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_is_what_the_connection_is_or_what_our_proxy_says() {
        let proxies: Vec<Network> = vec!["10.0.0.0/8".parse().unwrap()];
        let check = |address: &str, is_tls, told: &[&'static str], expected| {
            let mut extensions = Extensions::new();
            extensions.insert(Connected { address: format!("{address}:1").parse().unwrap(), is_tls });
            let mut headers = HeaderMap::new();
            for scheme in told {
                headers.append(FORWARDED_PROTO, HeaderValue::from_static(scheme));
            }
            assert_eq!(is_https(&extensions, &headers, &proxies), expected, "{address} {is_tls} {told:?}");
        };
        check("192.0.2.1", false, &["https"], false);
        check("192.0.2.1", true, &["http"], true);
        check("10.0.0.1", false, &["https"], true);
        check("10.0.0.1", false, &["http, HTTPS"], true);
        check("10.0.0.1", false, &["https", "http"], false);
        check("10.0.0.1", false, &[], false);
        check("10.0.0.1", true, &["http"], false);
    }

    #[test]
    fn a_request_is_for_one_host() {
        let check = |version, uri: &str, hosts: &[&'static str], expected| {
            let mut request = http::Request::builder().version(version).uri(uri).body(()).unwrap();
            for host in hosts {
                request.headers_mut().append(HOST, HeaderValue::from_static(host));
            }
            assert_eq!(names_one_authority(&request), expected, "{version:?} {uri} {hosts:?}");
        };
        check(Version::HTTP_11, "/", &["api.example"], true);
        check(Version::HTTP_11, "/", &["127.0.0.1:8080"], true);
        check(Version::HTTP_11, "/", &["[::1]:8080"], true);
        check(Version::HTTP_11, "/", &[], false);
        check(Version::HTTP_11, "/", &["a.example", "a.example"], false);
        check(Version::HTTP_11, "/", &["a.example b.example"], false);
        check(Version::HTTP_11, "/", &["a@b.example"], false);
        check(Version::HTTP_11, "/", &["a.example/x"], false);
        check(Version::HTTP_11, "http://a.example/", &["A.example"], true);
        check(Version::HTTP_11, "http://a.example/", &["b.example"], false);
        check(Version::HTTP_10, "/", &[], true);
        check(Version::HTTP_2, "http://a.example/", &[], true);
        check(Version::HTTP_2, "http://a.example/", &["b.example"], false);
    }
}
