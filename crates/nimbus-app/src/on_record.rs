//! Nothing that somebody changes goes unrecorded: builds with debug assertions, and so every test, hold each transaction
//! of a caller to it.

use std::collections::BTreeSet;

use nimbus_core::access::SystemActor;
use nimbus_store::{BoxFuture, Tx};

use crate::{actor::Actor, error::Result, unit::Cx};

/// What the platform keeps for itself: replies, what a sandbox was seeded with, counts of attempts to sign in, what
/// passkeys are to sign, and the rules packs that it was started with, whose rows are a record by themselves.
const BOOKKEEPING: &[&str] =
    &["idempotency", "platform_settings", "rules_packs", "staff_attempts", "staff_challenges"];

/// The job, which panics at its end if it has changed something without a row in the audit log.
pub(crate) fn held<C, T, J>(
    job: J,
) -> impl for<'a> Fn(&'a mut Tx, &'a Cx, &'a C) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static
where
    C: Send + Sync + 'static,
    T: Send + 'static,
    J: for<'a> Fn(&'a mut Tx, &'a Cx, &'a C) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static,
{
    let job = std::sync::Arc::new(job);
    move |tx, cx, command| {
        let job = std::sync::Arc::clone(&job);
        Box::pin(async move {
            let outcome = job(tx, cx, command).await?;
            must_be(tx, cx);
            Ok(outcome)
        })
    }
}

/// What the platform does in its own time follows from what is on record.
fn must_be(tx: &Tx, cx: &Cx) {
    let is_own = matches!(cx.call.actor, Actor::System(SystemActor::Jobs | SystemActor::Dispatcher));
    let silent = silent(tx.changed());
    assert!(is_own || silent.is_empty(), "a change that is not on record: of {silent:?}");
}

/// Of the tables that a transaction has changed, those of which it leaves no record.
fn silent(changed: &BTreeSet<&'static str>) -> Vec<&'static str> {
    if changed.contains("audit") {
        return Vec::new();
    }
    changed.iter().copied().filter(|table| !BOOKKEEPING.contains(table)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_without_a_record_is_found() {
        assert_eq!(silent(&["idempotency", "orders"].into()), ["orders"]);
        assert!(silent(&["audit", "idempotency", "orders"].into()).is_empty());
        assert!(silent(&["idempotency"].into()).is_empty());
    }
}
