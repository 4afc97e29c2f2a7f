//! Notices: staff are told 30, 7 and 1 days before a key ends, or an agreement that no other follows.
//!
//! Partners see the same in `GET /api/external/clinic` and in a header of every reply, and are told by the events
//! `key:ending` and `agreement:ending`, in each clinic that it concerns.

use jiff::tz::TimeZone;
use nimbus_core::{
    access::SystemActor,
    event::{Event, Fact},
    ids::{ClinicId, KeyId, NoticeId},
    time::{Date, Ts},
};
pub use nimbus_store::notices::{Notice, NoticeKind};
use nimbus_store::{
    Tx,
    jobs::{Job, JobKind, job_ensure, job_retry},
    notices::{self as store, Ending},
    page::{Page, Slice},
    tenants::{self, Baa},
};
use uuid::Uuid;

use crate::{
    App,
    actor::{Actor, Call, OVERSEERS},
    clock::wall,
    error::{Error, Result},
    outbox::Changes,
    unit::Cx,
};

/// Days before the end, the last first.
pub const STEPS: [i64; 3] = [1, 7, 30];
/// What ends within so many days is told.
pub const HORIZON_DAYS: i64 = 30;
/// How often what ends is looked for.
const EVERY_SECONDS: i64 = 3600;
/// Keys told of in one transaction.
const AT_ONCE: i64 = 500;
const DAY_MICROS: i64 = 86_400_000_000;

/// Has the job there, so that workers do it.
pub(crate) async fn plan(app: &App) -> Result<()> {
    let now = wall();
    let write = app.db().write(move |tx| Box::pin(job_ensure(tx, JobKind::Notices, now, now)));
    Ok(write.await?)
}

/// Does the job, which is due again in an hour.
pub(crate) async fn work(app: &App, job: &Job) -> Result<()> {
    let told = tell(app, wall()).await?;
    if told > 0 {
        tracing::info!(told, "keys or agreements end soon");
    }
    let (id, token, due) = (job.id, job.lease_token, wall().plus_seconds(EVERY_SECONDS));
    app.db().write(move |tx| Box::pin(async move { job_retry(tx, id, token, due).await })).await?;
    Ok(())
}

/// Tells of all that ends soon at an instant (wall time) and was not told; how much that was.
pub async fn tell(app: &App, now: Ts) -> Result<usize> {
    let call = Call::system(SystemActor::Jobs);
    let mut told = app
        .act(&call, now, |tx, cx, &now| Box::pin(async move { tell_agreements(tx, cx, now).await }))
        .await?;
    for (step, before) in STEPS.into_iter().zip([0].into_iter().chain(STEPS)) {
        loop {
            let within = (now.plus_days(before), now.plus_days(step));
            let told_now = app.act(&call, (within, step, now), |tx, cx, &(within, step, now)| {
                Box::pin(async move { tell_keys(tx, cx, within, step, now).await })
            });
            let batch = told_now.await?;
            told += batch;
            if batch < usize::try_from(AT_ONCE).unwrap_or(usize::MAX) {
                break;
            }
        }
    }
    Ok(told)
}

async fn tell_keys(tx: &mut Tx, cx: &Cx, within: (Ts, Ts), step: i64, now: Ts) -> Result<usize> {
    let ending = store::keys_ending(tx, within, step, AT_ONCE).await?;
    let mut changes = Changes::default();
    for key in &ending {
        if store::notice_insert(tx, NoticeId(Uuid::now_v7()), key, step, now).await?
            && let Some(clinic) = key.clinic_id
        {
            let fact = Fact::KeyEnding { key_id: KeyId(key.subject_id), ends_at: key.ends_at, days: step };
            changes.events.push(event(tx, cx, clinic, fact).await?);
        }
    }
    changes.write(tx, cx).await?;
    Ok(ending.len())
}

/// An event by the clock of its clinic; what it tells of ends by the wall's.
async fn event(tx: &mut Tx, cx: &Cx, clinic_id: ClinicId, fact: Fact) -> Result<Event> {
    let at = cx.of_clinic(tx, clinic_id).await?.now;
    Ok(Event { clinic_id, ordering_key: None, at, fact })
}

async fn tell_agreements(tx: &mut Tx, cx: &Cx, now: Ts) -> Result<usize> {
    let (mut told, mut changes) = (0, Changes::default());
    for baa in store::baas_ending(tx, now.date(), now.plus_days(HORIZON_DAYS).date()).await? {
        let all = tenants::baa_list(tx, baa.partner_id).await?;
        let Some(ends_at) = end_of(&baa).filter(|_| !is_followed(&baa, &all)) else { continue };
        let Some(step) = step_of(ends_at, now) else { continue };
        let ending = Ending {
            kind: NoticeKind::Agreement,
            subject_id: baa.id.0,
            partner_id: baa.partner_id,
            clinic_id: None,
            ends_at,
        };
        if !store::notice_insert(tx, NoticeId(Uuid::now_v7()), &ending, step, now).await? {
            continue;
        }
        told += 1;
        for clinic in tenants::clinic_list(tx, Some(baa.partner_id)).await? {
            let fact = Fact::AgreementEnding { agreement_id: baa.id, ends_at, days: step };
            changes.events.push(event(tx, cx, clinic.id, fact).await?);
        }
    }
    changes.write(tx, cx).await?;
    Ok(told)
}

/// The step within which something ends, if it does so soon.
fn step_of(ends_at: Ts, now: Ts) -> Option<i64> {
    let left = ends_at.micros() - now.micros();
    STEPS.into_iter().find(|step| left > 0 && left <= step * DAY_MICROS)
}

/// When an agreement is no longer in force: with the day (of UTC) after its last.
fn end_of(baa: &Baa) -> Option<Ts> {
    Some(after_day(baa.ends_on?))
}

fn after_day(day: Date) -> Ts {
    // The last day that there is ends with it.
    Ts::start_of(day.tomorrow().unwrap_or(day), &TimeZone::UTC)
}

/// Whether another agreement takes over from one without a day between them.
fn is_followed(baa: &Baa, all: &[Baa]) -> bool {
    let Some(ends_on) = baa.ends_on else { return true };
    let takes_over = |other: &&Baa| {
        let begins_in_time = ends_on.tomorrow().is_ok_and(|next: Date| other.effective_on <= next);
        other.id != baa.id && begins_in_time && other.ends_on.is_none_or(|end| end > ends_on)
    };
    all.iter().any(|other| takes_over(&other))
}

/// What was told, newest first.
pub async fn page(app: &App, call: &Call, kind: Option<NoticeKind>, page: Page) -> Result<Slice<Notice>> {
    call.staff(OVERSEERS)?;
    app.read(call, (kind, page), |tx, _, (kind, page)| {
        Box::pin(async move { Ok::<_, Error>((store::notice_page(tx, *kind, page).await?, Vec::new())) })
    })
    .await
}

/// When a caller's key ends by itself, if that is within [`HORIZON_DAYS`].
pub fn key_ends_soon(actor: &Actor) -> Option<Ts> {
    match actor {
        Actor::Partner(partner) => partner.key_expires_at.filter(|at| *at <= wall().plus_days(HORIZON_DAYS)),
        Actor::Staff(_) | Actor::System(_) => None,
    }
}

/// Whether what a notice tells is still so.
pub fn is_open(notice: &Notice) -> bool {
    match notice.ending.kind {
        NoticeKind::Key => notice.is_key_open,
        NoticeKind::Agreement => notice.baa_ends_on.map(after_day) == Some(notice.ending.ends_at),
    }
}

#[cfg(test)]
mod tests {
    use nimbus_core::{
        ids::{BaaId, PartnerId},
        time::parse_date,
    };

    use super::*;

    fn baa(effective_on: &str, ends_on: Option<&str>) -> Baa {
        let day = |text| parse_date(text).unwrap();
        Baa {
            id: BaaId(Uuid::now_v7()),
            partner_id: PartnerId(Uuid::nil()),
            effective_on: day(effective_on),
            ends_on: ends_on.map(day),
            document_hash: String::new(),
            created_at: Ts::from_micros(0),
        }
    }

    #[test]
    fn an_agreement_is_followed_by_one_without_a_gap() {
        let ending = baa("2026-01-01", Some("2026-06-30"));
        let followed = |other| is_followed(&ending, &[ending.clone(), other]);
        assert!(!is_followed(&ending, std::slice::from_ref(&ending)));
        assert!(followed(baa("2026-07-01", None)) && followed(baa("2026-03-01", Some("2026-07-01"))));
        assert!(!followed(baa("2026-07-02", None)), "a day is between them");
        assert!(!followed(baa("2025-01-01", Some("2026-06-30"))), "it ends on the same day");
    }

    #[test]
    fn the_step_is_the_last_that_has_begun() {
        let now = Ts::parse("2026-06-01T12:00:00Z").unwrap();
        let of = |text| step_of(Ts::parse(text).unwrap(), now);
        for (ends_at, step) in [
            ("2026-06-01T12:00:00Z", None),
            ("2026-06-01T12:00:01Z", Some(1)),
            ("2026-06-02T12:00:00Z", Some(1)),
            ("2026-06-02T12:00:01Z", Some(7)),
            ("2026-06-08T12:00:01Z", Some(30)),
            ("2026-07-01T12:00:00Z", Some(30)),
            ("2026-07-01T12:00:01Z", None),
        ] {
            assert_eq!(of(ends_at), step, "{ends_at}");
        }
        let last = baa("2026-01-01", Some("2026-06-30"));
        assert_eq!(end_of(&last), Ts::parse("2026-07-01T00:00:00Z"), "its last day is in force to its end");
    }
}
