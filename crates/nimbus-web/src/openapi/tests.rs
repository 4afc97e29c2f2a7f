//! What every document promises of every operation.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use super::{Document, Kind, api_document, links, schemas, webhooks};
use crate::brand::Brand;

fn document(kind: Kind) -> Value {
    serde_json::to_value(Document::new(kind, &Brand::default(), &[])).unwrap()
}

fn all() -> impl Iterator<Item = (Kind, Value)> {
    Kind::ALL.iter().map(|&kind| (kind, document(kind)))
}

/// Every operation of a document: its method and path, and its JSON.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let each = paths.flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |it| (path, it)));
    each.map(|(path, (method, operation))| (format!("{method} {path}"), operation)).collect()
}

/// What a reference within a document stands for; anything else stands for itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(text) => document.pointer(&text[1..]).unwrap_or_else(|| panic!("{text} is nowhere")),
        None => value,
    }
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

#[test]
fn every_operation_is_described() {
    for (kind, document) in all() {
        let mut ids = HashSet::new();
        assert!(!operations(&document).is_empty(), "{kind:?}");
        for (name, operation) in operations(&document) {
            let name = format!("{kind:?} {name}");
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{name}: operationId is taken");
            assert!(is_text(&operation["summary"]) && is_text(&operation["description"]), "{name}: words");
            assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{name}: tag");
            let tags = document["tags"].as_array().unwrap();
            assert!(tags.iter().any(|tag| tag["name"] == operation["tags"][0]), "{name}: unknown tag");
            let security = operation["security"].as_array().unwrap();
            let by_token = security[0].get("OpsToken");
            assert_eq!(security.len(), if by_token.is_some() { 2 } else { 1 }, "{name}: security");
            assert!(by_token.is_none_or(|roles| security[1]["StaffSession"] == *roles), "{name}: sessions");
            let open = operation["security"][0].as_object().unwrap().is_empty();
            assert_eq!(operation["x-rate-limit"].is_object(), !open, "{name}: rate limit");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let parameter = resolved(&document, parameter);
                assert!(is_text(&parameter["description"]), "{name}: {parameter}");
                assert!(!parameter["example"].is_null(), "{name}: {parameter}");
                assert_ne!(parameter["example"], "text", "{name}: {parameter}");
            }
            if let Some(body) = operation.get("requestBody") {
                assert!(is_text(&body["description"]), "{name}: body");
            }
        }
    }
}

#[test]
fn every_reply_has_its_headers_its_schema_and_an_example() {
    for (kind, document) in all() {
        for (name, operation) in operations(&document) {
            let open = operation["security"][0].as_object().unwrap().is_empty();
            let responses = operation["responses"].as_object().unwrap();
            if !open {
                for status in ["401", "429", "500", "503"] {
                    assert!(responses.contains_key(status), "{kind:?} {name}: {status}");
                }
            }
            for (status, response) in responses {
                let what = format!("{kind:?} {name} {status}");
                let response = resolved(&document, response);
                assert!(is_text(&response["description"]), "{what}: description");
                assert!(response["headers"]["X-Request-Id"].is_object(), "{what}: request id");
                for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                    let json = media_type == "application/json";
                    assert!(!content.to_string().contains(":\"text\""), "{what}: an example says nothing");
                    assert!(content["schema"].is_object(), "{what}: schema");
                    let example =
                        content.get("example").or_else(|| content["examples"].as_object()?.values().next());
                    assert!(!json || open || example.is_some(), "{what}: example");
                }
                assert_eq!(
                    response.get("content").is_none(),
                    status == "304" || status == "204",
                    "{what}: content"
                );
            }
        }
    }
}

#[test]
fn every_reference_stands_for_something_and_every_component_is_used() {
    for (kind, document) in all() {
        let mut used = BTreeSet::new();
        schemas::walk(&document, &mut |object| {
            if let Some(text) = object.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(&text[1..]).is_some(), "{kind:?}: {text} is nowhere");
                used.insert(text.to_owned());
            }
        });
        for (section, all) in document["components"].as_object().unwrap() {
            for name in all.as_object().unwrap().keys().filter(|_| section != "securitySchemes") {
                let any_event = webhooks::ANY_EVENT.contains(&format!("{section}/{name}").as_str());
                let reference = format!("#/components/{section}/{name}");
                assert!(any_event || used.contains(&reference), "{kind:?}: {section}/{name}");
            }
        }
    }
}

#[test]
fn every_link_leads_to_an_operation_that_takes_it() {
    let mut met = HashSet::new();
    for (kind, document) in all() {
        let operations = operations(&document);
        for (name, operation) in &operations {
            met.insert(operation["operationId"].as_str().unwrap().to_owned());
            for (status, response) in operation["responses"].as_object().unwrap() {
                for link in response["links"].as_object().into_iter().flat_map(Map::values) {
                    let target = operations.iter().find(|(_, it)| it["operationId"] == link["operationId"]);
                    let (_, target) = target.unwrap_or_else(|| panic!("{kind:?} {name}: {link}"));
                    let (parameter, expression) =
                        link["parameters"].as_object().unwrap().iter().next().unwrap();
                    let takes =
                        target["parameters"].as_array().unwrap().iter().any(|it| it["name"] == *parameter);
                    assert!(takes, "{kind:?} {name} {status}: {parameter}");
                    let example = &response["content"]["application/json"]["example"];
                    let pointer = expression.as_str().unwrap().strip_prefix("$response.body#").unwrap();
                    assert!(
                        example.pointer(pointer).is_some(),
                        "{kind:?} {name} {status}: {pointer} in {example}"
                    );
                }
            }
        }
    }
    for name in links::names() {
        assert!(met.contains(name), "no document has the operation {name}");
    }
}

#[test]
fn the_partner_document_has_what_the_profile_may_do_and_nothing_else() {
    let document = document(Kind::Partner);
    assert_eq!(document["info"]["title"], "Nimbus OS Partner API");
    assert_eq!(document["info"]["version"], "1.0.0");
    assert_eq!(document["servers"][0]["url"], "https://api-sandbox.nimbus-os.com/api/external");
    assert_eq!(document["servers"][1]["url"], "https://api.nimbus-os.com/api/external");
    let tags: Vec<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    assert_eq!(tags, ["Orders", "Refills", "Shipments", "Webhooks"]);
    assert_eq!(document["components"]["securitySchemes"].as_object().unwrap().len(), 1);
    assert_eq!(document["components"]["securitySchemes"]["ApiKeyAuth"]["name"], "X-API-Key");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths["/medication-order"].get("post").is_none(), "placing orders needs orders:write");
    assert!(!paths.keys().any(|path| path.contains("patient") || path.contains("practitioner")));
}

#[test]
fn documents_that_send_events_describe_each() {
    for kind in [Kind::Partner, Kind::Integration, Kind::Orders] {
        let document = document(kind);
        let webhooks = document["webhooks"].as_object().unwrap();
        assert!(webhooks.len() > 5, "{kind:?}");
        for (name, webhook) in webhooks {
            let body = &webhook["post"]["requestBody"]["content"]["application/json"];
            // Where the thin form has less it is described beside the full one.
            let forms: Vec<(&Value, &str)> = match body["schema"]["anyOf"].as_array() {
                Some(both) => both.iter().zip(["full", "thin"]).collect(),
                None => vec![(&body["schema"], "")],
            };
            for (schema, form) in forms {
                assert!(resolved(&document, schema)["properties"].is_object(), "{kind:?} {name} {form}");
                let example =
                    if form.is_empty() { &body["example"] } else { &body["examples"][form]["value"] };
                assert!(example.is_object(), "{kind:?} {name} {form}");
            }
        }
    }
    let partner = document(Kind::Partner);
    for name in ["WebhookEvent", "ShipmentCreatedEvent", "MedicationUpdatedEvent", "RefillUpdatedEvent"] {
        assert!(partner["components"]["schemas"][name].is_object(), "{name}");
    }
}

#[test]
fn every_route_is_in_a_document() {
    let mut documented = HashSet::new();
    for (kind, document) in all() {
        documented.extend(operations(&document).into_iter().map(|(name, _)| {
            let (method, path) = name.split_once(' ').unwrap();
            format!("{method} {}{path}", kind.root())
        }));
    }
    let every = serde_json::to_value(api_document()).unwrap();
    for (name, _) in operations(&every) {
        assert!(documented.contains(&name), "{name}");
    }
}

#[test]
fn the_brand_is_a_setting() {
    let brand = Brand {
        name: "Acme".to_owned(),
        sandbox_host: "sandbox.acme.example".to_owned(),
        production_host: "acme.example".to_owned(),
        support_email: "help@acme.example".to_owned(),
        developer_portal: "dev.acme.example".to_owned(),
        ..Brand::default()
    };
    let document = serde_json::to_value(Document::new(Kind::Orders, &brand, &[])).unwrap();
    assert_eq!(document["info"]["title"], "Acme API");
    assert_eq!(document["servers"][0]["url"], "https://sandbox.acme.example");
    assert_eq!(document["info"]["termsOfService"], "https://dev.acme.example/terms");
    assert!(!document.to_string().contains("nimbus-os.com"));
}
