//! Timed work.

use nimbus_core::ids::ClinicId;
use nimbus_store::{
    Db, Result, Tx,
    jobs::{Due, JobKind, job_cancel, job_done, job_retry, job_schedule, jobs_claim, jobs_schedule},
    two_engines,
};
use uuid::Uuid;

use crate::support::{after, id, now};

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }

    async fn the_longest_due_go_first(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(order_told(tx))).await.unwrap();
    }

    async fn many_are_scheduled_at_once(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(many_told(tx))).await.unwrap();
    }

    async fn a_lost_lease_changes_nothing(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(lost_told(tx))).await.unwrap();
    }

    async fn racing_workers_take_different_jobs(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(async move {
            for _ in 0..40 {
                job_schedule(tx, JobKind::RefillDue, id(), id(), now(), now()).await?;
            }
            Ok::<_, nimbus_store::Error>(())
        })).await.unwrap();
        let claim = || db.write(|tx: &mut Tx| Box::pin(async move {
            jobs_claim(tx, now(), now(), after(60), Uuid::now_v7(), 5).await
        }));
        let taken = futures_util::future::join_all((0..12).map(|_| claim())).await;
        let mut ids: Vec<_> = taken.into_iter().flat_map(Result::unwrap).map(|job| job.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), count), (40, 40));
    }
}

async fn order_told(tx: &mut Tx) -> Result<()> {
    let subjects: [Uuid; 3] = [id(), id(), id()];
    for (subject, seconds) in subjects.into_iter().zip([30, 10, 20]) {
        job_schedule(tx, JobKind::OnboardingCall, id(), subject, after(seconds), now()).await?;
    }
    for expected in [vec![subjects[1], subjects[2]], vec![subjects[0]], vec![]] {
        let claimed = jobs_claim(tx, after(30), now(), after(60), id(), 2).await?;
        assert_eq!(claimed.iter().map(|job| job.subject_id).collect::<Vec<_>>(), expected);
    }
    Ok(())
}

async fn many_told(tx: &mut Tx) -> Result<()> {
    let clinic: ClinicId = id();
    let due = |subject_id, seconds| Due {
        kind: JobKind::LicenseHold,
        clinic_id: clinic,
        subject_id,
        due_at: after(seconds),
    };
    let (first, second): (Uuid, Uuid) = (id(), id());
    jobs_schedule(tx, &[due(first, 10), due(second, 20)], now()).await?;
    jobs_schedule(tx, &[due(first, 30)], now()).await?;
    let claimed = jobs_claim(tx, after(30), now(), after(60), id(), 9).await?;
    let told = claimed.iter().map(|job| (job.kind, job.subject_id, job.due_at)).collect::<Vec<_>>();
    let kind = JobKind::LicenseHold;
    assert_eq!(told, [(kind, second, after(20)), (kind, first, after(30))], "one for a subject");
    Ok(())
}

async fn lost_told(tx: &mut Tx) -> Result<()> {
    let (slow, quick): (Uuid, Uuid) = (id(), id());
    job_schedule(tx, JobKind::RefillDue, id(), id(), now(), now()).await?;
    let lost = jobs_claim(tx, now(), now(), after(60), slow, 1).await?.remove(0);
    assert!(
        jobs_claim(tx, now(), after(60), after(120), quick, 1).await?.is_empty(),
        "through its last instant"
    );
    let held = jobs_claim(tx, now(), after(61), after(120), quick, 1).await?.remove(0);
    assert_eq!((held.id, held.attempts, held.lease_token), (lost.id, 2, quick));
    assert!(!job_done(tx, lost.id, slow).await?);
    assert!(!job_retry(tx, lost.id, slow, after(900)).await?);
    assert!(jobs_claim(tx, after(900), after(61), after(120), slow, 1).await?.is_empty(), "it is held still");
    assert!(job_retry(tx, held.id, quick, after(90)).await?);
    assert!(!job_done(tx, held.id, quick).await?, "given back already");
    assert!(
        jobs_claim(tx, after(89), after(61), after(120), slow, 1).await?.is_empty(),
        "not before its time"
    );
    let again = jobs_claim(tx, after(90), after(61), after(120), slow, 1).await?.remove(0);
    assert_eq!((again.id, again.attempts, again.due_at), (lost.id, 3, after(90)));
    assert!(job_done(tx, again.id, slow).await?);
    Ok(())
}

async fn told(tx: &mut Tx) -> Result<()> {
    let clinic: ClinicId = id();
    let (early, late, token, other): (Uuid, Uuid, Uuid, Uuid) = (id(), id(), id(), id());
    job_schedule(tx, JobKind::PrescriptionExpire, clinic, late, after(20), now()).await?;
    job_schedule(tx, JobKind::PrescriptionExpire, clinic, early, after(10), now()).await?;
    job_schedule(tx, JobKind::RefillDue, clinic, early, after(900), now()).await?;
    assert!(jobs_claim(tx, after(9), now(), after(60), token, 10).await?.is_empty(), "nothing is due");

    // Business time is ahead of wall time here, as a sandbox may have it.
    let claimed = jobs_claim(tx, after(30), now(), after(60), token, 10).await?;
    assert_eq!(claimed.iter().map(|job| job.subject_id).collect::<Vec<_>>(), [early, late]);
    let job = &claimed[0];
    assert_eq!((job.kind, job.clinic_id, job.due_at), (JobKind::PrescriptionExpire, clinic, after(10)));
    assert_eq!((job.attempts, job.lease_token), (1, token));
    assert!(jobs_claim(tx, after(30), after(59), after(120), other, 10).await?.is_empty(), "leased");

    assert!(!job_done(tx, job.id, other).await?, "not the holder");
    assert!(job_done(tx, job.id, token).await?);
    assert!(!job_done(tx, job.id, token).await?, "done already");
    assert!(job_retry(tx, claimed[1].id, token, after(40)).await?);
    assert!(!job_retry(tx, claimed[1].id, token, after(40)).await?, "given back already");
    let again = jobs_claim(tx, after(40), now(), after(60), other, 10).await?;
    assert_eq!((again[0].id, again[0].attempts), (claimed[1].id, 2));

    // A lease that ran out is taken over; scheduling again takes the job from its holder.
    let third = jobs_claim(tx, after(40), after(61), after(120), token, 10).await?;
    assert_eq!(third[0].attempts, 3);
    job_schedule(tx, JobKind::PrescriptionExpire, clinic, late, after(50), now()).await?;
    assert!(!job_done(tx, third[0].id, token).await?);
    let anew = jobs_claim(tx, after(50), after(61), after(120), token, 10).await?;
    assert_eq!((anew[0].id, anew[0].attempts), (claimed[1].id, 1));
    assert!(job_cancel(tx, JobKind::PrescriptionExpire, late).await?);
    assert!(!job_cancel(tx, JobKind::PrescriptionExpire, late).await?);
    let left = jobs_claim(tx, after(900), after(61), after(120), token, 10).await?;
    assert_eq!(left.iter().map(|job| job.kind).collect::<Vec<_>>(), [JobKind::RefillDue]);
    Ok(())
}
