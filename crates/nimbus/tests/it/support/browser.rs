//! A member of staff in a browser: it keeps cookies, and says of which page a request is.

use std::{cell::RefCell, collections::BTreeMap};

use serde_json::{Value, json};
use ureq::http::{Method, header::SET_COOKIE};

use super::{Anonymous, Reply, Server, Store, story::text};

pub(crate) const PASSWORD: &str = "seven green bottles";

pub(crate) struct Browser {
    client: Anonymous,
    origin: String,
    cookies: RefCell<BTreeMap<String, String>>,
    /// Where a proxy says that it is.
    address: RefCell<Option<String>>,
}

impl Browser {
    pub(crate) fn new(server: &Server) -> Self {
        let cookies = RefCell::default();
        Self { client: server.anonymous(), origin: server.url(), cookies, address: RefCell::default() }
    }

    /// The same browser, elsewhere.
    pub(crate) fn at(self, address: &str) -> Self {
        *self.address.borrow_mut() = Some(address.to_owned());
        self
    }

    /// A browser like this, with the same cookies, before another process.
    pub(crate) fn before(&self, server: &Server) -> Self {
        let other = Self::new(server);
        *other.cookies.borrow_mut() = self.cookies.borrow().clone();
        other
    }

    /// A request below `/api`.
    #[track_caller]
    pub(crate) fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let mut headers = vec![("origin", self.origin.clone())];
        headers.extend(self.cookie().map(|cookie| ("cookie", cookie)));
        headers.extend(self.address.borrow().clone().map(|address| ("x-forwarded-for", address)));
        if body.is_some() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = body.map(Value::to_string);
        let reply =
            self.client.send(method, &format!("/api{path}"), &headers, body.as_deref().map(str::as_bytes));
        self.keep(&reply);
        reply
    }

    /// What it sends as its cookies.
    pub(crate) fn cookie(&self) -> Option<String> {
        let cookies = self.cookies.borrow();
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The value of a cookie, by what its name ends with.
    pub(crate) fn kept(&self, name: &str) -> Option<String> {
        let cookies = self.cookies.borrow();
        cookies.iter().find(|(known, _)| known.ends_with(name)).map(|(_, value)| value.clone())
    }

    /// Takes the cookies of a reply, as a browser does.
    fn keep(&self, reply: &Reply) {
        let mut cookies = self.cookies.borrow_mut();
        for header in reply.headers.get_all(SET_COOKIE) {
            let text = header.to_str().expect("our cookies are ASCII");
            assert!(text.contains("; HttpOnly; SameSite=Strict") && text.contains("; Path=/;"), "{text}");
            let (name, rest) = text.split_once('=').expect("a name");
            assert_eq!(text.contains("; Secure"), name.starts_with("__Host-"), "{text}");
            let value = rest.split(';').next().unwrap_or_default();
            match text.ends_with("; Max-Age=0") {
                true => cookies.remove(name),
                false => cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, Some(body))
    }

    #[track_caller]
    pub(crate) fn act(&self, path: &str) -> Reply {
        self.send(Method::POST, path, None)
    }

    #[track_caller]
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PATCH, path, Some(body))
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None)
    }

    /// Tries to sign in with a password.
    #[track_caller]
    pub(crate) fn sign_in(&self, email: &str, password: &str) -> Reply {
        self.post("/staff/session", &json!({"email": email, "password": password}))
    }

    /// Accepts an invitation.
    #[track_caller]
    pub(crate) fn accept(&self, invited: &Value, password: &str) -> Reply {
        let token = text(&invited["invitation"]["token"]);
        self.post("/staff/invitations/accept", &json!({"token": token, "password": password}))
    }
}

/// An account that a command has invited and its owner has opened: its id.
#[track_caller]
pub(crate) fn account(server: &Server, email: &str, more: &[&str]) -> String {
    let invited = invite(server.store(), email, more);
    text(&Browser::new(server).accept(&invited, PASSWORD).data()["user_id"])
}

#[track_caller]
pub(crate) fn invite(store: &Store, email: &str, more: &[&str]) -> Value {
    store.json(&[&["admin", "user", "invite", "--email", email, "--role"], more].concat())
}

/// Somebody with an account of these roles who has signed in.
#[track_caller]
pub(crate) fn signed_in(server: &Server, email: &str, more: &[&str]) -> Browser {
    account(server, email, more);
    let browser = Browser::new(server);
    assert_eq!(browser.sign_in(email, PASSWORD).data()["signed_in"], true);
    browser
}
