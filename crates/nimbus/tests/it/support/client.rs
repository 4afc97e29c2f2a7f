//! HTTP as each actor speaks it. Paths are relative to the actor's own surface.

use std::{ops::Deref, time::Duration};

use serde_json::Value;
use ureq::{
    Agent,
    http::{HeaderMap, Method, Request},
};

use super::contract::Answered;

const DEADLINE: Duration = Duration::from_secs(60);

/// A reply: status, headers, the bytes and the JSON in them (null if there is none).
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("our headers are ASCII"))
    }

    /// The reply's `data`, which must be a success with this message.
    #[track_caller]
    pub(crate) fn said(&self, message: &str) -> &Value {
        let data = self.data();
        assert_eq!(self.body["message"], message);
        data
    }

    /// The reply's `data`, which must be a success.
    #[track_caller]
    pub(crate) fn data(&self) -> &Value {
        assert_eq!((self.status, &self.body["success"]), (200, &Value::Bool(true)), "{}", self.body);
        &self.body["data"]
    }

    /// The error of a refusal, which must have this status and code, and the id of the request twice.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> &Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["success"], false, "{}", self.body);
        let error = &self.body["error"];
        assert_eq!(error["code"], code, "{}", self.body);
        assert_eq!(error["request_id"].as_str(), self.header("x-request-id"), "{}", self.body);
        error
    }

    /// The error of a refusal of the orders API, which must have this status and code, and the id of the request
    /// twice.
    #[track_caller]
    pub(crate) fn orders_refused(&self, status: u16, code: &str) -> &Value {
        assert_eq!(self.status, status, "{}", self.body);
        let error = &self.body["error"];
        assert_eq!(error["code"], code, "{}", self.body);
        assert_eq!(error["requestId"].as_str(), self.header("x-request-id"), "{}", self.body);
        error
    }

    /// A resource of the orders API, which must have come with this status.
    #[track_caller]
    pub(crate) fn resource(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "{}", self.body);
        &self.body
    }

    /// Refused by the orders API as not valid; the fields named, in the order of `details.errors`.
    #[track_caller]
    pub(crate) fn orders_invalid(&self) -> Vec<&str> {
        let details = &self.orders_refused(422, "validation_error")["details"];
        let errors = details["errors"].as_array().expect("a validation_error has errors");
        let first = &errors[0];
        assert_eq!(
            (&details["field"], &details["reason"]),
            (&first["field"], &first["reason"]),
            "{}",
            self.body
        );
        errors.iter().map(|error| error["field"].as_str().expect("a field")).collect()
    }

    /// Refused as not valid; the fields named, in the order of `details`.
    #[track_caller]
    pub(crate) fn invalid(&self) -> Vec<&str> {
        let error = self.refused(400, "VALIDATION_ERROR");
        let details = error["details"].as_array().expect("a VALIDATION_ERROR has details");
        details.iter().map(|detail| detail["field"].as_str().expect("a field")).collect()
    }
}

/// One actor's connection to the server.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    actor: &'static str,
    base: String,
    /// What the base has after the server: the surface.
    root: &'static str,
    credential: Option<(&'static str, String)>,
}

impl Client {
    fn new(
        actor: &'static str,
        server: &str,
        root: &'static str,
        credential: Option<(&'static str, String)>,
    ) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(DEADLINE))
            .build();
        Self { agent: config.into(), actor, base: format!("{server}{root}"), root, credential }
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], None)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.json(Method::POST, path, &[], body)
    }

    /// A POST without a body.
    #[track_caller]
    pub(crate) fn act(&self, path: &str) -> Reply {
        self.send(Method::POST, path, &[], None)
    }

    #[track_caller]
    pub(crate) fn post_keyed(&self, path: &str, idempotency_key: &str, body: &Value) -> Reply {
        self.json(Method::POST, path, &[("idempotency-key", idempotency_key)], body)
    }

    #[track_caller]
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Reply {
        self.json(Method::PATCH, path, &[], body)
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, &[], None)
    }

    #[track_caller]
    pub(crate) fn json(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/json"));
        self.send(method, path, &headers, Some(body.to_string().as_bytes()))
    }

    /// Any request; panics when no reply comes.
    #[track_caller]
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Reply {
        let what = format!("{method} {}{path}", self.base);
        self.try_send(method, path, headers, body).unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Any request, to a server that may die meanwhile. A reply that comes must be as the documents say.
    #[track_caller]
    pub(crate) fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Reply, ureq::Error> {
        let mut request = Request::builder().method(method.clone()).uri(format!("{}{path}", self.base));
        let own = self.credential.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in own.chain(headers.iter().copied()) {
            request = request.header(name, value);
        }
        let mut response = match body {
            Some(body) => self.agent.run(request.body(body)?)?,
            None => self.agent.run(request.body(())?)?,
        };
        let bytes = response.body_mut().read_to_vec()?;
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        let status = response.status().as_u16();
        let reply = Reply { status, headers: std::mem::take(response.headers_mut()), bytes, body };
        let (path, headers, bytes) = (&format!("{}{path}", self.root), &reply.headers, &reply.bytes);
        let answered = Answered { actor: self.actor, method: &method, path, status, headers, bytes };
        if let Err(why) = answered.check() {
            panic!("not as documented: {why}\n{}", reply.body);
        }
        Ok(reply)
    }
}

macro_rules! actors {
    ($($(#[$doc:meta])* $name:ident: $root:literal, $credential:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub(crate) struct $name(Client);

        impl $name {
            pub(crate) fn new(server: &str, secret: &str) -> Self {
                let credential: fn(&str) -> Option<(&'static str, String)> = $credential;
                Self(Client::new(stringify!($name), server, $root, credential(secret)))
            }
        }

        impl Deref for $name {
            type Target = Client;

            fn deref(&self) -> &Client {
                &self.0
            }
        }
    )*};
}

fn api_key(secret: &str) -> Option<(&'static str, String)> {
    Some(("x-api-key", secret.to_owned()))
}

actors! {
    /// The seeded clinic's partner, with a key of the `integration` profile.
    Partner: "/api/external", api_key;
    /// The same clinic's key of the `pharmacy_partner` profile.
    PharmacyPartner: "/api/external", api_key;
    /// Another partner's clinic.
    Stranger: "/api/external", api_key;
    /// A partner on the orders API, whose paths begin at the root.
    OrdersPartner: "", api_key;
    /// The pharmacy's staff; paths begin below `/api`.
    Staff: "/api", |token| Some(("authorization", format!("Bearer {token}")));
    /// Nobody, or whoever the headers of a request say; paths begin at the root.
    Anonymous: "", |_| None;
}
