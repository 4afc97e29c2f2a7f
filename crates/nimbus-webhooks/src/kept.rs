//! What is kept of a response's fields: few and short, and none that could let somebody in.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName};

/// Names kept.
pub const MAX_NAMES: usize = 50;

/// Bytes kept, of names and values together.
pub const MAX_BYTES: usize = 4 * 1024;

/// A name with one of these in it may bring a credential. The challenges of a 401 or 407 do not.
const SECRET: [&str; 9] =
    ["cookie", "auth", "token", "secret", "session", "password", "credential", "api-key", "apikey"];
const CHALLENGES: [&str; 2] = ["www-authenticate", "proxy-authenticate"];

/// Names and values in order of the names; the values of a name that stands more than once are joined by commas
/// (RFC 9110 §5.3). What does not fit is left out.
pub(crate) fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut kept: BTreeMap<&str, String> = BTreeMap::new();
    let mut room = MAX_BYTES;
    for (name, value) in headers {
        if is_secret(name) {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        let has_place = kept.len() < MAX_NAMES;
        let known = kept.get_mut(name.as_str());
        let size = value.len() + if known.is_some() { 2 } else { name.as_str().len() };
        if size > room {
            continue;
        }
        match known {
            Some(before) => {
                before.push_str(", ");
                before.push_str(&value);
            }
            None if has_place => {
                kept.insert(name.as_str(), value.into_owned());
            }
            None => continue,
        }
        room -= size;
    }
    kept.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn is_secret(name: &HeaderName) -> bool {
    let name = name.as_str();
    !CHALLENGES.contains(&name) && SECRET.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn credentials_are_left_out_and_challenges_are_not() {
        let kept = fields(&map(&[
            ("set-cookie", "sid=1"),
            ("authorization", "Bearer 1"),
            ("x-auth-token", "1"),
            ("x-api-key", "1"),
            ("x-session-id", "1"),
            ("www-authenticate", "Basic"),
            ("via", "1.1 a"),
            ("via", "1.1 b"),
        ]));
        let expected = [("via", "1.1 a, 1.1 b"), ("www-authenticate", "Basic")];
        assert_eq!(kept, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn names_and_bytes_are_bounded() {
        let mut many = HeaderMap::new();
        for index in 0..80 {
            many.append(HeaderName::try_from(format!("x-{index}")).unwrap(), HeaderValue::from_static("v"));
        }
        assert_eq!(fields(&many).len(), MAX_NAMES);

        let long = "a".repeat(MAX_BYTES);
        let kept = fields(&map(&[("x-long", &long), ("x-short", "b")]));
        assert_eq!(kept, [("x-short".to_owned(), "b".to_owned())]);

        let half = "a".repeat(MAX_BYTES / 2);
        let kept = fields(&map(&[("x-a", &half), ("x-a", &half), ("x-b", &half)]));
        let bytes: usize = kept.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(bytes <= MAX_BYTES && kept.len() == 1, "{bytes}");
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_as_text() {
        let mut headers = HeaderMap::new();
        headers.insert("x-odd", HeaderValue::from_bytes(b"a\xffb").unwrap());
        assert_eq!(fields(&headers), [("x-odd".to_owned(), "a\u{fffd}b".to_owned())]);
    }
}
