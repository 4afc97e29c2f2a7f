//! Operations that are being retired: what their replies and their documents say of it.
//!
//! `Deprecation` (RFC 9745) says since when an operation should not be used for anything new, `Sunset` (RFC 8594)
//! from when it may not answer, and `Link` where that is explained.

use std::collections::HashMap;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header::LINK};
use jiff::{Timestamp, tz::TimeZone};
use nimbus_core::time::Ts;
use serde_json::{Map, Value};

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// One operation that is being retired.
#[derive(Debug, Clone)]
pub struct Retirement {
    pub method: Method,
    /// The path from the root, with its parameters as in the document: `/orders/{id}`.
    pub path: String,
    pub since: Ts,
    /// From when it may be gone.
    pub sunset: Option<Ts>,
    /// The address of a page that says what to use instead.
    pub link: String,
}

/// What this release is retiring: nothing. Whatever is to go stands here first, for as long as the guide promises.
pub fn retirements() -> Vec<Retirement> {
    Vec::new()
}

/// The headers of every operation that is being retired.
pub(crate) struct Retiring(HashMap<(Method, String), HeaderMap>);

impl Retiring {
    /// A link that cannot stand in a header is left out, and the log says so.
    pub(crate) fn new(retirements: &[Retirement]) -> Self {
        let headers = |it: &Retirement| ((it.method.clone(), it.path.clone()), headers_of(it));
        Self(retirements.iter().map(headers).collect())
    }

    /// Adds what there is to say of an operation, by the pattern of its path.
    pub(crate) fn tell(&self, method: &Method, route: &str, headers: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        let method = if *method == Method::HEAD { Method::GET } else { method.clone() };
        if let Some(said) = self.0.get(&(method, route.to_owned())) {
            for (name, value) in said {
                headers.append(name, value.clone());
            }
        }
    }
}

fn headers_of(retirement: &Retirement) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut say = |name: HeaderName, text: String| match HeaderValue::try_from(text) {
        Ok(value) => drop(headers.insert(name, value)),
        Err(_) => tracing::error!(%name, path = retirement.path, "a retirement cannot be told"),
    };
    say(DEPRECATION, format!("@{}", retirement.since.seconds()));
    if let Some(sunset) = retirement.sunset {
        say(SUNSET, http_date(sunset));
    }
    say(LINK, format!("<{}>; rel=\"deprecation\"", retirement.link));
    headers
}

/// As RFC 9110 section 5.6.7 writes it.
fn http_date(at: Ts) -> String {
    // Out of the calendar's years only by a forged value; the epoch is then as good as any.
    let at = Timestamp::from_second(at.seconds()).unwrap_or_default();
    at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Marks the operations of a document that are being retired. `root` is what its paths follow.
pub(crate) fn mark(paths: &mut Map<String, Value>, root: &str, retirements: &[Retirement]) {
    for retirement in retirements {
        let item = retirement.path.strip_prefix(root).and_then(|path| paths.get_mut(path));
        let method = retirement.method.as_str().to_ascii_lowercase();
        if let Some(operation) = item.and_then(|item| item.get_mut(&method)) {
            operation["deprecated"] = true.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        brand::Brand,
        openapi::{Document, Kind},
    };

    fn retirement(link: &str) -> Retirement {
        Retirement {
            method: Method::GET,
            path: "/api/external/clinic".to_owned(),
            since: Ts::parse("2026-01-15T10:30:00Z").unwrap(),
            sunset: Ts::parse("2027-06-30T23:59:59Z"),
            link: link.to_owned(),
        }
    }

    #[test]
    fn an_operation_says_since_when_until_when_and_why() {
        let retiring = Retiring::new(&[retirement("https://example.com/changes")]);
        for (method, route, said) in [
            (Method::GET, "/api/external/clinic", true),
            (Method::HEAD, "/api/external/clinic", true),
            (Method::POST, "/api/external/clinic", false),
            (Method::GET, "/api/external/patient", false),
        ] {
            let mut headers = HeaderMap::new();
            retiring.tell(&method, route, &mut headers);
            assert_eq!(headers.len(), if said { 3 } else { 0 }, "{method} {route}");
        }
        let mut headers = HeaderMap::new();
        retiring.tell(&Method::GET, "/api/external/clinic", &mut headers);
        assert_eq!(headers["deprecation"], "@1768473000");
        assert_eq!(headers["sunset"], "Wed, 30 Jun 2027 23:59:59 GMT");
        assert_eq!(headers["link"], "<https://example.com/changes>; rel=\"deprecation\"");
        assert!(!headers_of(&retirement("a\nb")).contains_key("link"));
    }

    #[test]
    fn its_document_says_so_too() {
        let retirements = [retirement("https://example.com")];
        let document = Document::new(Kind::Integration, &Brand::default(), &retirements);
        let document = serde_json::to_value(&document).unwrap();
        assert_eq!(document["paths"]["/clinic"]["get"]["deprecated"], true);
        assert!(document["paths"]["/patient"]["get"].get("deprecated").is_none());
    }
}
