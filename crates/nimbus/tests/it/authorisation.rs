//! Who may call what: every route of the API document with every kind of credential.
//!
//! What is expected is derived from each operation's own `security` entry.

mod on_record;
mod world;

use aws_lc_rs::hmac;
use nimbus_app::credentials;
use nimbus_core::access::{Role, Scope};
use nimbus_web::api_document;
use serde_json::{Value, json};
use ureq::http::Method;

use self::{on_record::Answered, world::*};
use crate::support::{
    Anonymous, Engine, Reply, Seed, Server, Store,
    authenticator::{Algorithm, Authenticator},
    browser::{Browser, PASSWORD, signed_in},
    server::{EASYPOST_SECRET, FEED_SECRET, ONBOARDING_TOKEN},
    story::text,
};

/// No row has this id.
const UNKNOWN: &str = "01890000-0000-7000-8000-000000000001";

/// What is sent where a body may be: who is not allowed must not learn that it is not JSON.
const BODY: &[u8] = b"{";

/// What an operation asks of its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Needs {
    Nothing,
    Key(Vec<Scope>),
    Staff(Vec<Role>),
    /// A session, of one of these roles; of any, if there are none.
    Session(Vec<Role>),
    /// What is sent says who it is.
    SignIn,
    FeedSecret,
    OnboardingToken,
    CarrierSignature,
}

impl Needs {
    /// Reads a `security` entry; a route without one is a mistake.
    fn of(operation: &str, security: &Value) -> Self {
        let Some([entry]) = security.as_array().map(Vec::as_slice) else {
            panic!("{operation}: exactly one security entry, not {security}");
        };
        let schemes: Vec<(&String, &Value)> = entry.as_object().expect("an object").iter().collect();
        let words =
            |list: &Value| -> Vec<String> { list.as_array().expect("a list").iter().map(text).collect() };
        match schemes.as_slice() {
            [] if operation.contains(" /api/staff/") => Self::SignIn,
            [] => Self::Nothing,
            [(name, list)] => match name.as_str() {
                "ApiKeyAuth" => {
                    Self::Key(words(list).iter().map(|w| Scope::parse(w).expect("a scope")).collect())
                }
                "OpsToken" => {
                    Self::Staff(words(list).iter().map(|w| Role::parse(w).expect("a role")).collect())
                }
                "StaffSession" => {
                    Self::Session(words(list).iter().map(|w| Role::parse(w).expect("a role")).collect())
                }
                "FeedSecret" => Self::FeedSecret,
                "OnboardingToken" => Self::OnboardingToken,
                "CarrierSignature" => Self::CarrierSignature,
                other => panic!("{operation}: unknown scheme {other}"),
            },
            _ => panic!("{operation}: more than one scheme"),
        }
    }
}

struct Operation {
    name: String,
    method: Method,
    template: String,
    needs: Needs,
    /// The media type of a body, where it is not JSON.
    media_type: String,
    has_body: bool,
    /// Required parameters of the query.
    query: Vec<String>,
}

impl Operation {
    /// Whether it belongs to the orders API, whose paths begin at the root.
    fn is_of_orders(&self) -> bool {
        !["/api/", "/health", "/openapi/", "/links/", "/track/", "/.well-known/"]
            .iter()
            .any(|root| self.template.starts_with(root))
    }

    /// A refusal in the shape of its surface.
    #[track_caller]
    fn refused<'a>(&self, reply: &'a Reply, status: u16, code: &str) -> &'a Value {
        match self.is_of_orders() {
            true => reply.orders_refused(status, &code.to_lowercase()),
            false => reply.refused(status, code),
        }
    }
}

/// Every operation of the document.
fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(api_document()).expect("the document is JSON");
    let mut found = Vec::new();
    for (template, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path item") {
            let name = format!("{method} {template}");
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let in_query = |it: &&Value| it["in"] == "query" && it["required"] == true;
            found.push(Operation {
                method: method.to_uppercase().parse().expect("a method"),
                needs: Needs::of(&name, &operation["security"]),
                media_type: media_type(&operation["requestBody"]),
                has_body: operation["requestBody"].is_object(),
                query: parameters.iter().filter(in_query).map(|it| text(&it["name"])).collect(),
                template: template.clone(),
                name,
            });
        }
    }
    assert!(found.len() > 40, "the document has all routes, not {}", found.len());
    found
}

/// What a body is sent as: JSON, or the first type that is documented.
fn media_type(body: &Value) -> String {
    let json = "application/json".to_owned();
    body["content"].as_object().and_then(|types| types.keys().next()).cloned().unwrap_or(json)
}

/// The credentials that are good for nothing, each with a name for messages.
struct Useless {
    keys: Vec<(&'static str, String)>,
    tokens: Vec<(&'static str, String)>,
}

impl Useless {
    fn new(store: &Store, seed: &Seed) -> Self {
        let key =
            store.json(&["admin", "key", "issue", "--clinic", &seed.clinic_id, "--profile", "integration"]);
        store.json(&["admin", "key", "revoke", &text(&key["id"])]);
        let past = ["--expires", "2020-01-01T00:00:00Z"];
        let expired = ["admin", "key", "issue", "--clinic", &seed.clinic_id, "--profile", "integration"];
        let expired = store.json(&[&expired[..], &past].concat());
        let roles = "super_admin,pharmacist,technician";
        let token = store.json(&["admin", "token", "issue", "gone", "--roles", roles]);
        store.json(&["admin", "token", "revoke", &text(&token["id"])]);
        let late = store.json(&[&["admin", "token", "issue", "late", "--roles", roles][..], &past].concat());
        let mistyped = |text: &str| {
            format!("{}{}", &text[..text.len() - 1], if text.ends_with('a') { 'b' } else { 'a' })
        };
        Self {
            keys: vec![
                ("an empty key", String::new()),
                ("garbage", "hello".to_owned()),
                ("a mistyped key", mistyped(&seed.keys.integration)),
                ("a key that nobody has", credentials::from_seed("dev_", b"nobody")),
                ("a revoked key", text(&key["key"])),
                ("an expired key", text(&expired["key"])),
                ("an operations token as a key", seed.ops_token.clone()),
            ],
            tokens: vec![
                ("garbage", "hello".to_owned()),
                ("a mistyped token", mistyped(&seed.ops_token)),
                ("a token that nobody has", credentials::from_seed("ops_", b"nobody")),
                ("a revoked token", text(&token["token"])),
                ("an expired token", text(&late["token"])),
                ("a partner's key as a token", seed.keys.integration.clone()),
            ],
        }
    }
}

/// One key for each scope with that scope alone, one with all others, and a token for each role.
struct Useful {
    only: Vec<(Scope, String)>,
    all_but: Vec<(Scope, String)>,
    tokens: Vec<(Role, String)>,
    /// Of who administers another clinic.
    other_admin: String,
    /// An account of each role, signed in to.
    browsers: Vec<(Role, Browser)>,
}

impl Useful {
    fn new(store: &Store, seed: &Seed) -> Self {
        let key = |scopes: &[Scope]| {
            let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
            let scopes = scopes.join(",");
            text(
                &store.json(&["admin", "key", "issue", "--clinic", &seed.clinic_id, "--scopes", &scopes])["key"],
            )
        };
        let others =
            |scope: Scope| -> Vec<Scope> { Scope::ALL.iter().copied().filter(|it| *it != scope).collect() };
        let token = |role: Role, clinic: &str| {
            let mut args = vec!["admin", "token", "issue", role.as_str(), "--roles", role.as_str()];
            if role == Role::ClinicAdmin {
                args.extend(["--clinic", clinic]);
            }
            text(&store.json(&args)["token"])
        };
        Self {
            only: Scope::ALL.iter().map(|&scope| (scope, key(&[scope]))).collect(),
            all_but: Scope::ALL.iter().map(|&scope| (scope, key(&others(scope)))).collect(),
            tokens: Role::ALL.iter().map(|&role| (role, token(role, &seed.clinic_id))).collect(),
            other_admin: token(Role::ClinicAdmin, &seed.other_clinic_id),
            browsers: Vec::new(),
        }
    }
}

/// Somebody with an account of one role who has signed in.
fn browser(server: &Server, seed: &Seed, role: Role) -> Browser {
    let mut more = vec![role.as_str()];
    if role == Role::ClinicAdmin {
        more.extend(["--clinic", &seed.clinic_id]);
    }
    signed_in(server, &format!("{role}@example.com"), &more)
}

struct Matrix {
    server: Server,
    client: Anonymous,
    world: World,
    useless: Useless,
    useful: Useful,
    webhooks: usize,
    answered: Answered,
}

impl Matrix {
    fn new() -> Self {
        let store = Store::sandbox(Engine::Sqlite).with("NIMBUS_RETRY_SCALE", "0.000001");
        let seed = store.seed();
        let (useless, mut useful) = (Useless::new(&store, &seed), Useful::new(&store, &seed));
        let server = store.serve();
        useful.browsers = Role::ALL.iter().map(|&role| (role, browser(&server, &seed, role))).collect();
        let (client, world) = (server.anonymous(), World::new(&server, seed));
        Self { server, client, world, useless, useful, webhooks: 1, answered: Answered::default() }
    }

    /// Sends an operation with some headers. The body is not JSON: who is not allowed must not learn so.
    fn send(&self, operation: &Operation, path: &str, headers: &[(&str, &str)]) -> Reply {
        let with_body = operation.method != Method::GET;
        let mut headers = headers.to_vec();
        headers.push(("content-type", &operation.media_type));
        self.client.send(operation.method.clone(), path, &headers, with_body.then_some(BODY))
    }

    /// Refused as unknown, with one and the same body for each way of being unknown.
    fn unauthorized(&self, operation: &Operation, what: &str, headers: &[(&str, &str)]) {
        let path = self.world.path(operation);
        let reply = self.send(operation, &path, headers);
        assert_eq!(reply.status, 401, "{} with {what}: {}", operation.name, reply.body);
        let bare = self.send(operation, &path, &[]);
        let apart = |reply: &Reply| {
            let mut body = reply.body.clone();
            for name in ["request_id", "requestId"] {
                if let Some(id) = body["error"].get_mut(name) {
                    *id = Value::Null;
                }
            }
            body
        };
        assert_eq!(apart(&reply), apart(&bare), "{} with {what}", operation.name);
        let message = text(&operation.refused(&reply, 401, "UNAUTHORIZED")["message"]);
        assert!(message.starts_with("Unauthorized"), "{message}");
        assert!(reply.header("www-authenticate").is_some(), "{} with {what}", operation.name);
    }

    fn forbidden(&self, operation: &Operation, what: &str, headers: &[(&str, &str)]) {
        for path in [self.world.path(operation), unknown_ids(operation, &self.world)] {
            let reply = self.send(operation, &path, headers);
            assert_eq!(reply.status, 403, "{} with {what}: {}", operation.name, reply.body);
            operation.refused(&reply, 403, "FORBIDDEN");
        }
    }

    /// Let in: whatever is said of the request, it is not about the caller, and what it names is found.
    fn let_in(&mut self, operation: &Operation, what: &str, headers: &[(&str, &str)]) {
        let reply = self.send(operation, &self.world.path(operation), headers);
        let refused = matches!(reply.status, 401 | 403 | 404 | 405) || reply.status >= 500;
        assert!(!refused, "{} with {what}: {} {}", operation.name, reply.status, reply.body);
        self.answered.note(operation, &reply);
        let is_own = matches!(operation.needs, Needs::Session(_));
        if operation.method == Method::DELETE && !is_own {
            self.webhooks += 1;
            (self.world.webhook, self.world.delivery) =
                webhook(&self.server, &self.world.seed, self.webhooks);
            self.world.orders_webhook = orders_webhook(&self.server, &self.world.seed, self.webhooks);
            let (webhook, orders_webhook) = (&self.world.webhook, &self.world.orders_webhook);
            self.world.orders_delivery =
                orders_delivery(&self.server, &self.world.seed, orders_webhook, &self.world.orders_event);
            (self.world.replay, self.world.orders_replay) =
                replays(&self.server, &self.world.seed, webhook, orders_webhook);
            sign(&self.server, &self.world.seed);
            self.world.license = license(&self.server, &self.world.seed, self.webhooks);
            list_drug(&self.server, &self.world.seed);
            self.world.clinic = clinic(&self.server, &self.world.seed, &self.world.partner);
            self.world.user = user(&self.server, &self.world.seed);
        }
    }

    fn needs_key(&mut self, operation: &Operation, scopes: &[Scope]) {
        for (what, key) in &self.useless.keys {
            self.unauthorized(operation, what, &[("x-api-key", key)]);
        }
        let seed = self.world.seed.clone();
        let bearer = format!("Bearer {}", seed.ops_token);
        self.unauthorized(operation, "an operations token", &[("authorization", &bearer)]);
        let as_bearer = format!("Bearer {}", seed.keys.integration);
        self.unauthorized(operation, "a key as a token", &[("authorization", &as_bearer)]);
        let two =
            [("x-api-key", seed.keys.integration.as_str()), ("x-api-key", seed.keys.other_clinic.as_str())];
        self.unauthorized(operation, "two keys", &two);

        let path = self.world.path(operation);
        let production = credentials::from_seed("prod_", b"any");
        let other = self.send(operation, &path, &[("x-api-key", &production)]);
        let message = text(&operation.refused(&other, 401, "UNAUTHORIZED")["message"]);
        assert!(message.contains("sandbox") && message.contains("production"), "{message}");

        let stranger = self.send(operation, &path, &[("x-api-key", &seed.keys.other_clinic)]);
        if operation.template.contains('{') {
            let found = !matches!(stranger.status, 400 | 404);
            assert!(!found, "{} with another clinic's key: {}", operation.name, stranger.body);
            let none = self.send(
                operation,
                &unknown_ids(operation, &self.world),
                &[("x-api-key", &seed.keys.other_clinic)],
            );
            assert_eq!(none.status, stranger.status, "{}", operation.name);
        } else {
            let told = stranger.body.to_string();
            for id in [&seed.patient_id, &seed.practitioner_id, &seed.medication_order_id, &seed.clinic_id] {
                assert!(!told.contains(id.as_str()), "{} with another clinic's key: {told}", operation.name);
            }
        }
        for scope in scopes {
            let of = |keys: &[(Scope, String)]| {
                keys.iter().find(|(it, _)| it == scope).expect("one each").1.clone()
            };
            let (without, with) = (of(&self.useful.all_but), of(&self.useful.only));
            self.forbidden(operation, &format!("every scope but {scope}"), &[("x-api-key", &without)]);
            self.let_in(operation, &format!("only {scope}"), &[("X-Api-KEY", &with)]);
        }
        if scopes.is_empty() {
            for (scope, key) in self.useful.only.clone() {
                self.let_in(operation, &format!("only {scope}"), &[("x-api-key", &key)]);
            }
        }
    }

    fn needs_staff(&mut self, operation: &Operation, roles: &[Role]) {
        assert!(!roles.is_empty(), "{}: staff have roles", operation.name);
        let seed = self.world.seed.clone();
        for (what, token) in &self.useless.tokens {
            self.unauthorized(operation, what, &[("authorization", &format!("Bearer {token}"))]);
        }
        self.unauthorized(
            operation,
            "another scheme",
            &[("authorization", &format!("Basic {}", seed.ops_token))],
        );
        for key in [&seed.keys.integration, &seed.keys.pharmacy_partner, &seed.ops_token] {
            self.unauthorized(operation, "a partner's key", &[("x-api-key", key)]);
        }
        for (role, token) in self.useful.tokens.clone() {
            let bearer = format!("bearer {token}");
            match roles.contains(&role) {
                true => self.let_in(operation, role.as_str(), &[("authorization", &bearer)]),
                false => self.forbidden(operation, role.as_str(), &[("authorization", &bearer)]),
            }
        }
        let own_page = self.server.url();
        let cookie_of = |(role, of): &(Role, Browser)| (*role, of.cookie().expect("cookies"));
        let sessions: Vec<(Role, String)> = self.useful.browsers.iter().map(cookie_of).collect();
        for (role, cookie) in &sessions {
            let what = format!("a session, {role}");
            let by_cookie = [("cookie", cookie.as_str()), ("origin", &own_page)];
            match roles.contains(role) {
                true => self.let_in(operation, &what, &by_cookie),
                false => self.forbidden(operation, &what, &by_cookie),
            }
        }
        let (_, cookie) = &sessions[0];
        if operation.method != Method::GET {
            let other_page = [("cookie", cookie.as_str()), ("origin", "https://evil.example")];
            self.forbidden(operation, "a page of another host", &other_page);
        }
        let spoilt = cookie.replace("nimbus_session=", "nimbus_session=x");
        self.unauthorized(
            operation,
            "a cookie that was changed",
            &[("cookie", &spoilt), ("origin", &own_page)],
        );
        if roles.contains(&Role::ClinicAdmin) && operation.template.contains("/clinics/{id}") {
            let bearer = format!("Bearer {}", self.useful.other_admin);
            for path in [self.world.path(operation), unknown_ids(operation, &self.world)] {
                let reply = self.send(operation, &path, &[("authorization", &bearer)]);
                let message = &reply.refused(404, "NOT_FOUND")["message"];
                assert_eq!(message, "Clinic not found", "{} with another clinic's admin", operation.name);
            }
        }
    }

    /// For accounts: a token has none, and each role may.
    fn needs_session(&mut self, operation: &Operation, roles: &[Role]) {
        for (what, token) in &self.useless.tokens {
            self.unauthorized(operation, what, &[("authorization", &format!("Bearer {token}"))]);
        }
        self.unauthorized(operation, "a cookie that nobody has", &[("cookie", "nimbus_session=x")]);
        self.unauthorized(operation, "a partner's key", &[("x-api-key", &self.world.seed.keys.integration)]);
        for (role, token) in &self.useful.tokens {
            self.forbidden(operation, role.as_str(), &[("authorization", &format!("Bearer {token}"))]);
        }
        for at in 0..self.useful.browsers.len() {
            let (role, own_page) = (self.useful.browsers[at].0, self.server.url());
            // What is done here may end the session.
            let email = format!("{role}@example.com");
            self.useful.browsers[at].1.sign_in(&email, PASSWORD).data();
            let other = Browser::new(&self.server);
            other.sign_in(&email, PASSWORD).data();
            self.world.session = text(&other.get("/staff/session").data()["session"]["session_id"]);
            if operation.template.contains("/passkeys/{") {
                let browser = &self.useful.browsers[at].1;
                let added = Authenticator::new(Algorithm::Es256).register(browser, &self.server);
                self.world.passkey = text(&added.data()["passkey"]["passkey_id"]);
            }
            let cookie = self.useful.browsers[at].1.cookie().expect("cookies");
            if operation.method != Method::GET {
                let other_page = [("cookie", cookie.as_str()), ("origin", "https://evil.example")];
                self.forbidden(operation, "a page of another host", &other_page);
            }
            let what = format!("a session, {role}");
            let by_cookie = [("cookie", cookie.as_str()), ("origin", &own_page)];
            match roles.is_empty() || roles.contains(&role) {
                true => self.let_in(operation, &what, &by_cookie),
                false => self.forbidden(operation, &what, &by_cookie),
            }
            self.useful.browsers[at].1.sign_in(&email, PASSWORD).data();
        }
    }

    /// Whoever asks is asked nothing: what is sent decides, and is looked at, where anything is.
    fn needs_sign_in(&mut self, operation: &Operation) {
        let path = self.world.path(operation);
        match operation.has_body {
            true => drop(self.send(operation, &path, &[]).refused(400, "VALIDATION_ERROR").clone()),
            false => self.let_in(operation, "nothing", &[]),
        }
        let headers = [("origin", "https://evil.example")];
        operation.refused(&self.send(operation, &path, &headers), 403, "FORBIDDEN");
    }

    fn needs_secret(&mut self, operation: &Operation, right: &[(&str, &str)]) {
        let seed = self.world.seed.clone();
        let bearer = format!("Bearer {}", seed.ops_token);
        let cases = [
            ("a wrong secret", "x-pharmetika-secret", "wrong"),
            ("the other machine's secret", "x-pharmetika-secret", ONBOARDING_TOKEN),
            ("a wrong token", "x-rpa-token", "wrong"),
            ("the other machine's token", "x-rpa-token", FEED_SECRET),
            ("a partner's key", "x-api-key", &seed.keys.integration),
            ("an operations token", "authorization", &bearer),
        ];
        for (what, name, value) in cases {
            self.unauthorized(operation, what, &[(name, value)]);
        }
        self.let_in(operation, "the right secret", right);
    }
}

/// How EasyPost signs a body.
fn easypost_signature(body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, EASYPOST_SECRET.as_bytes());
    format!("hmac-sha256-hex={}", hex::encode(hmac::sign(&key, body)))
}

/// The path with ids that nobody has. Carriers are everybody's: there it is the patient who is unknown.
fn unknown_ids(operation: &Operation, world: &World) -> String {
    let known = world.path(operation);
    let (known, query) = known.split_once('?').unwrap_or((&known, ""));
    let segments =
        operation.template.split('/').zip(known.split('/')).map(|(segment, known)| match segment {
            segment if segment.starts_with('{') && segment != "{carrierId}" => UNKNOWN,
            _ => known,
        });
    let path = segments.collect::<Vec<_>>().join("/");
    format!("{path}?{}", query.replace(&world.seed.patient_id, UNKNOWN))
}

#[test]
fn every_route_lets_in_whom_its_document_names_and_nobody_else() {
    let mut matrix = Matrix::new();
    for operation in operations() {
        match &operation.needs {
            Needs::Nothing => {
                let open = ["/health", "/openapi/", "/links/", "/track/", "/.well-known/"]
                    .iter()
                    .any(|root| operation.template.starts_with(root));
                assert!(open, "{} is open to all", operation.name);
                matrix.let_in(&operation, "nothing", &[]);
            }
            Needs::Key(scopes) => matrix.needs_key(&operation, scopes),
            Needs::Staff(roles) => matrix.needs_staff(&operation, roles),
            Needs::Session(roles) => matrix.needs_session(&operation, roles),
            Needs::SignIn => matrix.needs_sign_in(&operation),
            Needs::FeedSecret => matrix.needs_secret(&operation, &[("x-pharmetika-secret", FEED_SECRET)]),
            Needs::OnboardingToken => {
                let bearer = format!("Bearer {ONBOARDING_TOKEN}");
                matrix.needs_secret(&operation, &[("authorization", &bearer)]);
                matrix.let_in(&operation, "the token by itself", &[("x-rpa-token", ONBOARDING_TOKEN)]);
            }
            Needs::CarrierSignature => {
                let of_another_body = easypost_signature(b"{}");
                matrix.unauthorized(&operation, "another body's", &[("x-hmac-signature", &of_another_body)]);
                let own = easypost_signature(BODY);
                let two = [("x-hmac-signature", own.as_str()), ("x-hmac-signature", &own)];
                matrix.unauthorized(&operation, "two signatures", &two);
                let shipengine = [
                    ("x-shipengine-rsa-sha256-key-id", "key-1"),
                    ("x-shipengine-rsa-sha256-signature", "AAAA"),
                    ("x-shipengine-timestamp", "2026-01-15T10:30:00Z"),
                ];
                matrix.unauthorized(&operation, "a service that is not set up", &shipengine);
                matrix.needs_secret(&operation, &[("x-hmac-signature", &own)]);
            }
        }
    }
    matrix.answered.all_on_record(&matrix.server);
}

#[test]
fn surfaces_ask_for_their_own_credential() {
    for operation in operations() {
        let expected = match operation.template.split('/').nth(2) {
            Some("external") => matches!(operation.needs, Needs::Key(_)),
            Some("pharmacy" | "admin" | "sandbox" | "operations.json") => {
                matches!(operation.needs, Needs::Staff(_))
            }
            Some("staff") => matches!(operation.needs, Needs::Session(_) | Needs::SignIn | Needs::Staff(_)),
            Some("pharmetika") => operation.needs == Needs::FeedSecret,
            Some("rpa") => operation.needs == Needs::OnboardingToken,
            Some("carriers") => operation.needs == Needs::CarrierSignature,
            _ if operation.is_of_orders() => matches!(operation.needs, Needs::Key(_)),
            _ => operation.needs == Needs::Nothing,
        };
        assert!(expected, "{} needs {:?}", operation.name, operation.needs);
    }
}

#[test]
fn the_ready_made_profiles_have_their_scopes() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let partner = server.pharmacy_partner(&seed);
    for path in ["/practitioner", "/patient"] {
        partner.get(path).refused(403, "FORBIDDEN");
        partner.post(path, &json!({})).refused(403, "FORBIDDEN");
        assert_eq!(server.partner(&seed).get(path).status, 200);
    }
    partner.post("/medication-order", &json!({})).refused(403, "FORBIDDEN");
    for path in ["/medication-order", "/prescription", "/refill-request", "/webhook", "/clinic"] {
        partner.get(path).data();
    }
}

#[test]
fn without_configured_secrets_no_feed_passes() {
    let store = Store::sandbox(Engine::Sqlite);
    let store = store.without("NIMBUS_PHARMACY_FEED_SECRET").without("NIMBUS_ONBOARDING_TOKEN");
    let server = store.without("NIMBUS_EASYPOST_WEBHOOK_SECRET").serve();
    let signed = easypost_signature(b"{}");
    for (path, headers) in [
        ("/api/pharmetika/webhook", [("x-pharmetika-secret", "")]),
        ("/api/pharmetika/webhook", [("x-pharmetika-secret", FEED_SECRET)]),
        ("/api/rpa/practitioner/success", [("authorization", "Bearer ")]),
        ("/api/rpa/practitioner/success", [("x-rpa-token", "")]),
        ("/api/rpa/practitioner/success", [("x-rpa-token", ONBOARDING_TOKEN)]),
        ("/api/carriers/ups/events", [("x-hmac-signature", signed.as_str())]),
    ] {
        let reply = server.anonymous().json(Method::POST, path, &headers, &json!({}));
        reply.refused(401, "UNAUTHORIZED");
    }
}
