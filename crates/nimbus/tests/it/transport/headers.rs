//! What every kind of reply tells browsers and caches.

use ureq::http::Method;

use crate::support::{Engine, Reply, Store, story::text, webhooks::Scene};

const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";
const ORIGIN: &str = "https://app.example.com";

#[track_caller]
fn assert_strict(what: &str, reply: &Reply, policy: &str, resource_policy: &str) {
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{what}");
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{what}");
    let found = reply.header("content-security-policy").unwrap_or_default();
    assert!(found.starts_with(policy), "{what}: {found}");
    assert!(found.contains("frame-ancestors 'none'") || found.contains("sandbox"), "{what}: {found}");
    assert_eq!(reply.header("cross-origin-resource-policy"), Some(resource_policy), "{what}");
    assert_eq!(reply.header("strict-transport-security"), None, "{what}: it came by plain HTTP");
}

#[test]
fn every_reply_is_strict() {
    let scene = Scene::of(Store::sandbox(Engine::Sqlite).with("NIMBUS_CORS_ORIGINS", ORIGIN));
    let order = scene.partner.order(&scene.seed).id;
    scene.staff.fill(&order);
    let shipment = scene.staff.ship(&[&order]);
    let anonymous = scene.server.anonymous();
    let get = |path: &str| anonymous.get(path);
    let own = |path: &str| scene.partner.get(path);
    let tag = own("/clinic").header("etag").expect("a tag").to_owned();
    let again = scene.partner.send(Method::GET, "/clinic", &[("if-none-match", &tag)], None);
    let options = anonymous.send(Method::OPTIONS, "/orders", &[], None);
    let asks = [("origin", ORIGIN), ("access-control-request-method", "POST")];
    let preflight = anonymous.send(Method::OPTIONS, "/orders", &asks, None);
    let unread = anonymous.send(Method::POST, "/orders", &[], Some(b"not asked for"));
    let label = scene.staff.get(&format!("/pharmacy/shipments/{shipment}/label"));
    for (what, reply, status, is_kept) in [
        ("JSON", own("/clinic"), 200, false),
        ("patient data", own(&format!("/medication-order/{order}")), 200, false),
        ("not modified", again, 304, false),
        ("no key", get("/api/external/clinic"), 401, false),
        ("no such id", own("/shipment/nothing"), 404, false),
        ("no such path", get("/nothing"), 404, false),
        ("no such method", anonymous.send(Method::PUT, "/orders", &[], None), 405, false),
        ("options", options, 204, false),
        ("preflight", preflight, 204, false),
        ("an unread body", unread, 401, false),
        ("health", get("/health/live"), 200, false),
        ("a label", label, 200, false),
        ("documents", get("/openapi/partner.json"), 200, true),
        ("keys of webhooks", get("/.well-known/webhook-keys.json"), 200, true),
    ] {
        assert_eq!(reply.status, status, "{what}: {}", reply.body);
        assert_strict(what, &reply, NOTHING, "same-origin");
        let cache = reply.header("cache-control").unwrap_or_default();
        assert_eq!(cache.contains("no-store"), !is_kept, "{what}: {cache}");
    }

    let shipment = scene.partner.get(&format!("/shipment/{shipment}")).data().clone();
    let link =
        |field: &str| text(&shipment[field]).strip_prefix(&scene.server.url()).expect("a link").to_owned();
    let page = "default-src 'none'; style-src 'sha256-";
    for (what, path, status, policy, resource_policy) in [
        ("a label by its link", link("shipping_label"), 200, NOTHING, "cross-origin"),
        ("a barcode by its link", link("barcode_url"), 200, NOTHING, "cross-origin"),
        ("a tracking page", link("tracking_page_url"), 200, page, "same-origin"),
        ("a link that does not open", "/links/nothing/label.pdf".to_owned(), 404, page, "cross-origin"),
    ] {
        let reply = get(&path);
        assert_eq!(reply.status, status, "{what}");
        assert_strict(what, &reply, policy, resource_policy);
        assert_eq!(reply.header("cache-control"), Some("private, no-store"), "{what}");
    }
}
