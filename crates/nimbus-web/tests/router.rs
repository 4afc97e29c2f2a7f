//! The router as a whole: what is refused and how, and one order from the partner to the refill.

use std::sync::Arc;

use axum::{Router, body::Body};
use http::{HeaderMap, Method, Request, StatusCode};
use jiff::tz::TimeZone;
use nimbus_app::{
    App, Call, Config,
    clock::Clock,
    formulary,
    limits::Rates,
    tenancy::{self, KeyOrder, PartnerStatus, TokenOrder},
};
use nimbus_core::access::{Environment, Profile, Role, SystemActor};
use nimbus_store::{Db, Engine, testing::run_on};
use nimbus_web::{WebSettings, router};
use nimbus_webhooks::guard::AddressPolicy;
use serde_json::{Value, json};
use tower::ServiceExt;

struct World {
    router: Router,
    clinic: String,
    key: String,
    narrow_key: String,
    pharmacist: String,
    technician: String,
}

impl World {
    async fn new(db: Db) -> Self {
        let config = Config {
            environment: Environment::Sandbox,
            pharmacy_zone: TimeZone::UTC,
            rules: nimbus_app::rules::shipped(),
            formulary: formulary::shipped(Environment::Sandbox),
            thresholds: Default::default(),
            address_policy: AddressPolicy { allow_loopback: true },
            deadline: Default::default(),
            onboarding: None,
            pharmacy_feed_secret: Some("feed-secret".to_owned()),
            labels: nimbus_app::labels::LabelSettings::default(),
            carrier_feeds: nimbus_app::carrier_feed::CarrierFeeds::default(),
            rates: Rates::OFF,
            auto_advance: None,
            retention: Default::default(),
            staff: Default::default(),
            shipping: Arc::default(),
            parcel_reply: nimbus_web::parcel_reply,
        };
        let app = App::new(db, config, Clock::default());
        let call = Call::system(SystemActor::CommandLine);
        let partner = tenancy::partner_create(&app, &call, "Partner".to_owned()).await.unwrap();
        tenancy::partner_set_status(&app, &call, partner.id, PartnerStatus::Approved).await.unwrap();
        let clinic = tenancy::clinic_create(&app, &call, partner.id, "Clinic".to_owned()).await.unwrap();
        let key = async |profile| {
            let order = KeyOrder::with_profile(clinic.id, "key", profile);
            tenancy::key_issue(&app, &call, order).await.unwrap().text
        };
        let token = async |role| {
            let order = TokenOrder::new("token", vec![role], None);
            tenancy::token_issue(&app, &call, order).await.unwrap().1
        };
        let (key, narrow_key) = (key(Profile::Integration).await, key(Profile::PharmacyPartner).await);
        let (pharmacist, technician) = (token(Role::Pharmacist).await, token(Role::Technician).await);
        let settings = WebSettings::new(Arc::new(|| Box::pin(async { Err("migrations") })));
        let router = router(app, settings);
        Self { router, clinic: clinic.id.to_string(), key, narrow_key, pharmacist, technician }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        assert!(parts.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
        (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn partner(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request = request(method, &format!("/api/external{path}"), body, &[("X-API-Key", &self.key)]);
        let (status, _, body) = self.send(request).await;
        (status, body)
    }

    async fn staff(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let bearer = format!("Bearer {token}");
        let request = request(method, &format!("/api{path}"), body, &[("Authorization", &bearer)]);
        let (status, _, body) = self.send(request).await;
        (status, body)
    }

    async fn order(&self) -> (String, Value) {
        let (status, created) =
            self.partner(Method::POST, "/practitioner", Some(practitioner(&self.clinic))).await;
        assert_eq!(status, 200, "{created}");
        assert_eq!(created["message"], "Practitioner created successfully");
        let practitioner = created["data"]["practitioner_id"].as_str().unwrap().to_owned();
        let (status, moved) = self
            .staff(
                &self.pharmacist,
                Method::POST,
                &format!("/admin/practitioners/{practitioner}/activate"),
                None,
            )
            .await;
        assert_eq!((status, &moved["data"]["status"]), (StatusCode::OK, &json!("active")), "{moved}");
        let patient = json!({
            "first_name": "Jane", "last_name": "Doe", "gender": "female", "dob": "1985-03-15",
            "practitioner_id": practitioner, "assigned_clinic": self.clinic,
            "addresses": [{"addressLine1": "1 Main St", "city": "Austin", "state": "TX", "postalCode": "78702"}]
        });
        let (status, created) = self.partner(Method::POST, "/patient", Some(patient.clone())).await;
        assert_eq!(status, 200, "{created}");
        let patient_id = created["data"]["patient_id"].as_str().unwrap().to_owned();
        let (status, again) = self.partner(Method::POST, "/patient", Some(patient)).await;
        assert_eq!((status, &again["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("DUPLICATE_PATIENT")));
        assert_eq!(again["error"]["details"][0]["patient_id"], json!(patient_id));
        let order = json!({
            "patient_id": patient_id, "practitioner_id": practitioner, "clinic_id": self.clinic,
            "carrier_id": "se-3818360", "service_id": "fedex_ground",
            "medication_requests": [{"medication": "Semaglutide", "dose": "2.5mg/ml", "quantity": 2.5,
                "direction": "Inject weekly", "refills": "3", "days_supply": 30}]
        });
        let (status, created) = self.partner(Method::POST, "/medication-order", Some(order)).await;
        assert_eq!(status, 200, "{created}");
        (created["data"]["medication_order_id"].as_str().unwrap().to_owned(), created)
    }
}

fn practitioner(clinic: &str) -> Value {
    json!({
        "first_name": "John", "last_name": "Doe", "email": "john.doe@example.com", "npi": "1003000126",
        "is_veterinarian": false, "assigned_clinic": clinic, "address_line_1": "123 Main St",
        "city": "San Antonio", "state_code": "TX", "zip_code": "78201"
    })
}

fn request(method: Method, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path).header("Host", "nimbus.test");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    match body {
        Some(body) => builder.header("Content-Type", "application/json").body(Body::from(body.to_string())),
        None => builder.body(Body::empty()),
    }
    .unwrap()
}

fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(World) -> F) {
    run_on(Engine::Sqlite, |db| async { test(World::new(db).await).await });
}

#[test]
fn unknown_paths_and_methods_are_refused_in_the_surfaces_shape() {
    on_sqlite(|world| async move {
        let (status, _, body) = world.send(request(Method::GET, "/api/nowhere", None, &[])).await;
        assert_eq!((status, &body["error"]["code"]), (StatusCode::NOT_FOUND, &json!("NOT_FOUND")));
        assert_eq!(body["success"], false);
        let (status, headers, body) = world.send(request(Method::GET, "/orders/x/nowhere", None, &[])).await;
        assert_eq!((status, &body["error"]["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
        assert_eq!(body["error"]["requestId"].as_str().unwrap(), headers["x-request-id"]);
        let (status, headers, body) =
            world.send(request(Method::PUT, "/api/external/webhook", None, &[])).await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (StatusCode::METHOD_NOT_ALLOWED, &json!("METHOD_NOT_ALLOWED"))
        );
        for method in ["GET", "POST", "DELETE"] {
            assert!(headers["allow"].to_str().unwrap().contains(method));
        }
        let (status, _, body) = world.send(request(Method::GET, "/health/ready", None, &[])).await;
        assert_eq!((status, &body["missing"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("migrations")));
    });
}

#[test]
fn callers_are_known_before_anything_is_read() {
    on_sqlite(|world| async move {
        let path = "/api/external/practitioner";
        let other = world.key.replacen("dev_", "prod_", 1);
        for headers in [vec![], vec![("x-api-key", "dev_x")], vec![("X-Api-Key", other.as_str())]] {
            let (status, headers, body) =
                world.send(request(Method::POST, path, Some(json!({"npi": 1})), &headers)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
            assert!(body["error"]["message"].as_str().unwrap().starts_with("Unauthorized"));
            assert_eq!(headers["www-authenticate"], "ApiKey");
        }
        let narrow = [("X-API-Key", world.narrow_key.as_str())];
        let (status, _, body) = world.send(request(Method::POST, path, Some(json!({})), &narrow)).await;
        assert_eq!((status, &body["error"]["code"]), (StatusCode::FORBIDDEN, &json!("FORBIDDEN")));
        let (status, _, _) = world.send(request(Method::GET, "/api/pharmacy/orders", None, &narrow)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let technician = world.technician.clone();
        let verify = "/pharmacy/orders/00000000-0000-0000-0000-000000000000/verify";
        let (status, _) = world.staff(&technician, Method::POST, verify, None).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    });
}

#[test]
fn bodies_are_json_bounded_and_told_of_all_faults() {
    on_sqlite(|world| async move {
        let path = "/api/external/practitioner";
        let send = async |kind: &str, body: String| {
            let request = Request::post(path).header("Host", "nimbus.test").header("X-API-Key", &world.key);
            let request = request.header("Content-Type", kind);
            let (status, _, body) = world.send(request.body(Body::from(body)).unwrap()).await;
            (status, body)
        };
        assert_eq!(send("text/plain", "{}".to_owned()).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let large = format!("\"{}\"", "x".repeat(1024 * 1024));
        assert_eq!(send("application/json", large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
        let (status, body) = send("application/json", "{\"a\": }".to_owned()).await;
        assert_eq!((status, &body["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("VALIDATION_ERROR")));
        assert!(body["error"]["message"].as_str().unwrap().contains("line 1 column 7"), "{body}");
        let (status, body) = world.partner(Method::POST, "/practitioner", None).await;
        assert_eq!(
            (status, body["error"]["details"].as_array().unwrap().len()),
            (StatusCode::BAD_REQUEST, 10),
            "{body}"
        );
        let mut stranger = practitioner(&world.clinic);
        stranger["assigned_clinic"] = json!("550e8400-e29b-41d4-a716-446655440001");
        let (status, body) = world.partner(Method::POST, "/practitioner", Some(stranger)).await;
        assert_eq!(
            (status, &body["error"]["message"]),
            (StatusCode::BAD_REQUEST, &json!("Clinic not found"))
        );
        let (status, body) = world.partner(Method::GET, "/practitioner?limit=0&cursor=!", None).await;
        assert_eq!(
            (status, body["error"]["details"].as_array().unwrap().len()),
            (StatusCode::BAD_REQUEST, 2)
        );
        assert_eq!(
            world.partner(Method::GET, "/practitioner/not-an-id", None).await.0,
            StatusCode::NOT_FOUND
        );
    });
}

#[test]
fn a_repeated_request_replays_its_reply() {
    on_sqlite(|world| async move {
        let send = async |key: &str, body: Value| {
            let headers = [("X-API-Key", world.key.as_str()), ("Idempotency-Key", key)];
            world.send(request(Method::POST, "/api/external/practitioner", Some(body), &headers)).await
        };
        let (status, headers, first) = send("one", practitioner(&world.clinic)).await;
        assert_eq!(status, 200, "{first}");
        assert!(!headers.contains_key("idempotent-replayed"));
        let (status, headers, second) = send("one", practitioner(&world.clinic)).await;
        assert_eq!((status, &second), (StatusCode::OK, &first));
        assert_eq!(headers["idempotent-replayed"], "true");
        let mut other = practitioner(&world.clinic);
        other["first_name"] = json!("Jim");
        let (status, _, body) = send("one", other).await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (StatusCode::CONFLICT, &json!("IDEMPOTENCY_KEY_CONFLICT"))
        );
        let (status, _, body) = send("has space", practitioner(&world.clinic)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body["error"]["details"][0]["field"], "Idempotency-Key");
        let (_, _, again) = send("two", practitioner(&world.clinic)).await;
        assert_eq!(
            (&again["data"]["duplicate"], &again["data"]["practitioner_id"]),
            (&json!(true), &first["data"]["practitioner_id"])
        );
    });
}

#[test]
fn an_order_goes_from_the_partner_to_its_refill() {
    on_sqlite(|world| async move {
        let (order, created) = world.order().await;
        let line = created["data"]["medication_request_id"].as_str().unwrap().to_owned();
        assert_eq!(created["data"]["medications"][0]["quantity_authorized"], json!(2.5));
        let refill = json!({"medication_request_id": line});
        let (status, refused) = world.partner(Method::POST, "/refill-request", Some(refill.clone())).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(refused["error"]["message"], "Refills are not possible for pending medication requests");
        for act in ["verify", "submit", "acknowledge", "start-fill", "fill"] {
            let path = format!("/pharmacy/orders/{order}/{act}");
            let (status, moved) = world.staff(&world.pharmacist, Method::POST, &path, None).await;
            assert_eq!(status, 200, "{act}: {moved}");
        }
        let shipment = json!({"medication_orders": [order], "carrier_id": "se-3818360",
            "service_id": "fedex_ground", "tracking_number": "1Z999AA10123456784"});
        let (status, made) =
            world.staff(&world.technician, Method::POST, "/pharmacy/shipments", Some(shipment)).await;
        assert_eq!(status, 200, "{made}");
        // The number is another carrier's, and the golden order is refrigerated, for which ground is too slow.
        let warned = made["data"]["warnings"].as_array().unwrap();
        let fields = warned.iter().map(|it| it.as_str().unwrap().split(':').next().unwrap());
        let fields: std::collections::BTreeSet<&str> = fields.collect();
        assert_eq!(fields.into_iter().collect::<Vec<_>>(), ["service_id", "tracking_number"], "{made}");
        let shipment = made["data"]["shipment_id"].as_str().unwrap().to_owned();
        let path = format!("/pharmacy/shipments/{shipment}/status");
        for status in ["in_transit", "delivered"] {
            let body = json!({"status": status, "location": "Memphis, TN"});
            let (code, moved) = world.staff(&world.technician, Method::PATCH, &path, Some(body)).await;
            assert_eq!(code, 200, "{moved}");
        }
        let (_, read) = world.partner(Method::GET, &format!("/medication-order/{order}"), None).await;
        assert_eq!(read["data"]["status"], "delivered", "{read}");
        let history = read["data"]["status_history"].as_array().unwrap();
        assert!(!history.is_empty() && history.iter().all(|row| row.get("actor").is_none()));
        assert_eq!(read["data"]["shipments"][0]["id"], json!(shipment));
        let (_, read) = world.partner(Method::GET, &format!("/medication-request/{line}"), None).await;
        assert_eq!(read["data"]["medication_order_id"], json!(order));
        let (_, read) = world.partner(Method::GET, &format!("/shipment/{shipment}/tracking"), None).await;
        assert_eq!(read["data"]["events"].as_array().unwrap().len(), 2, "{read}");
        let path = format!("/refill-request/eligibility?medication_request_id={line}");
        let (status, answer) = world.partner(Method::GET, &path, None).await;
        assert_eq!((status, &answer["data"]["reason"]), (StatusCode::OK, &json!("too_soon")), "{answer}");
        let (status, refused) = world.partner(Method::POST, "/refill-request", Some(refill)).await;
        assert_eq!(
            (status, &refused["error"]["code"]),
            (StatusCode::BAD_REQUEST, &json!("REFILL_NOT_ELIGIBLE"))
        );
        let (_, list) = world.partner(Method::GET, "/medication-order?status=delivered&limit=1", None).await;
        assert_eq!((list["data"].as_array().unwrap().len(), &list["has_more"]), (1, &json!(false)), "{list}");
    });
}

#[test]
fn webhooks_are_registered_read_and_deleted_in_three_ways() {
    on_sqlite(|world| async move {
        for (n, form) in ["path", "query", "body"].into_iter().enumerate() {
            let url = format!("http://127.0.0.1:808{n}/hook");
            let body =
                json!({"clinic_id": world.clinic, "webhook_url": url, "headers": {"X-Team": "secret"}});
            let (status, made) = world.partner(Method::POST, "/webhook", Some(body.clone())).await;
            assert_eq!(
                (status, &made["message"]),
                (StatusCode::OK, &json!("Webhook created successfully")),
                "{made}"
            );
            assert!(made["data"]["signing_secret"].as_str().unwrap().starts_with("whsec_"));
            let id = made["data"]["webhook_id"].as_str().unwrap().to_owned();
            let (_, again) = world.partner(Method::POST, "/webhook", Some(body)).await;
            assert_eq!(
                (&again["data"]["webhook_id"], again["data"].get("signing_secret")),
                (&json!(id), None)
            );
            let (status, tested) = world.partner(Method::POST, &format!("/webhook/{id}/test"), None).await;
            assert_eq!(status, 200, "{tested}");
            let (_, sent) = world.partner(Method::GET, &format!("/webhook/{id}/deliveries"), None).await;
            assert_eq!(sent["data"][0]["event_name"], "webhook:test", "{sent}");
            let (_, paused) = world
                .partner(Method::PATCH, &format!("/webhook/{id}"), Some(json!({"status": "paused"})))
                .await;
            assert_eq!(
                (&paused["data"]["status"], &paused["data"]["headers"]),
                (&json!("paused"), &json!(["X-Team"]))
            );
            let deleted = match form {
                "path" => world.partner(Method::DELETE, &format!("/webhook/{id}"), None).await,
                "query" => world.partner(Method::DELETE, &format!("/webhook?id={id}"), None).await,
                _ => world.partner(Method::DELETE, "/webhook", Some(json!({"webhook_id": id}))).await,
            };
            assert_eq!(deleted.1["message"], "Webhook deleted successfully", "{form}: {}", deleted.1);
            assert_eq!(
                world.partner(Method::GET, &format!("/webhook/{id}"), None).await.0,
                StatusCode::NOT_FOUND
            );
            let gone = world.partner(Method::DELETE, &format!("/webhook?id={id}"), None).await;
            assert_eq!(
                (gone.0, &gone.1["error"]["message"]),
                (StatusCode::BAD_REQUEST, &json!("Webhook not found"))
            );
        }
    });
}

#[test]
fn the_pharmacy_system_reports_with_its_secret() {
    on_sqlite(|world| async move {
        let (order, _) = world.order().await;
        let body = json!({"medication_order_id": order, "status": "on the moon"});
        let path = "/api/pharmetika/webhook";
        let (status, _, _) = world.send(request(Method::POST, path, Some(body.clone()), &[])).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let secret = [("X-Pharmetika-Secret", "feed-secret")];
        let (status, _, kept) = world.send(request(Method::POST, path, Some(body), &secret)).await;
        assert_eq!((status, &kept["data"]["moved"]), (StatusCode::OK, &json!(false)), "{kept}");
        let (_, read) = world.partner(Method::GET, &format!("/medication-order/{order}"), None).await;
        assert_eq!(read["data"]["medication_requests"][0]["pharmetika_status"], "on the moon");
        let bearer = [("Authorization", "Bearer anything")];
        let success = Some(json!({"practitioner_id": order}));
        let (status, _, _) =
            world.send(request(Method::POST, "/api/rpa/practitioner/success", success, &bearer)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    });
}
