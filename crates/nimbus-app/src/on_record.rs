//! Nothing that somebody changes goes unrecorded: builds with debug assertions, and so every test, hold each transaction
//! of a caller to it.

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
    if is_own || tx.changed().contains("audit") {
        return;
    }
    let silent: Vec<_> = tx.changed().iter().filter(|table| !BOOKKEEPING.contains(table)).collect();
    assert!(silent.is_empty(), "a change that is not on record: of {silent:?}");
}
