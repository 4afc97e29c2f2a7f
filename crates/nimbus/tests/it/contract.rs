//! What the check of every reply and every delivery against the OpenAPI documents lets pass, and what it finds.

use serde_json::{Value, json};
use ureq::http::{HeaderValue, Method};

use crate::support::{
    Engine, Reply, Server,
    contract::{Answered, check_delivery},
    repository,
};

const LIST: &str = "/api/external/medication-order?limit=1";

fn checked(method: &Method, path: &str, reply: &Reply) -> Result<(), String> {
    let Reply { status, headers, bytes, .. } = reply;
    Answered { actor: "Partner", method, path, status: *status, headers, bytes }.check()
}

fn leave_out(value: &mut Value, name: &str) {
    value.as_object_mut().expect("an object").remove(name).expect("it was there");
}

fn say(reply: &mut Reply, header: &'static str, value: &'static str) {
    reply.headers.insert(header, HeaderValue::from_static(value));
}

#[test]
fn a_reply_that_is_not_as_documented_is_found() {
    type Change = fn(&mut Reply);
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let reply = server.partner(&seed).get("/medication-order?limit=1");
    checked(&Method::GET, LIST, &reply).expect("it came from the server");
    let changes: [(Change, &str); 16] = [
        (|it| it.status = 418, "the status is not documented"),
        (|it| it.status = 304, "bytes is not documented"),
        (|it| it.body["extra"] = json!(1), r#"at "": Additional properties"#),
        (|it| it.body["data"][0]["extra"] = json!(1), r#"at "/data/0": Additional properties"#),
        (|it| it.body["data"][0]["id"] = json!(7), r#"at "/data/0/id": 7 is not of type"#),
        (|it| it.body["data"][0]["id"] = json!("7"), r#"at "/data/0/id": "7" is not a "uuid""#),
        (|it| it.body["data"][0]["status"] = json!("gone"), r#"at "/data/0/status": "gone" is not one of"#),
        (|it| leave_out(&mut it.body, "has_more"), r#"at "": "has_more" is a required property"#),
        (|it| leave_out(&mut it.body["data"][0], "id"), r#"at "/data/0": "id" is a required property"#),
        (|it| it.body = Value::Null, "there is no body"),
        (|it| drop(it.headers.remove("x-request-id")), "there is no X-Request-Id"),
        (|it| drop(it.headers.remove("etag")), "there is no ETag"),
        (|it| say(it, "x-request-id", "7"), r#"X-Request-Id: at "": "7" does not match"#),
        (|it| say(it, "x-ratelimit-limit", "many"), r#"X-RateLimit-Limit: at "": "many" is not of type"#),
        (|it| say(it, "x-novelty", "1"), "the header x-novelty is not documented"),
        (|it| say(it, "content-type", "text/plain"), "text/plain is not documented"),
    ];
    for (change, why) in changes {
        let mut changed = reply.clone();
        change(&mut changed);
        changed.bytes = if changed.body.is_null() { Vec::new() } else { changed.body.to_string().into() };
        let found = checked(&Method::GET, LIST, &changed).expect_err(why);
        assert!(
            found.starts_with("partner \"listMedicationOrders\" answered") && found.contains(why),
            "{found}"
        );
    }
}

#[test]
fn what_no_document_speaks_of_passes_and_no_more() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let reply = server.partner(&seed).get("/medication-order?limit=1");
    let list = |method| checked(&method, LIST, &reply);
    assert_eq!(list(Method::OPTIONS), Ok(()));
    assert_eq!(checked(&Method::GET, "/api/external/nothing", &reply), Ok(()));
    for (method, why) in
        [(Method::PUT, "no document has this method"), (Method::HEAD, "bytes is not documented")]
    {
        let found = list(method).expect_err(why);
        assert!(found.contains(why), "{found}");
    }
    let refused = Reply { status: 405, ..reply };
    assert_eq!(checked(&Method::PUT, LIST, &refused), Ok(()));
    checked(&Method::GET, LIST, &refused).expect_err("a method that there is is not answered 405");
}

type Headers = Vec<(String, String)>;

/// The name of each event of a document, with examples of a delivery: its headers and its bodies, the full one first.
fn deliveries(document: &str) -> Vec<(String, Headers, Vec<Value>)> {
    let text = std::fs::read_to_string(repository(&format!("openapi/{document}.json"))).expect("a document");
    let document: Value = serde_json::from_str(&text).expect("a document is JSON");
    let webhooks = document["webhooks"].as_object().expect("webhooks").iter();
    let example = |(name, item): (&String, &Value)| {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let parameters = item["post"]["parameters"].as_array().expect("headers").iter();
        let mut headers: Headers =
            parameters.map(|header| (text(&header["name"]), text(&header["example"]))).collect();
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        let content = &item["post"]["requestBody"]["content"]["application/json"];
        let forms = ["full", "thin"].map(|form| content["examples"][form]["value"].clone());
        let bodies: Vec<Value> = [content["example"].clone()].into_iter().chain(forms).collect();
        (name.clone(), headers, bodies.into_iter().filter(|body| !body.is_null()).collect())
    };
    webhooks.map(example).collect()
}

fn delivered(headers: &[(String, String)], body: &Value) -> Result<(), String> {
    let header = |name: &str| {
        let found = headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    check_delivery(header, body.to_string().as_bytes())
}

#[test]
fn a_delivery_that_is_not_as_documented_is_found() {
    for (document, data, event_type) in [
        ("partner", "event_data", "event_type"),
        ("integration", "event_data", "event_type"),
        ("orders", "data", "type"),
    ] {
        for (name, headers, bodies) in deliveries(document) {
            for body in &bodies {
                assert_eq!(delivered(&headers, body), Ok(()), "{name}");
            }
            let body = bodies.first().expect("an example");
            let finds = |why: &str, headers: &[(String, String)], body: &Value| {
                let found = delivered(headers, body).expect_err(why);
                assert!(found.contains(why), "{name}: {found}");
            };
            let mut extra = body.clone();
            extra[data]["extra"] = json!(1);
            finds(&format!("at \"/{data}\": Additional properties"), &headers, &extra);
            let mut mistyped = body.clone();
            mistyped["sequence"] = json!("1");
            finds(r#"at "/sequence": "1" is not of type"#, &headers, &mistyped);
            let mut unknown = body.clone();
            unknown[event_type] = json!("novelty");
            finds("no document has the event novelty", &headers, &unknown);
            for (index, (header, _)) in
                headers.iter().enumerate().filter(|(_, (name, _))| name != "X-API-Key")
            {
                let mut fewer = headers.clone();
                fewer.remove(index);
                let why = if header == "content-type" {
                    "its content type is None".to_owned()
                } else {
                    format!("there is no {header}")
                };
                finds(&why, &fewer, body);
            }
        }
    }
}
