//! The four documents: which operations each one has, how it presents itself, and what it needs of the components.

use std::collections::BTreeSet;

use nimbus_core::access::{Profile, Scope, Scopes};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{OpenApi as _, openapi::OpenApi};

use super::{links, operations, schemas, security, webhooks};
use crate::{
    brand::Brand,
    lifecycle::{self, Retirement},
    operations_api, orders_api, partner_api,
};

/// The version of the published APIs.
const VERSION: &str = "1.0.0";

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(partner_api::error::ErrorReply)))]
struct PartnerErrors;

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(orders_api::error::OrdersErrorReply)))]
struct OrdersErrors;

/// The documents, by the names of their files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the `pharmacy_partner` profile may do.
    Partner,
    /// All of `/api/external`.
    Integration,
    /// The orders API.
    Orders,
    /// What staff and machines of the pharmacy do.
    Operations,
}

impl Kind {
    pub const ALL: &'static [Self] = &[Self::Partner, Self::Integration, Self::Orders, Self::Operations];

    /// The file's name, without `.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Partner => "partner",
            Self::Integration => "integration",
            Self::Orders => "orders",
            Self::Operations => "operations",
        }
    }

    /// What the paths of the document follow.
    pub const fn root(self) -> &'static str {
        match self {
            Self::Partner | Self::Integration => partner_api::ROOT,
            Self::Orders | Self::Operations => "",
        }
    }

    fn title(self, brand: &Brand) -> String {
        match self {
            Self::Partner => format!("{} Partner API", brand.name),
            Self::Integration => format!("{} Integration API", brand.integration_name),
            Self::Orders => format!("{} API", brand.name),
            Self::Operations => format!("{} Operations API", brand.name),
        }
    }

    const fn introduction(self) -> &'static str {
        match self {
            Self::Partner => include_str!("text/partner.md"),
            Self::Integration => include_str!("text/integration.md"),
            Self::Orders => include_str!("text/orders.md"),
            Self::Operations => include_str!("text/operations.md"),
        }
    }

    /// The tags in the order in which they are read, with what each is about.
    const fn tags(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Partner | Self::Integration => &[
                ("Clinic", "The clinic that the key belongs to"),
                ("Keys", "The clinic's keys: which there are, rotation, and where they work from"),
                ("Practitioners", "Prescribers, from registration to activation"),
                ("Patients", "Patients of the clinic"),
                ("Medication Requests", "Medication orders, their medication requests and prescriptions"),
                ("Orders", "The state of medication orders, medication requests and prescriptions"),
                ("Refills", "Whether a refill is possible, and asking for one"),
                ("Carriers", "Carriers, their services and what they cost"),
                ("Shipments", "Where a parcel is"),
                ("Webhooks", "Endpoints that events are sent to, and what was sent to them"),
                ("Events", "The log of events, for polling and recovery"),
                ("Sandbox", "Controls that only a sandbox has"),
            ],
            Self::Orders => &[
                ("Orders", "Fills of existing prescriptions"),
                ("Refills", "Whether a refill is possible, and asking for one"),
                ("Prescriptions", "What a patient may be sent and refilled"),
                ("Webhooks", "Endpoints that events are sent to, and what was sent to them"),
                ("Events", "The log of events, for polling and recovery"),
            ],
            Self::Operations => &[
                ("Orders", "The queue, and what staff do with an order"),
                ("Prescriptions", "Prescriptions of all clinics"),
                ("Refills", "The review of refill requests"),
                ("Shipments", "Parcels, from the label on"),
                ("Inventory", "Stock by lot, and what fills took of it"),
                ("Practitioners", "Activation of practitioners"),
                ("Formulary", "What each clinic may order"),
                ("Legal holds", "What has to be kept, whatever its age"),
                ("Licenses", "What the pharmacy may send to which state"),
                ("Partners", "Who integrates, their approval and the agreements with them"),
                ("Clinics", "The clinics of partners, and what is agreed with each"),
                ("Keys", "API keys of clinics"),
                ("Webhooks", "Webhooks of clinics, what was sent to them, and sending it again"),
                ("Staff", "Signing in, and one's own account and sessions"),
                ("Users", "Accounts of staff, as administrators keep them"),
                ("Audit", "Who did what to which record, and the proof that it is what was written"),
                ("Rules", "The rules pack in force, and the thresholds of clinics"),
                ("Sandbox", "Controls that only a sandbox has"),
                ("Inbound", "What machines report: the pharmacy system and the onboarding robot"),
                ("Links", "What a signed link opens, without a key: labels, barcodes and tracking pages"),
                ("Webhook keys", "What signatures of webhooks are checked by, without a key"),
                ("Health", "Whether the process lives and can serve"),
                ("Documents", "The API documents themselves"),
            ],
        }
    }

    /// The routes with their schemas, as utoipa collects them.
    fn source(self) -> OpenApi {
        let (mut document, errors) = match self {
            Self::Partner | Self::Integration => {
                (partner_api::routes().into_openapi(), PartnerErrors::openapi())
            }
            Self::Orders => (orders_api::routes().into_openapi(), OrdersErrors::openapi()),
            Self::Operations => {
                let routes = super::open_routes().nest(operations_api::ROOT, operations_api::routes());
                (routes.into_openapi(), PartnerErrors::openapi())
            }
        };
        document.merge(errors);
        document
    }

    /// Whether an operation belongs to the document.
    fn has(self, operation: &Value) -> bool {
        match self {
            Self::Partner => {
                let allowed = Scopes::profile(Profile::PharmacyPartner);
                let scopes = security::of("", operation).words;
                !scopes.is_empty()
                    && scopes.iter().all(|word| Scope::parse(word).is_some_and(|scope| allowed.has(scope)))
            }
            Self::Integration | Self::Orders | Self::Operations => true,
        }
    }
}

/// An OpenAPI 3.1 document. Its maps are sorted, so that it is written the same each time.
#[derive(Serialize)]
pub struct Document {
    openapi: &'static str,
    info: Value,
    servers: Vec<Value>,
    tags: Vec<Value>,
    paths: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    webhooks: Map<String, Value>,
    components: Map<String, Value>,
}

impl Document {
    /// A document as a deployment serves it: with its names, and with what it is retiring.
    pub fn new(kind: Kind, brand: &Brand, retiring: &[Retirement]) -> Self {
        let mut source = serde_json::to_value(kind.source()).expect("a document has string keys");
        let mut paths = object(source["paths"].take());
        let mut components = object(source["components"].take());
        choose(&mut paths, |operation| kind.has(operation));
        let found = std::mem::take(&mut components["schemas"]);
        let mut schemas = schemas::published(object(found), &mut paths);
        let webhooks = webhooks::section(kind, &mut schemas);
        let mut parts = operations::Parts::new(schemas);
        for (path, item) in &mut paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                operations::describe(&mut parts, &format!("{}{path}", kind.root()), method, operation);
            }
        }
        if kind == Kind::Partner {
            rename_tag(&mut paths, "Medication Requests", "Orders");
            rename_tag(&mut paths, "Carriers", "Shipments");
        }
        links::add(&mut paths);
        lifecycle::mark(&mut paths, kind.root(), retiring);
        components.extend(parts.into_components());
        keep_used(&mut components, &paths, &webhooks);
        Self {
            openapi: "3.1.0",
            info: info(kind, brand),
            servers: servers(kind, brand),
            tags: used_tags(kind, &paths),
            paths,
            webhooks,
            components,
        }
    }

    /// The document as it is committed and served.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a document has string keys");
        text.push('\n');
        text
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// Keeps the chosen operations, and the paths that have any.
fn choose(paths: &mut Map<String, Value>, chosen: impl Fn(&Value) -> bool) {
    for item in paths.values_mut().filter_map(Value::as_object_mut) {
        item.retain(|_, operation| chosen(operation));
    }
    paths.retain(|_, item| item.as_object().is_some_and(|item| !item.is_empty()));
}

fn info(kind: Kind, brand: &Brand) -> Value {
    json!({
        "title": kind.title(brand),
        "version": VERSION,
        "description": kind.introduction().trim_end(),
        "termsOfService": brand.terms(),
        "contact": {
            "name": format!("{} API support", brand.name),
            "url": format!("https://{}", brand.developer_portal),
            "email": brand.support_email,
        },
        "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    })
}

fn servers(kind: Kind, brand: &Brand) -> Vec<Value> {
    let server = |host: &str, description: &str| json!({"url": format!("https://{host}{}", kind.root()), "description": description});
    vec![
        server(&brand.sandbox_host, "Sandbox: invented patients, keys that begin with dev_"),
        server(&brand.production_host, "Production: keys that begin with prod_"),
    ]
}

fn operations_of(paths: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    paths.values().filter_map(Value::as_object).flat_map(Map::values)
}

fn rename_tag(paths: &mut Map<String, Value>, from: &str, to: &str) {
    let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for tag in operations.filter_map(|operation| operation.pointer_mut("/tags/0")) {
        if tag == from {
            *tag = json!(to);
        }
    }
}

fn used_tags(kind: Kind, paths: &Map<String, Value>) -> Vec<Value> {
    let used: BTreeSet<&str> =
        operations_of(paths).filter_map(|operation| operation["tags"][0].as_str()).collect();
    let known = kind.tags().iter().filter(|(name, _)| used.contains(name));
    known.map(|(name, description)| json!({"name": name, "description": description})).collect()
}

/// Drops every component that nothing refers to, directly or through others.
fn keep_used(components: &mut Map<String, Value>, paths: &Map<String, Value>, webhooks: &Map<String, Value>) {
    let mut used = BTreeSet::new();
    let mut open: Vec<&Value> = paths.values().chain(webhooks.values()).collect();
    // What generated clients parse a delivery as, before they know which event it is.
    if let Some(any) = webhooks::ANY_EVENT.iter().find(|name| component(components, name).is_some()) {
        used.insert((*any).to_owned());
        open.extend(component(components, any));
    }
    while let Some(value) = open.pop() {
        for name in references(value) {
            if let Some(found) = component(components, &name)
                && used.insert(name)
            {
                open.push(found);
            }
        }
    }
    let schemes: BTreeSet<String> = operations_of(paths).flat_map(security::named).collect();
    for (section, all) in components.iter_mut() {
        let Some(all) = all.as_object_mut() else { continue };
        match section.as_str() {
            "securitySchemes" => all.retain(|name, _| schemes.contains(name)),
            _ => all.retain(|name, _| used.contains(&format!("{section}/{name}"))),
        }
    }
    components.retain(|_, all| all.as_object().is_some_and(|all| !all.is_empty()));
}

fn component<'a>(components: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let (section, name) = name.split_once('/')?;
    components.get(section)?.get(name)
}

/// Every `section/name` that a value refers to.
fn references(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    schemas::walk(value, &mut |object| {
        let reference = object.get("$ref").and_then(Value::as_str);
        found.extend(reference.and_then(|text| text.strip_prefix("#/components/")).map(str::to_owned));
    });
    found
}
