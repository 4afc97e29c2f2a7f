//! Guessing: who fails waits, and nobody waits for somebody else.

use serde_json::Value;

use crate::support::{
    Engine, Reply, Server, Store,
    browser::{Browser, PASSWORD, account},
    two_engines,
};

const HERE: &str = "203.0.113.5";
const THERE: &str = "198.51.100.7";

/// A sandbox behind a proxy, which says where a request comes from.
fn server(engine: Engine) -> Server {
    Store::sandbox(engine).with("NIMBUS_BEHIND_PROXY", "true").serve()
}

#[track_caller]
fn waits(reply: &Reply) -> u32 {
    reply.refused(429, "RATE_LIMIT_EXCEEDED");
    reply.header("retry-after").expect("how long").parse().expect("seconds")
}

/// Without what differs by request.
fn apart(reply: &Reply) -> (u16, Value) {
    let mut body = reply.body.clone();
    body["error"]["request_id"] = Value::Null;
    (reply.status, body)
}

two_engines! {
    fn who_guesses_waits_and_the_owner_does_not(engine) {
        let server = server(engine);
        account(&server, "ada@example.com", &["super_admin"]);
        let owner = Browser::new(&server).at(HERE);
        owner.sign_in("ada@example.com", PASSWORD).data();

        // From the owner's own address, in a browser that is not theirs.
        let guesser = Browser::new(&server).at(HERE);
        for _ in 0..5 {
            guesser.sign_in("ada@example.com", "not the one").refused(401, "UNAUTHORIZED");
        }
        let seconds = waits(&guesser.sign_in("ada@example.com", "not the one"));
        assert!((1..=30).contains(&seconds), "{seconds}");
        // Not even the right one is looked at.
        waits(&guesser.sign_in("ada@example.com", PASSWORD));
        waits(&guesser.sign_in("ADA@example.com", PASSWORD));
        owner.sign_in("ada@example.com", PASSWORD).data();
        Browser::new(&server).at(THERE).sign_in("ada@example.com", PASSWORD).data();
        // Other accounts go on there.
        account(&server, "sam@example.com", &["support"]);
        guesser.sign_in("sam@example.com", PASSWORD).data();

        // A known browser has its own count, which its owner's success clears.
        for _ in 0..4 {
            owner.sign_in("ada@example.com", "mistyped").refused(401, "UNAUTHORIZED");
        }
        owner.sign_in("ada@example.com", PASSWORD).data();
        for _ in 0..5 {
            owner.sign_in("ada@example.com", "mistyped").refused(401, "UNAUTHORIZED");
        }
        waits(&owner.sign_in("ada@example.com", PASSWORD));
    }

    fn nobodys_account_is_as_anybodys(engine) {
        let server = server(engine);
        account(&server, "ada@example.com", &["super_admin"]);
        let browser = Browser::new(&server).at(HERE);
        for round in 0..7 {
            let somebody = browser.sign_in("ada@example.com", "not the one");
            let nobody = browser.sign_in("nobody@example.com", "not the one");
            let malformed = browser.sign_in("no address at all", "not the one");
            assert_eq!(apart(&somebody), apart(&nobody), "{round}");
            assert_eq!(apart(&somebody), apart(&malformed), "{round}");
            assert_eq!(somebody.status, if round < 5 { 401 } else { 429 }, "{round}");
        }
    }

    fn one_place_does_not_try_every_account(engine) {
        let server = server(engine);
        let browser = Browser::new(&server).at(HERE);
        for number in 0..20 {
            browser.sign_in(&format!("user{number}@example.com"), "not the one").refused(401, "UNAUTHORIZED");
        }
        waits(&browser.sign_in("user20@example.com", "not the one"));
        Browser::new(&server).at(THERE).sign_in("user20@example.com", "not the one").refused(401, "UNAUTHORIZED");
    }
}

/// Many at once are counted as one after the other would be.
#[test]
fn guessing_at_once_wins_nothing() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let server = server(engine);
        account(&server, "ada@example.com", &["super_admin"]);
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let guess = || {
                let browser = Browser::new(&server).at(HERE);
                browser.sign_in("ada@example.com", "not the one").status
            };
            let all: Vec<_> = (0..16).map(|_| scope.spawn(guess)).collect();
            all.into_iter().map(|one| one.join().expect("an answer")).collect()
        });
        let judged = statuses.iter().filter(|status| **status == 401).count();
        assert_eq!(judged, 5, "{engine:?}: {statuses:?}");
    }
}
