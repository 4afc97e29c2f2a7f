//! The audit log.

use nimbus_core::{
    access::{By, SystemActor},
    ids::{ClinicId, OpsTokenId},
};
use nimbus_store::{
    Db, Result, Tx,
    audit::{AuditEntry, AuditRow, audit_list, audit_statements},
    page::Page,
    two_engines,
};
use uuid::Uuid;

use crate::support::{after, id, now};

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }
}

fn actions(rows: &[AuditRow]) -> Vec<&str> {
    rows.iter().map(|row| row.action.as_str()).collect()
}

async fn told(tx: &mut Tx) -> Result<()> {
    let (clinic, staff, subject): (ClinicId, OpsTokenId, Uuid) = (id(), id(), id());
    let read = AuditEntry {
        clinic_id: Some(clinic),
        at: now(),
        by: By::Staff(staff),
        action: "patient.read",
        subject: "patient",
        subject_id: Some(subject),
        request_id: Some("req_1".to_owned()),
        address: Some("192.0.2.7".to_owned()),
        reason: Some("refill call".to_owned()),
    };
    let write = AuditEntry { action: "patient.update", at: after(1), reason: None, ..read.clone() };
    let platform = AuditEntry {
        clinic_id: None,
        at: after(2),
        by: By::System(SystemActor::CommandLine),
        action: "partner.approve",
        subject: "partner",
        subject_id: Some(id()),
        request_id: None,
        address: None,
        reason: None,
    };
    tx.batch(audit_statements(&[read, write, platform])).await?;

    let page = Page { limit: 2, ..Page::default() };
    let all = audit_list(tx, None, None, &page).await?;
    assert!(all.has_more);
    assert_eq!(actions(&all.items), ["partner.approve", "patient.update"]);
    assert_eq!((all.items[0].actor_kind.as_str(), all.items[0].actor.as_str()), ("system", "command_line"));
    let rest = audit_list(tx, None, None, &Page { before: Some(all.items[1].id.0), ..page.clone() }).await?;
    assert!(!rest.has_more);
    let [row] = rest.items.as_slice() else { panic!("one entry is left") };
    assert_eq!((row.clinic_id, row.at, row.subject_id), (Some(clinic), now(), Some(subject)));
    assert_eq!((row.actor_kind.as_str(), row.actor.as_str()), ("staff", staff.to_string().as_str()));
    assert_eq!((row.action.as_str(), row.subject.as_str()), ("patient.read", "patient"));
    assert_eq!(row.request_id.as_deref(), Some("req_1"));
    assert_eq!((row.address.as_deref(), row.reason.as_deref()), (Some("192.0.2.7"), Some("refill call")));

    let of_clinic = audit_list(tx, Some(clinic), None, &page).await?;
    assert_eq!(actions(&of_clinic.items), ["patient.update", "patient.read"]);
    assert_eq!(audit_list(tx, Some(clinic), Some(subject), &page).await?.items.len(), 2);
    assert_eq!(audit_list(tx, Some(id()), None, &page).await?.items, []);
    assert_eq!(audit_list(tx, None, Some(id()), &page).await?.items, []);
    let of_subject = audit_list(tx, None, Some(subject), &page).await?;
    assert_eq!(
        (actions(&of_subject.items), of_subject.has_more),
        (vec!["patient.update", "patient.read"], false)
    );
    let until = Page { created_from: Some(now()), created_until: Some(after(1)), ..page };
    assert_eq!(actions(&audit_list(tx, None, None, &until).await?.items), ["patient.read"]);
    Ok(())
}
