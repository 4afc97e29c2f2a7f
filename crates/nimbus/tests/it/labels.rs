//! What is printed, and the links that open it without a key.

use nimbus_core::ids::ShipmentId;
use nimbus_store::audit::AuditRow;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{
    Anonymous, Engine, PATIENCE, Reply, Server, Store,
    receiver::Receiver,
    story::{line, text},
    two_engines,
    webhooks::Scene,
};

/// The seeded patient, their street, and the drugs of these tests: what a tracking page must not hold.
const PERSONAL: &[&str] = &["jamie", "rivera", "1988", "lisinopril", "testosterone", "patient@"];

/// A link without its host, which is where the sandbox listens.
#[track_caller]
fn path_of(server: &Server, url: &Value) -> String {
    let url = text(url);
    let path = url.strip_prefix(&server.url()).unwrap_or_else(|| panic!("{url}"));
    path.to_owned()
}

struct Parcel {
    scene: Scene,
    order: String,
    shipment: String,
}

impl Parcel {
    /// A filled order with a label.
    #[track_caller]
    fn labelled(engine: Engine) -> Self {
        Self::of(Scene::start(engine))
    }

    #[track_caller]
    fn of(scene: Scene) -> Self {
        let order = scene.partner.order(&scene.seed).id;
        scene.staff.fill(&order);
        let shipment = scene.staff.ship(&[&order]);
        Self { scene, order, shipment }
    }

    /// The shipment as its partner reads it.
    #[track_caller]
    fn read(&self) -> Value {
        self.scene.partner.get(&format!("/shipment/{}", self.shipment)).data().clone()
    }

    #[track_caller]
    fn link(&self, field: &str) -> String {
        path_of(&self.scene.server, &self.read()[field])
    }

    fn anonymous(&self) -> Anonymous {
        self.scene.server.anonymous()
    }

    #[track_caller]
    fn paper(&self, name: &str) -> Reply {
        self.scene.staff.get(&format!("/pharmacy/shipments/{}/{name}", self.shipment))
    }
}

#[track_caller]
fn assert_pdf(reply: &Reply) {
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("application/pdf")),
        "{}",
        reply.body
    );
    assert!(reply.bytes.starts_with(b"%PDF-") && reply.bytes.len() < 60 * 1024, "{}", reply.bytes.len());
}

#[track_caller]
fn assert_png(reply: &Reply) {
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("image/png")), "{}", reply.body);
    assert!(reply.bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
}

/// What links open is kept by nobody on the way, and their address goes nowhere.
#[track_caller]
fn assert_private(reply: &Reply) {
    assert_eq!(reply.header("cache-control"), Some("private, no-store"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
}

/// The one page of links that open nothing.
#[track_caller]
fn assert_opens_nothing(reply: &Reply) {
    assert_eq!(reply.status, 404);
    assert_private(reply);
    let page = String::from_utf8_lossy(&reply.bytes);
    assert!(page.contains("This link does not open"), "{page}");
}

two_engines! {
    fn staff_print_every_paper_of_a_parcel(engine) {
        let parcel = Parcel::labelled(engine);
        assert_pdf(&parcel.paper("label"));
        assert_pdf(&parcel.paper("manifest"));
        assert_png(&parcel.paper("barcode"));
        let vials = format!("/pharmacy/orders/{}/vial-labels", parcel.order);
        assert_pdf(&parcel.scene.staff.get(&vials));
        let order = parcel.scene.partner.read_order(&parcel.order);
        let line = text(&order["medication_requests"][0]["id"]);
        assert_pdf(&parcel.scene.staff.get(&format!("{vials}?medication_request_id={line}")));
        parcel
            .scene
            .staff
            .get(&format!("{vials}?medication_request_id={}", parcel.order))
            .refused(404, "NOT_FOUND");
    }
}

#[test]
fn a_vial_has_no_label_before_its_prescription_has_a_number() {
    let scene = Scene::start(Engine::Sqlite);
    let order = scene.partner.order(&scene.seed).id;
    scene.staff.get(&format!("/pharmacy/orders/{order}/vial-labels")).refused(404, "NOT_FOUND");
    scene.staff.work(&order, "verify");
    assert_pdf(&scene.staff.get(&format!("/pharmacy/orders/{order}/vial-labels")));
}

two_engines! {
    fn the_event_brings_links_that_open_without_a_key(engine) {
        let scene = Scene::start(engine);
        let receiver = Receiver::start();
        scene.register(&receiver.url(), &["shipment:created"]);
        let parcel = Parcel::of(scene);
        let told = receiver.wait_for_type("shipment:created", PATIENCE).json()["event_data"].clone();
        assert_eq!(told["shipment_id"], json!(parcel.shipment));
        let label = parcel.anonymous().get(&path_of(&parcel.scene.server, &told["shipping_label"]));
        assert_pdf(&label);
        assert_private(&label);
        // It is the label that staff print.
        assert_eq!(label.bytes, parcel.paper("label").bytes);
        let barcode = parcel.anonymous().get(&path_of(&parcel.scene.server, &told["barcode_url"]));
        assert_png(&barcode);
        assert_private(&barcode);
    }
}

#[test]
fn partners_read_fresh_links_and_staff_none() {
    let parcel = Parcel::labelled(Engine::Sqlite);
    for field in ["shipping_label", "barcode_url", "tracking_page_url"] {
        assert_eq!(parcel.anonymous().get(&parcel.link(field)).status, 200, "{field}");
    }
    let seen = parcel.scene.staff.get(&format!("/pharmacy/shipments/{}", parcel.shipment));
    for field in ["shipping_label", "barcode_url", "tracking_page_url"] {
        assert_eq!(seen.data()[field], Value::Null, "{field}");
    }
}

#[test]
fn links_lead_to_the_host_that_is_set_whatever_a_request_says_of_it() {
    let asked_of = |parcel: &Parcel| {
        let path = format!("/shipment/{}", parcel.shipment);
        let reply = parcel.scene.partner.send(Method::GET, &path, &[("host", "elsewhere.example")], None);
        text(&reply.data()["shipping_label"])
    };
    let local = Parcel::labelled(Engine::Sqlite);
    assert!(asked_of(&local).starts_with(&format!("{}/links/", local.scene.server.url())));
    let store = Store::sandbox(Engine::Sqlite).with("NIMBUS_SANDBOX_HOST", "sandbox.example.com");
    let named = Parcel::of(Scene::of(store));
    assert!(asked_of(&named).starts_with("https://sandbox.example.com/links/"));
}

#[test]
fn what_is_wrong_with_a_link_is_not_told() {
    let parcel = Parcel::labelled(Engine::Sqlite);
    let (label, barcode) = (parcel.link("shipping_label"), parcel.link("barcode_url"));
    let page = parcel.link("tracking_page_url");
    let token = |path: &str| path.split('/').nth(2).expect("a token").to_owned();
    let changed = |at: usize| {
        let mut letters: Vec<char> = token(&label).chars().collect();
        letters[at] = if letters[at] == 'A' { 'B' } else { 'A' };
        letters.into_iter().collect::<String>()
    };
    let mut wrong: Vec<String> =
        [0, 5, 30, 50, 80].map(|at| format!("/links/{}/label.pdf", changed(at))).to_vec();
    wrong.extend([
        format!("/links/{}/label.pdf", token(&barcode)),
        format!("/links/{}/barcode.png", token(&label)),
        format!("/links/{}/label.pdf", token(&page)),
        format!("/track/{}", token(&label)),
        "/links/nothing/label.pdf".to_owned(),
        "/links/%F0%9F%92%8A/label.pdf".to_owned(),
        "/track/%FF".to_owned(),
        format!("/track/{}", "A".repeat(4000)),
    ]);
    let first = parcel.anonymous().get(&wrong[0]);
    for path in &wrong {
        let reply = parcel.anonymous().get(path);
        assert_opens_nothing(&reply);
        assert_eq!(reply.bytes, first.bytes, "{path}");
    }
}

#[test]
fn links_of_a_cancelled_parcel_open_nothing() {
    let parcel = Parcel::labelled(Engine::Sqlite);
    let (label, page) = (parcel.link("shipping_label"), parcel.link("tracking_page_url"));
    let cancel = format!("/pharmacy/shipments/{}/cancel", parcel.shipment);
    parcel.scene.staff.post(&cancel, &json!({"reason": "Wrong address"})).data();
    assert_opens_nothing(&parcel.anonymous().get(&label));
    parcel.paper("label").refused(404, "NOT_FOUND");
    assert_eq!(
        (&parcel.read()["shipping_label"], &parcel.read()["barcode_url"]),
        (&Value::Null, &Value::Null)
    );
    let told = parcel.anonymous().get(&page);
    assert!(String::from_utf8_lossy(&told.bytes).contains("Cancelled"), "{}", told.status);
}

#[test]
fn links_open_in_every_process_and_end_with_the_partners_approval() {
    let parcel = Parcel::labelled(Engine::Sqlite);
    let (label, page) = (parcel.link("shipping_label"), parcel.link("tracking_page_url"));
    let server = parcel.scene.server.kill().serve();
    assert_eq!(server.anonymous().get(&label).status, 200);
    let clinics = server.store().json(&["admin", "clinic", "list"]);
    let own = clinics
        .as_array()
        .expect("a list")
        .iter()
        .find(|it| it["id"] == parcel.scene.seed.clinic_id.as_str());
    let partner = text(&own.expect("the seeded clinic")["partner_id"]);
    server.store().json(&["admin", "partner", "suspend", &partner]);
    for path in [&label, &page] {
        assert_opens_nothing(&server.anonymous().get(path));
    }
    server.store().json(&["admin", "partner", "approve", &partner]);
    assert_eq!(server.anonymous().get(&page).status, 200);
}

/// What the audit log says of a shipment, newest first.
fn audited(store: &Store, shipment: &str) -> Vec<AuditRow> {
    let id: ShipmentId = shipment.parse().expect("an id");
    store.behind(async |db| nimbus_store::testing::audited(db, None, Some(id.0)).await)
}

#[test]
fn each_opening_is_on_record_before_it_is_answered() {
    let parcel = Parcel::labelled(Engine::Sqlite);
    let label = parcel.link("shipping_label");
    let openings = |action: &str| {
        let rows = audited(parcel.scene.server.store(), &parcel.shipment);
        rows.into_iter().filter(|row| row.action == action).collect::<Vec<_>>()
    };
    assert!(openings("label.open").is_empty());
    let reply = parcel.anonymous().get(&label);
    let found = openings("label.open");
    assert_eq!(found.len(), 1);
    let row = &found[0];
    assert_eq!((row.actor_kind.as_str(), row.actor.as_str()), ("system", "signed_link"));
    assert_eq!(row.address.as_deref(), Some("127.0.0.1"));
    assert_eq!(row.request_id.as_deref(), reply.header("x-request-id"));
    parcel.anonymous().get(&label);
    parcel.anonymous().get(&parcel.link("barcode_url"));
    assert_eq!((openings("label.open").len(), openings("barcode.open").len()), (2, 1));
    // One that opens nothing reads nothing.
    parcel.anonymous().get("/links/nothing/label.pdf");
    assert_eq!(openings("label.open").len(), 2);
    parcel.anonymous().get(&parcel.link("tracking_page_url"));
    assert_eq!(openings("tracking.open").len(), 1);
    parcel.paper("label");
    assert_eq!(openings("label.read").len(), 1);
}

#[test]
fn an_address_opens_so_many_links_a_minute() {
    let store = Store::sandbox(Engine::Sqlite);
    let seed = store.seed();
    let scene = Scene::serving(store.with("NIMBUS_RATE_LIMIT_UNAUTHENTICATED", "3"), seed);
    let parcel = Parcel::of(scene);
    let page = parcel.link("tracking_page_url");
    let refused = |path: &str, most: usize| {
        let mut tried = 0;
        loop {
            let reply = parcel.anonymous().get(path);
            if reply.status == 429 {
                break reply;
            }
            tried += 1;
            // A new minute may begin once while this runs.
            assert!(tried <= 2 * most, "{path} is not refused after {tried}");
        }
    };
    let beyond = refused("/links/nothing/label.pdf", 3);
    assert!(beyond.header("retry-after").is_some());
    assert_private(&beyond);
    // Links that hold have a limit of their own, ten times as high.
    assert_eq!(parcel.anonymous().get(&page).status, 200);
    assert!(refused(&page, 30).header("retry-after").is_some());
}

#[test]
fn the_tracking_page_shows_the_way_and_nobody() {
    let scene = Scene::start(Engine::Sqlite);
    let order = scene.partner.order_of(&scene.seed, &[line("Lisinopril")]).id;
    scene.staff.fill(&order);
    let shipment = scene.staff.ship(&[&order]);
    let parcel = Parcel { scene, order, shipment };
    let page = parcel.link("tracking_page_url");
    let shown = || {
        let reply = parcel.anonymous().get(&page);
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert_private(&reply);
        let policy = reply.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        let text = String::from_utf8(reply.bytes).expect("a page is UTF-8");
        let address = parcel.read()["delivery_location"].clone();
        let personal = PERSONAL.iter().map(|word| (*word).to_owned());
        for word in personal.chain([address["address"].to_string(), address["postal_code"].to_string()]) {
            let word = word.trim_matches('"').to_lowercase();
            assert!(!text.to_lowercase().contains(&word), "{word} is on the page");
        }
        assert!(!text.contains("<script") && !text.contains("http://") && !text.contains("https://"));
        text
    };
    let first = shown();
    for words in ["Label made", "UPS", "Expected", "ord_"] {
        assert!(first.contains(words), "{words} is missing");
    }
    assert!(!first.contains("1Z999AA10123456784"));
    let status = format!("/pharmacy/shipments/{}/status", parcel.shipment);
    for (word, location, note) in [
        ("in_transit", "Memphis, TN", "Departed"),
        ("delivered", "456 Oak Ave, Austin, TX 78702", "Left with Jamie Rivera"),
    ] {
        let body = json!({"status": word, "location": location, "note": note});
        parcel.scene.staff.patch(&status, &body).data();
    }
    let last = shown();
    for words in ["Delivered", "On its way", "Memphis, TN", "Austin, TX", "aria-current=\"step\""] {
        assert!(last.contains(words), "{words} is missing");
    }
    for words in ["Oak Ave", "Left with", "Expected"] {
        assert!(!last.contains(words), "{words} is on the page");
    }
}

#[test]
fn links_are_read_and_nothing_else() {
    let parcel = Parcel::labelled(Engine::Sqlite);
    let label = parcel.link("shipping_label");
    let head = parcel.anonymous().send(Method::HEAD, &label, &[], None);
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    let posted = parcel.anonymous().act(&label);
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET,HEAD")));
    let log = parcel.scene.server.log();
    let token = label.split('/').nth(2).expect("a token");
    assert!(!log.contains(token) && log.contains("/links/{token}/label.pdf"), "a link is a secret");
}
