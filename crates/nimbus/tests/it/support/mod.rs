//! What every test needs: a store, a server on it, and one client type for each actor.

pub(crate) mod authenticator;
pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod contract;
pub(crate) mod load;
pub(crate) mod random;
pub(crate) mod receiver;
pub(crate) mod server;
pub(crate) mod story;
pub(crate) mod webhooks;

use std::time::{Duration, Instant};

pub(crate) use client::{Anonymous, Client, OrdersPartner, Partner, Reply, Staff};
pub(crate) use server::{Engine, Seed, Server, Store};

/// How long anything that happens beside a request may take, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Writes each `fn name(engine) { … }` as the two tests `name::sqlite` and `name::postgres`.
macro_rules! two_engines {
    ($($(#[$meta:meta])* fn $name:ident($engine:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            fn body($engine: $crate::support::Engine) $body

            $(#[$meta])*
            #[test]
            fn sqlite() {
                body($crate::support::Engine::Sqlite);
            }

            $(#[$meta])*
            #[test]
            fn postgres() {
                body($crate::support::Engine::Postgres);
            }
        }
    )*};
}
pub(crate) use two_engines;

/// Asks again and again until there is an answer; panics when none came in time.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A file of the repository: by cargo's word at run time, since a build folder may be shared by several checkouts.
pub(crate) fn repository(path: &str) -> std::path::PathBuf {
    let package =
        std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    std::path::Path::new(&package).join("../..").join(path)
}
