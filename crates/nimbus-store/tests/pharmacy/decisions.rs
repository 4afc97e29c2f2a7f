//! Decisions by the rules, and the thresholds of clinics.

use nimbus_core::{
    decision::{Decision, DecisionKind, DecisionSubject, Outcome},
    eligibility::{Asking, Fill, OnFile, OwnThresholds, Question, Rule, Thresholds, Verdict},
    ids::ClinicId,
    order::FillStatus,
    quantity::Quantity,
    time::parse_date,
};
use nimbus_store::{
    Db, Error, Result, Tx,
    decisions::{decision_find_any, decision_statement},
    refill_thresholds::{refill_thresholds_get, refill_thresholds_put},
    rules_packs::{
        PackOnRecord, rules_pack_has_decided, rules_pack_insert, rules_pack_list, rules_pack_replace,
    },
    two_engines,
};
use uuid::Uuid;

use crate::support::{World, assert_sealed, clinic, day, id, now, world};

two_engines! {
    async fn decisions_are_kept_whole(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(kept(tx))).await.unwrap();
    }

    async fn a_decision_rides_with_the_commit(db: Db) {
        let subject = db.write(|tx: &mut Tx| Box::pin(async move {
            let world = world(tx).await?;
            let made = decision(&world, id());
            let statement = decision_statement(tx, &made).await?;
            tx.at_commit(statement);
            Ok::<_, Error>(made.subject_id)
        })).await.unwrap();
        let found = db.read(move |tx: &mut Tx| Box::pin(async move {
            decision_find_any(tx, subject).await
        })).await.unwrap();
        assert_eq!(found.len(), 1);
    }

    async fn packs_are_on_record_by_version(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(packs(tx))).await.unwrap();
    }

    async fn thresholds_are_a_clinics_own(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(thresholds(tx))).await.unwrap();
    }
}

async fn packs(tx: &mut Tx) -> Result<()> {
    let pack = |version: &str, byte: u8, from: &str| PackOnRecord {
        version: version.to_owned(),
        digest: [byte; 32],
        effective_from: day(from),
    };
    assert!(rules_pack_list(tx).await?.is_empty());
    let (first, second) = (pack("2026-01-01", 1, "2026-01-01"), pack("2027-01-01", 2, "2027-01-01"));
    assert!(rules_pack_insert(tx, &second, now()).await? && rules_pack_insert(tx, &first, now()).await?);
    assert!(!rules_pack_insert(tx, &pack("2026-01-01", 3, "2026-02-01"), now()).await?);
    assert_eq!(rules_pack_list(tx).await?, [first.clone(), second]);
    let later = pack("2027-01-01", 4, "2027-03-01");
    rules_pack_replace(tx, &later, now()).await?;
    assert_eq!(rules_pack_list(tx).await?, [first, later]);

    let world = world(tx).await?;
    assert!(!rules_pack_has_decided(tx, "2026-01-01").await?);
    let statement = decision_statement(tx, &decision(&world, id())).await?;
    tx.batch(vec![statement]).await?;
    assert!(rules_pack_has_decided(tx, "2026-01-01").await?);
    assert!(!rules_pack_has_decided(tx, "2027-01-01").await?);
    Ok(())
}

/// A decision with something in every field.
fn decision(world: &World, subject_id: Uuid) -> Decision {
    let fills = vec![
        Fill { filled_on: day("2026-01-11"), days_supply: Some(28) },
        Fill { filled_on: day("2026-02-03"), days_supply: None },
    ];
    Decision {
        id: id(),
        clinic_id: world.clinic,
        kind: DecisionKind::RefillReviewed,
        subject: DecisionSubject::Refill,
        subject_id,
        pack_version: "2026-01-01".to_owned(),
        question: Question {
            asking: Asking::Refill,
            prescription: OnFile::from(&world.prescription),
            named_fill: Some(FillStatus::Shipped),
            fills,
            has_open_refill: true,
            patient_matches: true,
            patient_active: false,
            practitioner_active: true,
            requested: Quantity::parse("2.125"),
            today: day("2026-02-20"),
            thresholds: Thresholds { percent: 80, controlled_percent: 90 },
        },
        outcomes: vec![
            Outcome { rule: Rule::TooSoon, verdict: Verdict::Review, passes_on: parse_date("2026-02-23") },
            Outcome { rule: Rule::Quantity, verdict: Verdict::Refuse, passes_on: None },
        ],
        decided_at: now(),
    }
}

async fn insert(tx: &mut Tx, decision: &Decision) -> Result<()> {
    let statement = decision_statement(tx, decision).await?;
    tx.batch(vec![statement]).await?;
    Ok(())
}

async fn kept(tx: &mut Tx) -> Result<()> {
    let world = world(tx).await?;
    let subject = id();
    let created = decision(&world, subject);
    let plain = Question {
        asking: Asking::FirstFill,
        prescription: OnFile { state: None, ..created.question.prescription.clone() },
        named_fill: None,
        fills: Vec::new(),
        requested: None,
        ..created.question.clone()
    };
    let reviewed = Decision { id: id(), question: plain, outcomes: Vec::new(), ..created.clone() };
    let elsewhere = decision(&world, id());
    for made in [&created, &reviewed, &elsewhere] {
        insert(tx, made).await?;
    }
    assert_eq!(decision_find_any(tx, subject).await?, [created.clone(), reviewed.clone()]);
    assert_eq!(decision_find_any(tx, reviewed.id.0).await?, [reviewed]);
    assert_eq!(decision_find_any(tx, id()).await?, []);
    let sql = "select question from decisions where id = $1";
    assert_sealed(tx, sql, created.id.0, "2026-02-03").await;
    Ok(())
}

async fn thresholds(tx: &mut Tx) -> Result<()> {
    let (ours, theirs): (ClinicId, ClinicId) = (clinic(tx).await?, clinic(tx).await?);
    let none = OwnThresholds::default();
    assert_eq!(refill_thresholds_get(tx, ours).await?, none);
    let own = OwnThresholds { percent: Some(80), controlled_percent: None };
    refill_thresholds_put(tx, ours, own, now()).await?;
    assert_eq!(refill_thresholds_get(tx, ours).await?, own);
    assert_eq!(refill_thresholds_get(tx, theirs).await?, none);
    let other = OwnThresholds { percent: None, controlled_percent: Some(95) };
    refill_thresholds_put(tx, ours, other, now()).await?;
    assert_eq!(refill_thresholds_get(tx, ours).await?, other);
    Ok(())
}
