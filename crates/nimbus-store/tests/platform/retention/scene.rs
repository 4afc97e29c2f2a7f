//! Events of the last four months, and all that may have become of them.

use nimbus_core::{
    ids::{EndpointId, EventId},
    time::Ts,
};
use nimbus_store::{
    Db, Result, Tx,
    deliveries::DeliveryState,
    endpoints::{AfterDeadLetter, EndpointStatus, endpoint_insert},
    events::{NewEvent, event_statements},
    replays::{Replay, ReplayState, Which, replay_insert},
    retention::Due,
};
use uuid::Uuid;

use super::{DAY, days_ago};
use crate::{
    deliveries::Lane,
    ledger::walk,
    support::{clinic, endpoint, event, id, now},
};

/// SplitMix64: the same scene for the same seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((z ^ (z >> 31)) % sides.unsigned_abs()).unwrap()
    }
}

/// An id as it would have been made then.
pub(super) fn id_of(at: Ts, dice: &mut Dice) -> Uuid {
    let millis = u128::from((at.micros() / 1000).unsigned_abs());
    let noise = u128::from(dice.roll(i64::MAX).unsigned_abs());
    Uuid::from_u128(millis << 80 | 7 << 76 | 2 << 62 | noise >> 2)
}

pub(super) fn made_at(id: Uuid) -> Ts {
    Ts::from_micros(i64::try_from(id.as_u128() >> 80).unwrap() * 1000)
}

#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) id: Uuid,
    pub(super) endpoint: EndpointId,
    pub(super) state: DeliveryState,
    pub(super) created_at: Ts,
    pub(super) finished_at: Option<Ts>,
    pub(super) line: Option<Uuid>,
    pub(super) attempts: Vec<Uuid>,
}

#[derive(Clone)]
pub(super) struct Told {
    pub(super) event: NewEvent,
    pub(super) sent: Vec<Sent>,
}

#[derive(Clone)]
pub(super) struct Scene {
    /// An endpoint that holds, and one of which a replay runs; another one skips.
    holds: Lane,
    replayed: Lane,
    pub(super) told: Vec<Told>,
}

/// So many events are written in one transaction.
const TOGETHER: usize = 2;
/// The replay goes over deliveries made within these, in days ago.
const REPLAYED: (i64, i64) = (45, 35);

impl Scene {
    pub(super) async fn new(db: &Db, seed: u64, events: i64) -> Self {
        let lanes = db.write(|tx: &mut Tx| Box::pin(lanes(tx))).await.unwrap();
        let [holds, _, replayed] = lanes;
        let mut dice = Dice(seed);
        let told = (0..events).map(|number| {
            let slot = number - number % TOGETHER as i64;
            one(&mut dice, &lanes, events - slot, events)
        });
        let told = told.collect();
        let scene = Self { holds, replayed, told };
        for together in scene.told.chunks(TOGETHER) {
            write_told(db, together).await;
        }
        db.write(move |tx: &mut Tx| Box::pin(ended_before(tx, replayed))).await.unwrap();
        assert_eq!(walk(db).await, 0);
        scene
    }

    /// Whether a delivery waits, is waited for, or is about to be sent again.
    pub(super) fn is_held(&self, sent: &Sent) -> bool {
        let holds = sent.state == DeliveryState::Dead && sent.line.is_some() && sent.endpoint == self.holds.1;
        let in_range = sent.created_at >= days_ago(REPLAYED.0) && sent.created_at < days_ago(REPLAYED.1);
        sent.state == DeliveryState::Pending || holds || sent.endpoint == self.replayed.1 && in_range
    }

    fn is_needed(&self, told: &Told, due: Due) -> bool {
        let late = |sent: &Sent| {
            sent.created_at >= due.before || sent.finished_at.is_some_and(|at| at >= due.quiet_since)
        };
        told.sent.iter().any(|sent| self.is_held(sent) || late(sent))
    }

    pub(super) fn goes(&self, told: &Told, due: Due) -> bool {
        made_at(told.event.id.0) < due.before && !self.is_needed(told, due)
    }
}

async fn lanes(tx: &mut Tx) -> Result<[Lane; 3]> {
    let here = clinic(tx).await?;
    let mut lanes = [(here, EndpointId(Uuid::nil())); 3];
    let after = [AfterDeadLetter::Hold, AfterDeadLetter::Skip, AfterDeadLetter::Skip];
    for (place, after_dead_letter) in after.into_iter().enumerate() {
        let mut made = endpoint(here, &format!("https://partner.example/{place}"));
        made.after_dead_letter = after_dead_letter;
        made.status = EndpointStatus::Paused;
        endpoint_insert(tx, &made).await?;
        lanes[place].1 = made.id;
    }
    let replay = Replay {
        id: id(),
        clinic_id: here,
        endpoint_id: lanes[2].1,
        since: days_ago(REPLAYED.0),
        until: days_ago(REPLAYED.1),
        which: Which::All,
        event_types: None,
        per_second: 1,
        state: ReplayState::Running,
        total: 0,
        queued: 0,
        cursor: None,
        version: 1,
        created_at: now(),
        finished_at: None,
    };
    replay_insert(tx, &replay).await?;
    Ok(lanes)
}

/// An event of the last 120 days, about in the order of time, and what became of it.
fn one(dice: &mut Dice, lanes: &[Lane; 3], left: i64, of: i64) -> Told {
    let at = now().plus_seconds(-left * 120 * DAY / of - dice.roll(30));
    let mut event = event(lanes[0].0, "{\"told\": true}");
    event.id = EventId(id_of(at, dice));
    let chosen = lanes.iter().filter(|_| dice.roll(3) > 0);
    let endpoints: Vec<EndpointId> = chosen.map(|lane| lane.1).collect();
    let sent = endpoints.into_iter().map(|endpoint| delivery(dice, endpoint, &event, at)).collect();
    let mut told = Told { event, sent };
    told.event.fanout = i64::try_from(told.sent.len()).unwrap();
    told
}

fn delivery(dice: &mut Dice, endpoint: EndpointId, event: &NewEvent, at: Ts) -> Sent {
    let age = now().seconds() - at.seconds();
    // A few are resent long after their event.
    let created_at = if dice.roll(12) == 0 { at.plus_seconds(dice.roll(age.max(1))) } else { at };
    let age = now().seconds() - created_at.seconds();
    let lasted = if dice.roll(6) == 0 { dice.roll(age.max(1)) } else { dice.roll(2 * DAY).min(age) };
    let state = match dice.roll(40) {
        0 => DeliveryState::Pending,
        1..6 => DeliveryState::Dead,
        6 => DeliveryState::Cancelled,
        _ => DeliveryState::Delivered,
    };
    let finished_at = (state != DeliveryState::Pending).then(|| created_at.plus_seconds(lasted));
    let line = (dice.roll(4) == 0).then_some(event.ordering_key).flatten();
    let attempts =
        (0..dice.roll(3)).map(|_| id_of(created_at.plus_seconds(dice.roll(lasted.max(1))), dice)).collect();
    Sent { id: id_of(created_at, dice), endpoint, state, created_at, finished_at, line, attempts }
}

async fn write(tx: &mut Tx, told: &[Told]) -> Result<()> {
    let events: Vec<NewEvent> = told.iter().map(|told| told.event.clone()).collect();
    let statements = event_statements(tx, &events).await?;
    tx.batch(statements).await?;
    for Told { event, sent } in told {
        for sent in sent {
            let sql =
                "insert into deliveries (clinic_id, id, endpoint_id, event_id, event_name, state, attempts,
                    due_at, created_at, finished_at, line, sequence)
                values ($1, $2, $3, $4, 'n', $5, 1, $6, $6, $7, $8, 1)";
            let args = [
                event.clinic_id.into(),
                sent.id.into(),
                sent.endpoint.into(),
                event.id.into(),
                sent.state.as_str().into(),
                sent.created_at.into(),
                sent.finished_at.into(),
                sent.line.into(),
            ];
            tx.execute(sql, &args).await?;
            for attempt in &sent.attempts {
                let sql = "insert into attempts
                        (clinic_id, id, delivery_id, number, started_at, elapsed_ms, outcome)
                    values ($1, $2, $3, 1, $4, 1, 'failed')";
                let at = made_at(*attempt);
                let args = [event.clinic_id.into(), (*attempt).into(), sent.id.into(), at.into()];
                tx.execute(sql, &args).await?;
            }
        }
    }
    Ok(())
}

/// The ledger's counts of what has ended, as the transactions in which it ended would have added them.
pub(super) async fn ended_before(tx: &mut Tx, lane: Lane) -> Result<()> {
    let sql = "insert into delivery_ledger (clinic_id, endpoint_id, accepted, delivered, dead, cancelled)
        select clinic_id, endpoint_id, 0, count(*) filter (where state = 'delivered'),
            count(*) filter (where state = 'dead'), count(*) filter (where state = 'cancelled')
        from deliveries where clinic_id = $1 group by clinic_id, endpoint_id";
    tx.execute(sql, &[lane.0.into()]).await.map(drop)
}

pub(super) async fn write_told(db: &Db, told: &[Told]) {
    let told = told.to_vec();
    db.write(move |tx: &mut Tx| {
        let told = told.clone();
        Box::pin(async move { write(tx, &told).await })
    })
    .await
    .unwrap();
}
