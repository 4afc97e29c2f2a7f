//! `OPTIONS`, and pages of other origins.

use ureq::http::Method;

use crate::support::{Engine, Reply, Server, Store};

const ORIGIN: &str = "https://app.example.com";

fn server(origins: Option<&str>) -> Server {
    let store = Store::sandbox(Engine::Sqlite);
    match origins {
        Some(origins) => store.with("NIMBUS_CORS_ORIGINS", origins).serve(),
        None => store.serve(),
    }
}

fn options(server: &Server, path: &str, headers: &[(&str, &str)]) -> Reply {
    server.anonymous().send(Method::OPTIONS, path, headers, None)
}

fn words(reply: &Reply, header: &str) -> Vec<String> {
    let value = reply.header(header).unwrap_or_else(|| panic!("{header} of {}", reply.status));
    value.split(',').map(|word| word.trim().to_lowercase()).collect()
}

const PREFLIGHT: [(&str, &str); 3] = [
    ("origin", ORIGIN),
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", "x-api-key,content-type,idempotency-key"),
];

#[test]
fn a_path_tells_what_it_takes() {
    for server in [server(None), server(Some(ORIGIN))] {
        for (path, takes) in [
            ("/api/external/practitioner", vec!["get", "head", "post"]),
            (
                "/api/external/webhook/01890000-0000-7000-8000-000000000001",
                vec!["delete", "get", "head", "patch"],
            ),
            ("/api/pharmacy/orders/x/verify", vec!["post"]),
            ("/health", vec!["get", "head"]),
        ] {
            let reply = options(&server, path, &[]);
            assert_eq!((reply.status, reply.bytes.len()), (204, 0), "{path}");
            let mut allowed = words(&reply, "allow");
            allowed.sort();
            assert_eq!(allowed, takes, "{path}");
            assert!(reply.header("x-request-id").is_some());
            assert_eq!(reply.header("access-control-allow-origin"), None);
        }
        options(&server, "/api/external/nothing", &[]).refused(404, "NOT_FOUND");
        options(&server, "/api/external/nothing", &PREFLIGHT).refused(404, "NOT_FOUND");
    }
}

#[test]
fn pages_of_other_origins_are_not_let_in_unless_named() {
    let closed = server(None);
    let reply = options(&closed, "/api/external/practitioner", &PREFLIGHT);
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (204, None));
    let open = server(Some(ORIGIN));
    let stranger = [("origin", "https://evil.example.com"), PREFLIGHT[1], PREFLIGHT[2]];
    let reply = options(&open, "/api/external/practitioner", &stranger);
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (204, None));
    let sent = open.anonymous().send(Method::GET, "/api/external/clinic", &stranger[..1], None);
    assert_eq!((sent.status, sent.header("access-control-allow-origin")), (401, None));
}

#[test]
fn pages_of_a_named_origin_are_let_in_and_read_the_headers() {
    let store = Store::sandbox(Engine::Sqlite);
    let seed = store.seed();
    let local = "http://localhost:5173";
    let server = store.with("NIMBUS_CORS_ORIGINS", &format!("{ORIGIN}, {local}")).serve();
    for origin in [ORIGIN, local] {
        let preflight = [("origin", origin), PREFLIGHT[1], PREFLIGHT[2]];
        let reply = options(&server, "/api/external/practitioner", &preflight);
        assert_eq!((reply.status, reply.bytes.len()), (204, 0));
        assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
        assert!(words(&reply, "access-control-allow-methods").contains(&"post".to_owned()));
        for name in ["x-api-key", "content-type", "idempotency-key", "if-match"] {
            assert!(words(&reply, "access-control-allow-headers").contains(&name.to_owned()), "{name}");
        }
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        assert_eq!(reply.header("access-control-max-age"), Some("600"));
        assert!(reply.header("allow").is_some() && reply.header("x-request-id").is_some());

        let partner = server.partner(&seed);
        let refused = server.anonymous().send(Method::GET, "/api/external/clinic", &preflight[..1], None);
        refused.refused(401, "UNAUTHORIZED");
        for reply in [partner.send(Method::GET, "/clinic", &preflight[..1], None), refused] {
            assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
            for name in [
                "x-request-id",
                "x-ratelimit-remaining",
                "idempotent-replayed",
                "etag",
                "location",
                "retry-after",
            ] {
                assert!(words(&reply, "access-control-expose-headers").contains(&name.to_owned()), "{name}");
            }
            let varies =
                reply.headers.get_all("vary").iter().any(|v| v.to_str().expect("ASCII").contains("origin"));
            assert!(varies, "caches keep origins apart");
        }
    }
}

#[test]
fn settings_name_exact_origins() {
    let accepts = |store: &Store| store.output(&["config", "check"]).status.success();
    for (origins, sandbox, production) in [
        ("https://app.example.com", true, true),
        ("https://app.example.com:8443,https://b.example.com", true, true),
        ("http://localhost:5173", true, false),
        ("*", true, false),
        ("http://app.example.com", false, false),
        ("https://app.example.com/path", false, false),
        ("https://app.example.com/", false, false),
        ("https://*.example.com", false, false),
        ("app.example.com", false, false),
        ("null", false, false),
    ] {
        let with = |store: Store| store.with("NIMBUS_CORS_ORIGINS", origins);
        assert_eq!(accepts(&with(Store::sandbox(Engine::Sqlite))), sandbox, "sandbox: {origins}");
        assert_eq!(accepts(&with(Store::production(Engine::Sqlite))), production, "production: {origins}");
    }
}
