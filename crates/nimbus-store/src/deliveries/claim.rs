//! Claiming: due deliveries leased to whoever sends them, with their events' payloads.

use nimbus_core::{
    ids::{ClinicId, DeliveryId, EndpointId, EventId},
    time::Ts,
};
use uuid::Uuid;

use super::{
    Claimed, DeliveryState, Lease, Next,
    record::{End, end_statement},
};
use crate::{
    engine::{Engine, Row, Tx},
    error::{Error, Result, SealError},
    events::body_at,
    ledger::Moves,
    rows::opened,
    tenants::{Gate, clinic_passes},
};

/// So many endpoints are looked at in one go.
pub const LANES_MAX: usize = 1000;

/// Active endpoints that have a delivery due and not leased, of clinics whose partner passes the gate, in the order of
/// their ids from the one after `after`, at most [`LANES_MAX`]. The index is read once for each endpoint with a backlog,
/// not once for each row of it. For `longest` see [`Claim`].
pub async fn lanes_due(
    tx: &mut Tx,
    after: Option<EndpointId>,
    now: Ts,
    longest: Ts,
    gate: Gate,
) -> Result<Vec<EndpointId>> {
    let sql = concat!(
        "with recursive lane (endpoint_id) as (
            select (select endpoint_id from deliveries where state = 'pending' and endpoint_id > $2
                    order by endpoint_id limit 1)
            union all
            select (select d.endpoint_id from deliveries d
                    where d.state = 'pending' and d.endpoint_id > lane.endpoint_id
                    order by d.endpoint_id limit 1)
            from lane where lane.endpoint_id is not null
        )
        select e.id from lane join webhook_endpoints e on e.id = lane.endpoint_id
        where e.status = 'active' and (
            exists (select 1 from deliveries d
                where d.endpoint_id = e.id and d.state = 'pending' and d.rank = 0
                    and not (d.due_at > $1 and d.due_at <= $4)
                    and (d.lease_until is null or d.lease_until < $1 or d.lease_until > $4))
            or exists (select 1 from deliveries d
                where d.endpoint_id = e.id and d.state = 'pending' and d.rank = 1 and d.due_at <= $1
                    and (d.lease_until is null or d.lease_until < $1 or d.lease_until > $4))
            or exists (select 1 from deliveries d
                where d.endpoint_id = e.id and d.state = 'pending' and d.rank = 2 and d.due_at <= $1
                    and (d.lease_until is null or d.lease_until < $1 or d.lease_until > $4)))
            and ",
        clinic_passes!("e.clinic_id", "$5", "$6"),
        " limit $3"
    );
    let after = after.map_or(Uuid::nil(), |after| after.0);
    let limit = i64::try_from(LANES_MAX).unwrap_or(i64::MAX);
    let args =
        [now.into(), after.into(), limit.into(), longest.into(), gate.asks_agreement(), now.date().into()];
    tx.query(sql, &args).await?.iter().map(|row| row.columns().take()).collect()
}

/// What is claimed of an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    pub endpoint_id: EndpointId,
    /// Whether a delivery waits for those before it of its ordering key.
    pub ordered: bool,
    /// Whether it waits for a dead one too.
    pub hold: bool,
    pub lease: Lease,
    /// What is leased for longer than this, or a first attempt that would be due later, is from before a clock was set
    /// back: nobody need wait for that time to come again.
    pub longest: Ts,
    /// The most deliveries.
    pub limit: i64,
}

macro_rules! claimed {
    () => {
        "deliveries.id, deliveries.clinic_id, deliveries.endpoint_id, deliveries.event_id, deliveries.event_name,
         deliveries.line, deliveries.sequence, deliveries.attempts,
         (select e.body from events e
          where e.clinic_id = deliveries.clinic_id and e.id = deliveries.event_id)"
    };
}

/// Dispatchers on PostgreSQL pass by the rows that another one is taking; SQLite has one writer. Each rank is a walk
/// of the index, so that a backlog of any is not sorted for each claim.
macro_rules! claim {
    ($which:literal, $tail:literal) => {
        concat!(
            claim!(rank "first", "0 and not (due_at > $2 and due_at <= $6)", "$5", $which, $tail, "with "),
            claim!(rank "again", "1 and due_at <= $2", "$5 - (select count(*) from first)", $which, $tail, ", "),
            claim!(rank "replay", "2 and due_at <= $2",
                "$5 - (select count(*) from first) - (select count(*) from again)", $which, $tail, ", "),
            ", due as materialized (select clinic_id, id from first union all select clinic_id, id from again
                union all select clinic_id, id from replay)
            update deliveries set lease_token = $4, lease_until = $3
            from due where deliveries.clinic_id = due.clinic_id and deliveries.id = due.id
            returning ",
            claimed!()
        )
    };
    (rank $name:literal, $rank:literal, $limit:literal, $which:literal, $tail:literal, $before:literal) => {
        concat!(
            $before,
            $name,
            " as materialized (
                select clinic_id, id from deliveries d
                where endpoint_id = $1 and state = 'pending' and rank = ",
            $rank,
            " and (lease_until is null or lease_until < $2 or lease_until > $6)",
            $which,
            " order by due_at, id limit ",
            $limit,
            $tail,
            ")"
        )
    };
}

/// Nothing before it of its ordering key waits (or, if the endpoint holds, is dead).
macro_rules! claim_ordered {
    ($tail:literal) => {
        claim!(
            " and (d.line is null or not exists (
                select 1 from deliveries b
                where b.endpoint_id = d.endpoint_id and b.line = d.line and b.line is not null
                    and b.sequence < d.sequence and b.state in ('pending', 'dead') and (b.state = 'pending' or $7)))",
            $tail
        )
    };
}

/// Leases due deliveries of an endpoint: first attempts before retries and these before replays, then the longest due.
/// Of an ordered endpoint only those that stand first in their line. One whose payload cannot be read any more is dead,
/// so that it does not stand in the way of the others. Have the transaction plan by arguments.
pub async fn deliveries_claim(tx: &mut Tx, claim: &Claim, now: Ts) -> Result<Vec<Claimed>> {
    let sql = match (tx.engine(), claim.ordered) {
        (Engine::Sqlite, false) => claim!("", ""),
        (Engine::Sqlite, true) => claim_ordered!(""),
        (Engine::Postgres, false) => claim!("", " for update skip locked"),
        (Engine::Postgres, true) => claim_ordered!(" for update skip locked"),
    };
    let Lease { token, until } = claim.lease;
    let mut args = vec![
        claim.endpoint_id.into(),
        now.into(),
        until.into(),
        token.into(),
        claim.limit.into(),
        claim.longest.into(),
    ];
    if claim.ordered {
        args.push(claim.hold.into());
    }
    let rows = tx.query(sql, &args).await?;
    let (mut claimed, _) = read_claimed(tx, &rows, token, now).await?;
    // `returning` promises no order; ids are time-ordered.
    claimed.sort_by_key(|row| (row.attempts > 0, row.id));
    Ok(claimed)
}

/// Leases what follows a delivery in its line, in order, as many as the claim's limit: the holder of the first may send
/// the others one after the other without asking again. What is not due yet, or was tried before, ends it.
pub async fn line_claim(tx: &mut Tx, head: &Claimed, claim: &Claim, now: Ts) -> Result<Vec<Claimed>> {
    let Claim { lease, longest, limit, .. } = *claim;
    let (Some(line), Some(sequence)) = (head.line, head.sequence) else { return Ok(Vec::new()) };
    let sql = concat!(
        "with next as materialized (
            select clinic_id, id from deliveries
            where endpoint_id = $1 and line = $2 and line is not null and state in ('pending', 'dead')
                and sequence > $3
                and sequence < coalesce((
                    select min(sequence) from deliveries
                    where endpoint_id = $1 and line = $2 and line is not null and state in ('pending', 'dead')
                        and sequence > $3
                        and (state = 'dead' or rank > 0 or due_at > $4 and due_at <= $8
                            or lease_until >= $4 and lease_until <= $8)), 9223372036854775807)
            order by sequence limit $7)
        update deliveries set lease_token = $5, lease_until = $6
        from next where deliveries.clinic_id = next.clinic_id and deliveries.id = next.id
            and deliveries.state = 'pending'
            and (deliveries.lease_until is null or deliveries.lease_until < $4 or deliveries.lease_until > $8)
        returning ",
        claimed!()
    );
    let args = [
        head.endpoint_id.into(),
        line.into(),
        sequence.into(),
        now.into(),
        lease.token.into(),
        lease.until.into(),
        limit.into(),
        longest.into(),
    ];
    let rows = tx.query(sql, &args).await?;
    let (mut claimed, broken) = read_claimed(tx, &rows, lease.token, now).await?;
    // Whether the line goes on behind a dead one is the endpoint's choice, and the next claim's affair.
    claimed.retain(|row| row.sequence.is_some_and(|sequence| sequence < broken));
    claimed.sort_by_key(|row| row.sequence);
    Ok(claimed)
}

/// The rows with their payloads, and the least sequence of those that have none any more.
async fn read_claimed(tx: &mut Tx, rows: &[Row], token: Uuid, now: Ts) -> Result<(Vec<Claimed>, i64)> {
    let (mut claimed, mut unreadable, mut broken) = (Vec::with_capacity(rows.len()), Vec::new(), i64::MAX);
    let mut moves = Moves::default();
    for row in rows {
        let mut columns = row.columns();
        let (id, clinic_id): (DeliveryId, ClinicId) = (columns.take()?, columns.take()?);
        let (endpoint_id, event_id): (EndpointId, EventId) = (columns.take()?, columns.take()?);
        let (event_name, line) = (columns.take()?, columns.take()?);
        let sequence: Option<i64> = columns.take()?;
        let attempts = columns.take()?;
        let sealed: Option<Vec<u8>> = columns.take()?;
        match open_body(tx, clinic_id, event_id, sealed).await? {
            Some(body) => claimed.push(Claimed {
                id,
                clinic_id,
                endpoint_id,
                event_id,
                event_name,
                line,
                sequence,
                attempts,
                token,
                body: body.into(),
            }),
            None => {
                let cause = Some("unreadable".to_owned());
                let end = End { clinic_id, id, token, attempts: Some(attempts), status_code: None, cause };
                unreadable.push(end_statement(&end, Next::Dead, now));
                moves.add(clinic_id, endpoint_id, DeliveryState::Dead, 1);
                broken = broken.min(sequence.unwrap_or(i64::MAX));
            }
        }
    }
    if !unreadable.is_empty() {
        // The rows are this transaction's: each of them ends.
        tx.batch(unreadable).await?;
        moves.write(tx).await?;
    }
    Ok((claimed, broken))
}

/// A payload, or `None` if it is gone, is not what was sealed, or its clinic's keys were destroyed.
async fn open_body(
    tx: &mut Tx,
    clinic: ClinicId,
    event: EventId,
    sealed: Option<Vec<u8>>,
) -> Result<Option<Vec<u8>>> {
    let Some(sealed) = sealed else { return Ok(None) };
    match opened(tx, clinic, |keys| keys.open(body_at(event), &sealed)).await {
        Err(Error::Seal(SealError::Altered(_) | SealError::UnknownVersion(_) | SealError::NoKeys)) => {
            Ok(None)
        }
        opened => opened.map(Some),
    }
}
