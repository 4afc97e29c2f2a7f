//! What is claimed from the store for the lanes that have room, and what is read of their endpoints.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use nimbus_core::{ids::EndpointId, time::Ts};
use nimbus_store::{
    Db, Error, Tx,
    deliveries::{self, Claim, Claimed, LANES_MAX, Lease},
    endpoints::{self, AfterDeadLetter, EndpointStatus},
    fault::{self, Point},
    tenants::Gate,
};
use uuid::Uuid;

use crate::{attempt::Ready, deadline::Deadline, guard::AddressPolicy, handover::LANE_WINDOW};

/// Rows of one ordering key that are held at once.
const LINE_WINDOW: i64 = 32;
/// The least that a lane may claim, however many there are.
const LEAST: usize = 4;

/// What holds for one claim.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) policy: AddressPolicy,
    pub(super) deadline: Deadline,
    pub(super) gate: Gate,
    /// Wall time.
    pub(super) now: Ts,
}

/// What one claim took.
pub(super) struct Haul {
    pub(super) lanes: Vec<Catch>,
    /// Lanes that asked for more, and of which nothing is due.
    pub(super) without: Vec<EndpointId>,
    /// Where the next look begins, if there were too many lanes for this one.
    pub(super) rest_after: Option<EndpointId>,
}

/// What one claim took for one lane.
pub(super) struct Catch {
    pub(super) ready: Arc<Ready>,
    pub(super) rows: Vec<Claimed>,
    /// Whether the endpoint likely has more.
    pub(super) is_full: bool,
}

/// Claims due rows for each lane that has room (those of `rooms`, and any other) and an active endpoint, at most
/// `node_room` in all.
pub(super) async fn claim(
    db: &Db,
    terms: Terms,
    after: Option<EndpointId>,
    mut rooms: HashMap<EndpointId, usize>,
    node_room: usize,
) -> Result<Haul, Error> {
    let Terms { policy, deadline, gate, now } = terms;
    let (longest, faults) = (deadline.longest_lease(now), fault::here());
    fault::point(Point::Look).await?;
    let due = db.read(move |tx| Box::pin(deliveries::lanes_due(tx, after, now, longest, gate))).await?;
    let rest_after = due.last().copied().filter(|_| due.len() >= LANES_MAX);
    let share = (node_room / due.len().max(1)).max(LEAST);
    let mut lanes = Vec::with_capacity(due.len());
    for endpoint in due {
        let room = rooms.remove(&endpoint).unwrap_or(LANE_WINDOW).min(share);
        if room > 0 {
            lanes.push((endpoint, room));
        }
    }
    // Of the lanes that are left nothing is due, unless this look did not reach it.
    let without = match (after, rest_after) {
        (None, None) => rooms.into_keys().collect(),
        _ => Vec::new(),
    };
    if lanes.is_empty() {
        return Ok(Haul { lanes: Vec::new(), without, rest_after });
    }
    let lanes = Arc::new(lanes);
    fault::point(Point::Claim).await?;
    let claimed = db.write(move |tx| {
        let (lanes, faults) = (Arc::clone(&lanes), faults.clone());
        Box::pin(async move {
            tx.plan_by_arguments();
            let mut claimed = Vec::with_capacity(lanes.len());
            for &(endpoint, room) in lanes.iter() {
                let known = target(tx, policy, gate, endpoint, now).await?;
                let Some(ready) = known.filter(|ready| ready.target.status == EndpointStatus::Active) else {
                    continue;
                };
                let rows = claim_lane(tx, &ready, room, terms).await?;
                let is_full = rows.len() >= room;
                claimed.push(Catch { ready, rows, is_full });
            }
            faults.inside(Point::ClaimCommit)?;
            Ok::<_, Error>(claimed)
        })
    });
    let lanes = claimed.await?;
    fault::point(Point::Claimed).await?;
    Ok(Haul { lanes, without, rest_after })
}

async fn claim_lane(tx: &mut Tx, ready: &Ready, room: usize, terms: Terms) -> Result<Vec<Claimed>, Error> {
    let (target, Terms { deadline, now, .. }) = (&ready.target, terms);
    let lease = Lease { token: Uuid::now_v7(), until: now.plus_millis(deadline.lease_ms()) };
    let hold = target.after_dead_letter == AfterDeadLetter::Hold;
    let limit = i64::try_from(room).unwrap_or(i64::MAX);
    let longest = deadline.longest_lease(now);
    let claim =
        Claim { endpoint_id: target.endpoint_id, ordered: target.ordered, hold, lease, longest, limit };
    let heads = deliveries::deliveries_claim(tx, &claim, now).await?;
    if !target.ordered {
        return Ok(heads);
    }
    let mut left = limit.saturating_sub(i64::try_from(heads.len()).unwrap_or(i64::MAX));
    let mut claimed = Vec::with_capacity(heads.len());
    for head in heads {
        let next = match left {
            0 => Vec::new(),
            left => {
                deliveries::line_claim(tx, &head, &Claim { limit: left.min(LINE_WINDOW), ..claim }, now)
                    .await?
            }
        };
        left = left.saturating_sub(i64::try_from(next.len()).unwrap_or(i64::MAX));
        claimed.push(head);
        claimed.extend(next);
    }
    Ok(claimed)
}

/// Endpoints and what sending to them needs; `None` for one that is gone.
pub(super) type Targets = Vec<(EndpointId, Option<Arc<Ready>>)>;

/// What sending to these endpoints needs.
pub(super) async fn targets(
    db: &Db,
    policy: AddressPolicy,
    gate: Gate,
    now: Ts,
    endpoints: BTreeSet<EndpointId>,
) -> Result<Targets, Error> {
    let endpoints = Arc::new(endpoints);
    fault::point(Point::Targets).await?;
    let known = db.read(move |tx| {
        let endpoints = Arc::clone(&endpoints);
        Box::pin(async move {
            let mut known = Vec::with_capacity(endpoints.len());
            for &endpoint in endpoints.iter() {
                known.push((endpoint, target(tx, policy, gate, endpoint, now).await?));
            }
            Ok::<_, Error>(known)
        })
    });
    known.await
}

async fn target(
    tx: &mut Tx,
    policy: AddressPolicy,
    gate: Gate,
    endpoint: EndpointId,
    now: Ts,
) -> Result<Option<Arc<Ready>>, Error> {
    let target = endpoints::endpoint_target(tx, endpoint, now, gate).await?;
    Ok(target.map(|target| Arc::new(Ready::new(target, policy))))
}
