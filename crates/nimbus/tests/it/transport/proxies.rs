//! Whose word counts for where a caller is, and by what they came.

use ureq::http::Method;

use crate::support::{Engine, Reply, Server, Store};

const PATH: &str = "/api/external/clinic";

fn from(server: &Server, address: &str) -> Reply {
    let headers = [("x-forwarded-for", address), ("x-forwarded-proto", "https"), ("x-api-key", "hello")];
    server.anonymous().send(Method::GET, PATH, &headers, None)
}

fn serve(networks: Option<&str>) -> Server {
    let store = Store::sandbox(Engine::Sqlite).with("NIMBUS_RATE_LIMIT_UNAUTHENTICATED", "1000");
    match networks {
        None => store.serve(),
        Some("") => store.with("NIMBUS_BEHIND_PROXY", "true").serve(),
        Some(networks) => {
            store.with("NIMBUS_BEHIND_PROXY", "true").with("NIMBUS_PROXY_NETWORKS", networks).serve()
        }
    }
}

/// What is left to an address after its attempt.
fn left(reply: &Reply) -> u32 {
    assert_eq!(reply.status, 401);
    reply.header("x-ratelimit-remaining").expect("a number").parse().expect("a number")
}

#[test]
fn only_the_proxy_says_where_callers_are() {
    let proxied = serve(Some(""));
    assert_eq!(left(&from(&proxied, "198.51.100.1")), 999);
    assert_eq!(left(&from(&proxied, "198.51.100.2")), 999, "another address");
    assert_eq!(left(&from(&proxied, "198.51.100.3, 198.51.100.2")), 998, "the last is the proxy's word");
    for server in [serve(None), serve(Some("192.0.2.0/24"))] {
        assert_eq!(left(&from(&server, "198.51.100.1")), 999);
        assert_eq!(left(&from(&server, "198.51.100.2")), 998, "who is no proxy cannot be somebody else");
    }
}

#[test]
fn only_the_proxy_says_that_they_came_by_tls() {
    let hsts =
        |server: &Server| from(server, "198.51.100.1").header("strict-transport-security").map(str::to_owned);
    assert_eq!(hsts(&serve(Some(""))).as_deref(), Some("max-age=63072000; includeSubDomains"));
    assert_eq!(hsts(&serve(Some("192.0.2.0/24"))), None);
    assert_eq!(hsts(&serve(None)), None);
}

#[test]
fn production_does_not_take_everybodys_word() {
    let store = Store::production(Engine::Sqlite).with("NIMBUS_PROXY_NETWORKS", "0.0.0.0/0");
    let refused = store.output(&["config", "check"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("proxy_networks"));
}
