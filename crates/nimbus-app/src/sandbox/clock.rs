//! A sandbox clinic's own clock: it only moves forward, and everything due on its way is done in order, each thing at
//! its own time, before the request is answered.

use std::time::{Duration, Instant};

use nimbus_core::{
    access::{Scope, SystemActor},
    ids::ClinicId,
    time::Ts,
};
use nimbus_store::{Tx, jobs, tenants};

use super::{clinic_of, simulation::put_off};
use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    jobs::work,
    outbox::Changes,
    unit::{Cx, Prepared, Render, Reply},
};

/// The furthest that one request moves a clock.
pub const MAX_DAYS: i64 = 400;
/// The most that one request does on the way. What is left is done by the next.
pub const MAX_DONE: u32 = 2000;
/// One request takes no longer than this; what is left is done by the next.
const MAX_TIME: Duration = Duration::from_secs(20);

const NOT_FOUND: Error = Error::NotFound("Clinic");

/// Where a clock is moved to.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    Days(u32),
    Hours(u32),
    To(Ts),
}

pub struct Move {
    /// Staff name a clinic; a partner moves its own clinic's clock.
    pub clinic: Option<ClinicId>,
    pub target: Target,
}

pub struct Moved {
    pub clinic_id: ClinicId,
    pub before: Ts,
    pub now: Ts,
    /// How many things fell due on the way and were done.
    pub done: u32,
    /// Whether it is where it was to go. If not, so much fell due that the rest is left to the next request.
    pub finished: bool,
}

/// A move that was allowed.
#[derive(Clone, Copy)]
struct Begun {
    clinic: ClinicId,
    before: Ts,
    target: Ts,
}

/// What one transaction on the way did.
enum Turn {
    /// The first thing due was done, and the clock stands at its time.
    Worked(Ts),
    /// Nothing was due before the target: the clock stands there, or further on.
    Arrived(Ts),
}

/// Moves a clinic's clock. Once it has begun it runs to its end, whether or not the caller waits.
pub async fn advance(app: &App, call: &Call, command: Move, render: Render<Moved>) -> Result<Reply> {
    let clinic = clinic_of(call, Scope::OrdersWrite, command.clinic)?;
    let moving = tokio::spawn(run(app.clone(), call.clone(), (clinic, command.target), render));
    moving.await.unwrap_or(Err(Error::Internal("the move of a clock broke off")))
}

async fn run(app: App, call: Call, command: (ClinicId, Target), render: Render<Moved>) -> Result<Reply> {
    let prepared =
        app.prepare(&call, command, |tx, cx, &(clinic, target)| Box::pin(begin(tx, cx, clinic, target)));
    let begun = match prepared.await? {
        Prepared::Begun(begun) => begun,
        Prepared::Answered(reply) => return Ok(reply),
    };
    let moved = go(&app, &call, begun).await;
    // What is remembered of keys says where their clinic's clock stood.
    app.keys().clear();
    app.conclude(&call, moved?, render, |_, _, _| Box::pin(async { Ok(()) })).await
}

async fn begin(tx: &mut Tx, cx: &Cx, clinic: ClinicId, target: Target) -> Result<Begun> {
    let ahead = tenants::clinic_clock_lock(tx, clinic).await?.ok_or(NOT_FOUND)?;
    let before = cx.base.plus_micros(ahead);
    let (field, target) = match target {
        Target::Days(days) => ("advance_days", before.plus_days(days.into())),
        Target::Hours(hours) => ("advance_hours", before.plus_seconds(i64::from(hours) * 3600)),
        Target::To(to) => ("to", to),
    };
    if target < before {
        return Err(Error::field(field, "is before the clinic's time: its clock only moves forward"));
    }
    if target > before.plus_days(MAX_DAYS) {
        return Err(Error::field(field, format!("must be within {MAX_DAYS} days of the clinic's time")));
    }
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(Some(clinic), "sandbox.clock", "clinic", Some(clinic.0)));
    changes.write(tx, cx).await?;
    Ok(Begun { clinic, before, target })
}

/// Does what is due on the way, one transaction each, so that whoever else writes waits for one at most.
async fn go(app: &App, call: &Call, begun: Begun) -> Result<Moved> {
    let Begun { clinic, before, target } = begun;
    let started = Instant::now();
    let mut done = 0;
    let mut moved = Moved { clinic_id: clinic, before, now: before, done, finished: false };
    while done < MAX_DONE && started.elapsed() < MAX_TIME {
        match app.go_on(call, begun, |tx, cx, begun| Box::pin(turn(tx, cx, *begun))).await {
            Ok(Turn::Worked(now)) => {
                done += 1;
                moved = Moved { now, done, ..moved };
            }
            Ok(Turn::Arrived(now)) => return Ok(Moved { now, finished: true, ..moved }),
            Err(Error::Refused { .. } | Error::Invalid(_)) => {
                done += 1;
                app.go_on(call, (clinic, target), |tx, cx, &(clinic, until)| {
                    Box::pin(pass_over(tx, cx, clinic, until))
                })
                .await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(moved)
}

/// Moves the clock to what is due first, and does it. The lock of the clock sets one turn after the other, so that
/// two requests at once do everything in order, and once.
async fn turn(tx: &mut Tx, cx: &Cx, begun: Begun) -> Result<Turn> {
    let ahead = tenants::clinic_clock_lock(tx, begun.clinic).await?.ok_or(NOT_FOUND)?;
    let due = jobs::job_take(tx, begun.clinic, begun.target).await?;
    let until = due.map_or(begun.target, |due| due.due_at);
    let ahead = ahead.max(until.micros() - cx.base.micros());
    tenants::clinic_clock_set(tx, begun.clinic, ahead).await?;
    let now = cx.base.plus_micros(ahead);
    let Some(due) = due else { return Ok(Turn::Arrived(now)) };
    let cx = cx.as_system(SystemActor::Jobs).ahead(ahead);
    work(tx, &cx, due).await?;
    Ok(Turn::Worked(now))
}

/// Puts off what was refused at its time: a step of the simulation that the rules do not allow yet.
async fn pass_over(tx: &mut Tx, _: &Cx, clinic: ClinicId, until: Ts) -> Result<()> {
    match jobs::job_take(tx, clinic, until).await? {
        Some(due) => put_off(tx, due).await,
        None => Ok(()),
    }
}
