//! The audit log, its chain, and all that can be done to either behind the store's back.

mod chain;
mod tampering;

use std::time::Duration;

use nimbus_core::{
    access::{By, SystemActor},
    ids::{AuditId, ClinicId, OpsTokenId},
};
use nimbus_store::{
    Db, Result, Tx,
    audit::{
        AuditEntry, Checkpoint, Walk, audit_statements, chain_advance, chain_head, chain_lease, chain_step,
        checkpoint_write, walk_begin, walk_read,
    },
    testing::audited,
    two_engines,
};
use uuid::Uuid;

use crate::support::{after, id, now};

pub(crate) fn entry(clinic: Option<ClinicId>, subject: Uuid, second: i64) -> AuditEntry {
    AuditEntry {
        clinic_id: clinic,
        at: after(second),
        by: By::Staff(OpsTokenId(Uuid::from_u128(7))),
        action: "patient.read",
        subject: "patient".into(),
        subject_id: Some(subject),
        request_id: Some("req_1".to_owned()),
        address: Some("192.0.2.7".to_owned()),
        reason: Some("refill call".to_owned()),
    }
}

/// Puts an entry on record, in a transaction of its own.
pub(crate) async fn record(db: &Db, entries: Vec<AuditEntry>) {
    let written = db.write(move |tx: &mut Tx| {
        let statements = audit_statements(&entries);
        Box::pin(async move { tx.batch(statements).await.map(drop) })
    });
    written.await.unwrap();
}

/// So many entries, each of a transaction; their ids in the order of the log.
pub(crate) async fn recorded(db: &Db, count: i64) -> Vec<AuditId> {
    let subject = id();
    for second in 0..count {
        record(db, vec![entry(Some(id()), subject, second)]).await;
    }
    let mut rows = audited(db, None, Some(subject)).await;
    rows.sort_by_key(|row| row.at);
    rows.into_iter().map(|row| row.id).collect()
}

/// Who links.
pub(crate) const TOKEN: Uuid = Uuid::from_u128(5);

/// Links all that is settled; how many steps that took.
pub(crate) async fn link(db: &Db) -> usize {
    let leased = db.write(move |tx: &mut Tx| Box::pin(chain_lease(tx, TOKEN, after(10), now()))).await;
    assert!(leased.unwrap(), "nobody else links");
    let mut steps = 0;
    while let Some(step) = db.read(|tx: &mut Tx| Box::pin(chain_step(tx))).await.unwrap() {
        let written = db.write(move |tx: &mut Tx| {
            let step = step.clone();
            Box::pin(async move { chain_advance(tx, &step, TOKEN).await })
        });
        assert!(written.await.unwrap());
        steps += 1;
    }
    steps
}

/// Links until there are so many links, and answers in how many steps: on PostgreSQL, transactions of other tests on the
/// same server keep the log's end back for a moment.
pub(crate) async fn linked(db: &Db, rows: i64) -> usize {
    let mut steps = 0;
    for _ in 0..500 {
        steps += link(db).await;
        if db.read(|tx: &mut Tx| Box::pin(chain_head(tx))).await.unwrap().sequence == rows {
            return steps;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not all rows were linked");
}

pub(crate) async fn sign(db: &Db, second: i64) -> Option<Checkpoint> {
    db.write(move |tx: &mut Tx| Box::pin(checkpoint_write(tx, after(second)))).await.unwrap()
}

/// Compares the log with the chain after a link, so many links at a time.
pub(crate) async fn walk(db: &Db, from: i64, witness: Option<Checkpoint>, window: usize) -> Walk {
    let begun = db.read(move |tx: &mut Tx| {
        let witness = witness.clone();
        Box::pin(walk_begin(tx, from, witness))
    });
    let mut walk: Walk = begun.await.unwrap();
    while !walk.has_ended {
        let asked = walk.clone();
        let window = db.read(move |tx: &mut Tx| {
            let asked = asked.clone();
            Box::pin(async move { walk_read(tx, &asked, window).await })
        });
        walk.take(window.await.unwrap());
    }
    walk
}

two_engines! {
    async fn scenario(db: Db) {
        let (clinic, subject): (ClinicId, Uuid) = (id(), id());
        let read = entry(Some(clinic), subject, 0);
        let write = AuditEntry { action: "patient.update", at: after(1), reason: None, ..read.clone() };
        let platform = AuditEntry {
            clinic_id: None,
            at: after(2),
            by: By::System(SystemActor::CommandLine),
            action: "partner.approve",
            subject: "partner".into(),
            subject_id: Some(id()),
            request_id: None,
            address: None,
            reason: None,
        };
        record(&db, vec![read, write, platform]).await;
        let all = audited(&db, None, None).await;
        let actions: Vec<_> = all.iter().map(|row| row.action.as_str()).collect();
        assert_eq!(actions, ["partner.approve", "patient.update", "patient.read"]);
        assert_eq!((all[0].actor_kind.as_str(), all[0].actor.as_str()), ("system", "command_line"));
        let row = &all[2];
        assert_eq!((row.clinic_id, row.at, row.subject_id), (Some(clinic), now(), Some(subject)));
        let staff = OpsTokenId(Uuid::from_u128(7));
        assert_eq!((row.actor_kind.as_str(), row.actor.as_str()), ("staff", staff.to_string().as_str()));
        assert_eq!((row.action.as_str(), row.subject.as_str()), ("patient.read", "patient"));
        assert_eq!(row.request_id.as_deref(), Some("req_1"));
        assert_eq!((row.address.as_deref(), row.reason.as_deref()), (Some("192.0.2.7"), Some("refill call")));
        assert_eq!(audited(&db, Some(clinic), Some(subject)).await.len(), 2);
        assert_eq!(audited(&db, Some(id()), None).await, []);
    }
}

/// Runs one statement behind the store's back.
pub(crate) async fn tamper(db: &Db, sql: &'static str, args: Vec<nimbus_store::Value>) {
    let written = db.write(move |tx: &mut Tx| {
        let args = args.clone();
        Box::pin(async move { tx.execute(sql, &args).await })
    });
    let changed: Result<u64> = written.await;
    assert!(changed.unwrap() > 0, "{sql} changes something");
}
