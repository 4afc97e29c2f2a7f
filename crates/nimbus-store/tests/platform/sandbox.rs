//! Clinics' own clocks, what is due by them, and what a reset deletes.

use std::collections::BTreeSet;

use nimbus_core::ids::ClinicId;
use nimbus_store::{
    Db, Engine, Result, Tx,
    jobs::{JobKind, job_schedule, job_take, jobs_claim, jobs_claim_ahead},
    sandbox::{KEPT, clinic_data_delete, deleted},
    tenants::{clinic_clock, clinic_clock_lock, clinic_clock_set, clinic_insert, partner_insert},
    two_engines,
};
use uuid::Uuid;

use crate::support::{after, clinic_of, id, now, partner};

const HOUR_US: i64 = 3_600_000_000;

two_engines! {
    async fn a_clock_only_moves_forward(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(forward(tx))).await.unwrap();
    }

    async fn jobs_are_due_by_the_clock_of_their_clinic(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(due(tx))).await.unwrap();
    }

    async fn what_is_due_is_taken_in_order_whoever_leased_it(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(taken(tx))).await.unwrap();
    }

    async fn every_table_of_a_clinic_is_deleted_or_kept(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(classed(tx))).await.unwrap();
    }
}

async fn clinic(tx: &mut Tx) -> Result<ClinicId> {
    let partner = partner();
    partner_insert(tx, &partner).await?;
    let clinic = clinic_of(partner.id);
    clinic_insert(tx, &clinic).await?;
    Ok(clinic.id)
}

async fn forward(tx: &mut Tx) -> Result<()> {
    let clinic = clinic(tx).await?;
    assert_eq!(clinic_clock(tx, clinic).await?, 0);
    clinic_clock_set(tx, clinic, HOUR_US).await?;
    clinic_clock_set(tx, clinic, 5).await?;
    assert_eq!(clinic_clock(tx, clinic).await?, HOUR_US);
    assert_eq!(clinic_clock_lock(tx, clinic).await?, Some(HOUR_US));
    assert_eq!(clinic_clock_lock(tx, id()).await?, None);
    Ok(())
}

async fn due(tx: &mut Tx) -> Result<()> {
    let (ahead, other) = (clinic(tx).await?, clinic(tx).await?);
    clinic_clock_set(tx, ahead, HOUR_US).await?;
    let (soon, late, robot): (Uuid, Uuid, Uuid) = (id(), id(), id());
    for (clinic, kind, subject, seconds) in [
        (ahead, JobKind::RefillDue, soon, 3600),
        (ahead, JobKind::RefillDue, late, 3601),
        // It waits for the robot, whose time nobody moves.
        (ahead, JobKind::OnboardingCall, robot, 60),
        (other, JobKind::RefillDue, id(), 3600),
    ] {
        job_schedule(tx, kind, clinic, subject, after(seconds), now()).await?;
    }
    assert!(jobs_claim(tx, now(), now(), after(60), id(), 10).await?.is_empty());
    let claimed = jobs_claim_ahead(tx, now(), now(), after(60), id(), 10).await?;
    assert_eq!(claimed.iter().map(|job| job.subject_id).collect::<Vec<_>>(), [soon]);
    assert!(jobs_claim_ahead(tx, now(), now(), after(60), id(), 10).await?.is_empty(), "it is leased");
    Ok(())
}

async fn taken(tx: &mut Tx) -> Result<()> {
    let clinic = clinic(tx).await?;
    let subjects: [Uuid; 3] = [id(), id(), id()];
    for (subject, seconds) in subjects.into_iter().zip([20, 10, 30]) {
        job_schedule(tx, JobKind::SandboxStep, clinic, subject, after(seconds), now()).await?;
    }
    job_schedule(tx, JobKind::OnboardingCall, clinic, id(), after(1), now()).await?;
    job_schedule(tx, JobKind::SandboxStep, id(), id(), after(1), now()).await?;
    let leased = jobs_claim(tx, after(10), now(), after(600), id(), 10).await?;
    assert!(leased.iter().any(|job| job.subject_id == subjects[1]));
    for expected in [Some(subjects[1]), Some(subjects[0]), None] {
        let found = job_take(tx, clinic, after(25)).await?;
        assert_eq!(found.map(|due| due.subject_id), expected);
    }
    Ok(())
}

async fn classed(tx: &mut Tx) -> Result<()> {
    let sql = match tx.engine() {
        Engine::Sqlite => {
            "select m.name from sqlite_master m join pragma_table_info(m.name) c on c.name = 'clinic_id'
                where m.type = 'table'"
        }
        Engine::Postgres => {
            "select cast(c.table_name as text) from information_schema.columns c
                where c.table_schema = current_schema() and c.column_name = 'clinic_id'"
        }
    };
    let mut tables: BTreeSet<String> = BTreeSet::new();
    for row in tx.query(sql, &[]).await? {
        let name: String = row.columns().take()?;
        // A partition is part of its table.
        let whole = ["events", "deliveries", "attempts", "audit"];
        let of = whole.into_iter().find(|table| name.starts_with(&format!("{table}_")));
        tables.insert(of.map_or(name.clone(), str::to_owned));
    }
    let mut classed: BTreeSet<String> = deleted().chain(KEPT.iter().copied()).map(str::to_owned).collect();
    assert_eq!(classed.len(), deleted().count() + KEPT.len(), "a table is deleted or kept");
    tables.insert("jobs".to_owned());
    classed.insert("jobs".to_owned());
    assert_eq!(tables, classed, "say in nimbus-store/src/sandbox.rs what a reset does with it");
    // Every statement is one that the engine takes, in an order that foreign keys allow.
    let clinic = clinic(tx).await?;
    clinic_data_delete(tx, clinic, None).await
}
