//! Deliveries, their leases, attempts and ledger.

use nimbus_core::{
    ids::{ClinicId, DeliveryId, EndpointId},
    time::Ts,
};
use nimbus_store::{
    Db, Error, Result, Tx,
    deliveries::{
        AttemptRow, AttemptTimes, Claim, Claimed, DeliveryRow, DeliveryState, Lease, NewDelivery, Next,
        Outcome, attempts_of, backlog, deliveries_cancel, deliveries_claim, deliveries_of_endpoint,
        delivery_get, delivery_record, delivery_release, delivery_retry, delivery_statements, lanes_due,
    },
    endpoints::{EndpointStatus, endpoint_get, endpoint_insert, endpoint_target, endpoint_update},
    events::event_statements,
    ledger::Ledger,
    page::Page,
    tenants::{
        Baa, Gate, PartnerStatus, baa_insert, clinic_delete_soft, clinic_get, clinic_in_force,
        partner_status_set,
    },
    two_engines,
};
use uuid::Uuid;

use crate::support::{after, assert_sealed, clinic, endpoint, event, id, now};

two_engines! {
    async fn leases(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(leases_told(tx))).await.unwrap();
    }

    async fn outcomes(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(outcomes_told(tx))).await.unwrap();
    }

    async fn lanes(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(lanes_told(tx))).await.unwrap();
    }

    async fn a_clock_that_is_set_back_keeps_nothing_from_others(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(set_back_told(tx))).await.unwrap();
    }

    async fn lists_and_repeats(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(lists_told(tx))).await.unwrap();
    }

    async fn which_are_claimed(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(order_told(tx))).await.unwrap();
    }

    async fn payloads_that_cannot_be_read(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(unreadable_told(tx))).await.unwrap();
    }

    async fn results_of_a_claim_partly_lost(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(partly_lost_told(tx))).await.unwrap();
    }

    async fn what_has_ended_is_not_cancelled(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(cancelled_told(tx))).await.unwrap();
    }

    async fn racing_dispatchers_take_different_deliveries(db: Db) {
        let lane = db.write(|tx: &mut Tx| Box::pin(async move {
            let lane = lane(tx).await?;
            add(tx, lane, &[now(); 40]).await?;
            Ok::<_, Error>(lane)
        })).await.unwrap();
        let claim = || db.write(move |tx: &mut Tx| Box::pin(async move {
            claim(tx, lane, now(), 5).await
        }));
        let taken = futures_util::future::join_all((0..12).map(|_| claim())).await;
        let mut ids: Vec<_> = taken.into_iter().flat_map(Result::unwrap).map(|row| row.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), count), (40, 40));
    }
}

pub(crate) type Lane = (ClinicId, EndpointId);

/// An active endpoint of a new clinic.
pub(crate) async fn lane(tx: &mut Tx) -> Result<Lane> {
    let made = endpoint(clinic(tx).await?, "https://partner.example/hook");
    endpoint_insert(tx, &made).await?;
    Ok((made.clinic_id, made.id))
}

/// Events to an endpoint, due at these times; their bodies are `0`, `1` ….
pub(crate) async fn add(tx: &mut Tx, (clinic_id, endpoint_id): Lane, due: &[Ts]) -> Result<Vec<DeliveryId>> {
    let events: Vec<_> = (0..due.len()).map(|i| event(clinic_id, &i.to_string())).collect();
    let delivery = |(event, due): (&nimbus_store::events::NewEvent, &Ts)| NewDelivery {
        id: id(),
        clinic_id,
        endpoint_id,
        event_id: event.id,
        event_name: event.name.clone(),
        ordering_key: event.ordering_key,
        sequence: event.sequence,
        ordered: false,
        due_at: *due,
        created_at: now(),
        lease: None,
    };
    let deliveries: Vec<_> = events.iter().zip(due).map(delivery).collect();
    let mut statements = event_statements(tx, &events).await?;
    statements.extend(delivery_statements(&deliveries));
    tx.batch(statements).await?;
    Ok(deliveries.iter().map(|delivery| delivery.id).collect())
}

/// Later than any lease of these tests ends.
pub(crate) const LATER: Ts = Ts::from_micros(4_102_444_800_000_000);

/// Over plain http, so that there was no TLS.
const TIMES: AttemptTimes = AttemptTimes {
    dns_us: Some(1),
    connect_us: Some(20),
    tls_us: None,
    first_byte_us: Some(300),
    reused: Some(false),
};

pub(crate) fn outcome(claimed: &Claimed, next: Next, status_code: i64) -> Outcome {
    let attempt = AttemptRow {
        id: id(),
        number: claimed.attempts + 1,
        started_at: now(),
        elapsed_ms: 42,
        outcome: if status_code == 200 { "succeeded" } else { "failed" },
        cause: (status_code != 200).then(|| "status".to_owned()),
        status_code: Some(status_code),
        response: b"receiver says hello".to_vec(),
        headers: vec![("server".to_owned(), "greeter/1".to_owned())],
        times: TIMES,
    };
    Outcome {
        clinic_id: claimed.clinic_id,
        endpoint_id: claimed.endpoint_id,
        delivery_id: claimed.id,
        token: claimed.token,
        attempt: (!matches!(next, Next::Release { .. })).then_some(attempt),
        next,
    }
}

pub(crate) fn unordered(lane: Lane, at: Ts, limit: i64) -> Claim {
    let lease = Lease { token: Uuid::now_v7(), until: at.plus_seconds(60) };
    Claim { endpoint_id: lane.1, ordered: false, hold: false, lease, longest: LATER, limit }
}

pub(crate) async fn claim(tx: &mut Tx, lane: Lane, at: Ts, limit: i64) -> Result<Vec<Claimed>> {
    deliveries_claim(tx, &unordered(lane, at, limit), at).await
}

fn ids(claimed: &[Claimed]) -> Vec<DeliveryId> {
    claimed.iter().map(|row| row.id).collect()
}

async fn leases_told(tx: &mut Tx) -> Result<()> {
    let (here, there) = (lane(tx).await?, lane(tx).await?);
    let made = add(tx, here, &[now(), now(), now(), after(500)]).await?;
    add(tx, there, &[now()]).await?;
    let first = claim(tx, here, now(), 2).await?;
    assert_eq!(ids(&first), made[..2]);
    assert_eq!((&*first[1].body, first[1].attempts), (b"1".as_slice(), 0));
    assert_eq!((first[0].clinic_id, first[0].endpoint_id), here);
    assert_eq!(first[0].event_name, "medication:updated");
    assert_eq!(ids(&claim(tx, here, after(1), 10).await?), made[2..3], "neither the leased nor the later");

    // Given back: by its holder only, and not before its time.
    let (held, token) = (&first[0], first[0].token);
    assert!(!delivery_release(tx, here.0, held.id, Uuid::now_v7(), after(5)).await?);
    assert!(!delivery_release(tx, there.0, held.id, token, after(5)).await?);
    assert!(delivery_release(tx, here.0, held.id, token, after(5)).await?);
    assert!(claim(tx, here, after(4), 10).await?.is_empty());
    assert_eq!(ids(&claim(tx, here, after(5), 10).await?), made[..1]);

    // A holder that crashed: its lease runs out and its result comes too late.
    let taken_over = claim(tx, here, after(62), 10).await?;
    assert_eq!(ids(&taken_over), made[1..3]);
    let late = [outcome(&first[1], Next::Delivered, 200)];
    assert_eq!(delivery_record(tx, &late, after(62)).await?, [false]);
    assert!(attempts_of(tx, here.0, first[1].id).await?.is_empty());
    assert_eq!(delivery_get(tx, here.0, first[1].id).await?.unwrap().state, DeliveryState::Pending);
    Ok(())
}

async fn outcomes_told(tx: &mut Tx) -> Result<()> {
    let lane = lane(tx).await?;
    let made = add(tx, lane, &[now(); 4]).await?;
    let claimed = claim(tx, lane, now(), 10).await?;
    let results = [
        outcome(&claimed[0], Next::Delivered, 200),
        outcome(&claimed[1], Next::Retry { due_at: after(60) }, 500),
        outcome(&claimed[2], Next::Dead, 500),
        outcome(&claimed[3], Next::Release { due_at: after(30) }, 0),
    ];
    assert_eq!(delivery_record(tx, &results, after(1)).await?, [true; 4]);
    let again = delivery_record(tx, &results[..1], after(2)).await?;
    assert_eq!(again, [false], "a result is recorded once");

    let mut rows = Vec::new();
    for id in &made {
        rows.push(delivery_get(tx, lane.0, *id).await?.unwrap());
    }
    let seen: Vec<_> = rows.iter().map(|row| (row.state, row.attempts, row.status_code)).collect();
    use DeliveryState::{Dead, Delivered, Pending};
    let expected =
        [(Delivered, 1, Some(200)), (Pending, 1, Some(500)), (Dead, 1, Some(500)), (Pending, 0, None)];
    assert_eq!(seen, expected);
    assert_eq!((rows[0].finished_at, rows[2].finished_at), (Some(after(1)), Some(after(1))));
    assert_eq!((rows[1].due_at, rows[3].due_at), (after(60), after(30)));
    assert_eq!((rows[1].cause.as_deref(), rows[0].cause.as_deref()), (Some("status"), None));

    let attempts = attempts_of(tx, lane.0, made[1]).await?;
    let [attempt] = attempts.as_slice() else { panic!("one attempt was made") };
    assert_eq!((attempt.number, attempt.elapsed_ms, attempt.status_code), (1, 42, Some(500)));
    assert_eq!((attempt.outcome.as_str(), attempt.cause.as_deref()), ("failed", Some("status")));
    assert_eq!(attempt.response, b"receiver says hello");
    assert_eq!(attempt.headers, [("server".to_owned(), "greeter/1".to_owned())]);
    assert_eq!(attempt.times, TIMES);
    assert!(!format!("{attempt:?}").contains("hello"));
    for (sql, text) in [
        ("select response from attempts where id = $1", "receiver says hello"),
        ("select response_headers from attempts where id = $1", "greeter/1"),
    ] {
        assert_sealed(tx, sql, attempt.id.0, text).await;
    }
    assert!(attempts_of(tx, lane.0, made[3]).await?.is_empty(), "nothing was sent");

    // First attempts go before retries, however long these are due.
    let fresh = add(tx, lane, &[after(90)]).await?;
    let order = ids(&claim(tx, lane, after(100), 2).await?);
    assert_eq!(order, [made[3], fresh[0]]);
    assert_eq!(ids(&claim(tx, lane, after(100), 2).await?), made[1..2]);
    let ledger = Ledger { accepted: 5, delivered: 1, pending: 3, dead: 1, cancelled: 0 };
    assert_eq!(backlog(tx).await?, ledger);
    assert!(ledger.is_balanced() && !Ledger { dead: 0, ..ledger }.is_balanced());
    Ok(())
}

/// Fails an attempt at each of these, which are then due at these times.
async fn fail(tx: &mut Tx, claimed: &[Claimed], due: &[Ts]) -> Result<()> {
    let retry = |(row, due): (&Claimed, &Ts)| outcome(row, Next::Retry { due_at: *due }, 500);
    let failed: Vec<_> = claimed.iter().zip(due).map(retry).collect();
    let held = delivery_record(tx, &failed, now()).await?;
    assert_eq!(held, vec![true; due.len()]);
    Ok(())
}

async fn order_told(tx: &mut Tx) -> Result<()> {
    let lane = lane(tx).await?;
    let made = add(tx, lane, &[after(3), after(1), after(2)]).await?;
    assert!(claim(tx, lane, now(), 10).await?.is_empty(), "nothing is due");
    let first = claim(tx, lane, after(3), 2).await?;
    assert_eq!(ids(&first), made[1..], "the longest due, whatever their ids");
    fail(tx, &first, &[after(20), after(10)]).await?;
    let rest = claim(tx, lane, after(3), 2).await?;
    assert_eq!(ids(&rest), made[..1]);
    fail(tx, &rest, &[after(30)]).await?;

    // Retries of made[2], made[1] and made[0] are due in this order, and after what was never tried.
    let fresh = add(tx, lane, &[after(40)]).await?;
    assert_eq!(
        ids(&claim(tx, lane, after(50), 2).await?),
        [fresh[0], made[2]],
        "both kinds keep to one limit"
    );
    assert_eq!(ids(&claim(tx, lane, after(50), 1).await?), made[1..2]);
    assert_eq!(ids(&claim(tx, lane, after(50), 9).await?), made[..1]);
    assert!(claim(tx, lane, after(110), 9).await?.is_empty(), "a lease holds through its last instant");
    assert_eq!(claim(tx, lane, after(111), 9).await?.len(), 4);
    Ok(())
}

async fn unreadable_told(tx: &mut Tx) -> Result<()> {
    let lane = lane(tx).await?;
    let made = add(tx, lane, &[now(); 3]).await?;
    let event = |row: Option<DeliveryRow>| row.unwrap().event_id;
    let gone = event(delivery_get(tx, lane.0, made[0]).await?);
    let damaged = event(delivery_get(tx, lane.0, made[1]).await?);
    let sound = event(delivery_get(tx, lane.0, made[2]).await?);
    tx.execute("delete from events where id = $1", &[gone.into()]).await?;
    let sql = "update events set body = (select o.body from events o where o.id = $1) where id = $2";
    tx.execute(sql, &[sound.into(), damaged.into()]).await?;

    let claimed = claim(tx, lane, now(), 10).await?;
    assert_eq!(ids(&claimed), made[2..], "the others go on");
    for id in &made[..2] {
        let row = delivery_get(tx, lane.0, *id).await?.unwrap();
        assert_eq!((row.state, row.cause.as_deref()), (DeliveryState::Dead, Some("unreadable")));
        assert_eq!((row.attempts, row.status_code, row.finished_at), (0, None, Some(now())));
    }
    assert_eq!(backlog(tx).await?, Ledger { accepted: 3, pending: 1, dead: 2, ..Ledger::default() });
    Ok(())
}

async fn partly_lost_told(tx: &mut Tx) -> Result<()> {
    let (here, there) = (lane(tx).await?, lane(tx).await?);
    let made = add(tx, here, &[now(); 2]).await?;
    let slow = claim(tx, here, now(), 2).await?;
    let mut stolen = outcome(&slow[0], Next::Delivered, 200);
    stolen.clinic_id = there.0;
    assert_eq!(delivery_record(tx, &[stolen], after(1)).await?, [false], "another clinic's");
    let quick = claim(tx, here, after(61), 1).await?;
    let [taken, kept] = [&slow[0], &slow[1]].map(|row| outcome(row, Next::Delivered, 200));
    assert_eq!(ids(&quick), made[..1]);
    assert_eq!(delivery_record(tx, &[taken, kept], after(62)).await?, [false, true]);
    assert!(attempts_of(tx, here.0, made[0]).await?.is_empty());
    assert_eq!(attempts_of(tx, here.0, made[1]).await?.len(), 1);
    assert!(attempts_of(tx, there.0, made[1]).await?.is_empty());

    // Its new holder is undisturbed; attempts are told in the order of their making.
    fail(tx, &quick, &[after(70)]).await?;
    let again = claim(tx, here, after(70), 1).await?;
    assert_eq!(delivery_record(tx, &[outcome(&again[0], Next::Dead, 404)], after(71)).await?, [true]);
    let attempts = attempts_of(tx, here.0, made[0]).await?;
    let told: Vec<_> = attempts.iter().map(|attempt| (attempt.number, attempt.status_code)).collect();
    assert_eq!(told, [(1, Some(500)), (2, Some(404))]);
    Ok(())
}

async fn cancelled_told(tx: &mut Tx) -> Result<()> {
    let (here, there) = (lane(tx).await?, lane(tx).await?);
    let made = add(tx, here, &[now(), now(), after(9)]).await?;
    let other = add(tx, there, &[now()]).await?;
    let claimed = claim(tx, here, now(), 2).await?;
    let ended = [outcome(&claimed[0], Next::Delivered, 200), outcome(&claimed[1], Next::Dead, 500)];
    delivery_record(tx, &ended, after(1)).await?;
    assert_eq!(deliveries_cancel(tx, here.0, here.1, after(2)).await?, 1);
    use DeliveryState::{Cancelled, Dead, Delivered, Pending};
    for (lane, id, state, finished_at) in [
        (here, made[0], Delivered, Some(after(1))),
        (here, made[1], Dead, Some(after(1))),
        (here, made[2], Cancelled, Some(after(2))),
        (there, other[0], Pending, None),
    ] {
        let row = delivery_get(tx, lane.0, id).await?.unwrap();
        assert_eq!((row.state, row.finished_at), (state, finished_at));
    }
    let ledger = Ledger { accepted: 4, delivered: 1, pending: 1, dead: 1, cancelled: 1 };
    assert_eq!(backlog(tx).await?, ledger);
    assert!(ledger.is_balanced());
    Ok(())
}

async fn lanes_told(tx: &mut Tx) -> Result<()> {
    assert_eq!(lanes_due(tx, None, now(), LATER, Gate::Approval).await?, []);
    let (busy, waiting, paused, idle) = (lane(tx).await?, lane(tx).await?, lane(tx).await?, lane(tx).await?);
    add(tx, busy, &[now(), now(), after(50)]).await?;
    add(tx, waiting, &[after(10)]).await?;
    add(tx, paused, &[now()]).await?;
    add(tx, idle, &[now()]).await?;
    let mut endpoint = endpoint_get(tx, paused.0, paused.1).await?.unwrap();
    endpoint.status = EndpointStatus::Paused;
    endpoint_update(tx, &endpoint).await?;
    let claimed = claim(tx, idle, now(), 1).await?;
    delivery_record(tx, &[outcome(&claimed[0], Next::Delivered, 200)], now()).await?;

    assert_eq!(lanes_due(tx, None, now(), LATER, Gate::Approval).await?, [busy.1]);
    assert_eq!(lanes_due(tx, None, after(10), LATER, Gate::Approval).await?, [busy.1, waiting.1]);
    claim(tx, busy, after(10), 10).await?;
    assert_eq!(
        lanes_due(tx, None, after(10), LATER, Gate::Approval).await?,
        [waiting.1],
        "all that is due of the other is leased"
    );
    assert_eq!(
        lanes_due(tx, None, after(71), LATER, Gate::Approval).await?,
        [busy.1, waiting.1],
        "its lease ran out"
    );

    endpoint = endpoint_get(tx, paused.0, paused.1).await?.unwrap();
    endpoint.status = EndpointStatus::Active;
    endpoint_update(tx, &endpoint).await?;
    assert_eq!(
        lanes_due(tx, None, after(71), LATER, Gate::Approval).await?,
        [busy.1, waiting.1, paused.1],
        "it goes on where it was"
    );
    for status in [EndpointStatus::Disabled, EndpointStatus::Deleted] {
        endpoint = endpoint_get(tx, paused.0, paused.1).await?.unwrap();
        endpoint.status = status;
        endpoint_update(tx, &endpoint).await?;
        assert_eq!(lanes_due(tx, None, after(71), LATER, Gate::Approval).await?, [busy.1, waiting.1]);
    }
    gate_told(tx, busy, waiting).await
}

/// What is due of partners that are not approved, or have no agreement where one is asked for, waits.
async fn gate_told(tx: &mut Tx, busy: Lane, waiting: Lane) -> Result<()> {
    let due = async |tx: &mut Tx, gate| lanes_due(tx, None, after(71), LATER, gate).await;
    assert_eq!(due(tx, Gate::Agreement).await?, []);
    let clinic = clinic_get(tx, busy.0).await?.unwrap();
    let baa = Baa {
        id: id(),
        partner_id: clinic.partner_id,
        effective_on: now().date(),
        ends_on: Some(now().date()),
        document_hash: String::new(),
        created_at: now(),
    };
    baa_insert(tx, &baa).await?;
    assert_eq!(due(tx, Gate::Agreement).await?, [busy.1]);
    let tomorrow = after(86_400);
    assert_eq!(lanes_due(tx, None, tomorrow, LATER, Gate::Agreement).await?, [], "it ended");
    let passes = async |tx: &mut Tx, gate, at: Ts| {
        let in_force = clinic_in_force(tx, clinic.id, gate, at.date()).await?;
        let status = endpoint_target(tx, busy.1, at, gate).await?.unwrap().status;
        assert_eq!(status == EndpointStatus::Active, in_force);
        Ok::<_, Error>(in_force)
    };
    assert!(passes(tx, Gate::Agreement, now()).await? && passes(tx, Gate::Approval, tomorrow).await?);
    assert!(!passes(tx, Gate::Agreement, tomorrow).await?);

    partner_status_set(tx, clinic.partner_id, PartnerStatus::Suspended, now()).await?;
    assert_eq!(due(tx, Gate::Approval).await?, [waiting.1]);
    assert!(!passes(tx, Gate::Approval, now()).await? && !passes(tx, Gate::Agreement, now()).await?);
    partner_status_set(tx, clinic.partner_id, PartnerStatus::Approved, now()).await?;
    assert_eq!(due(tx, Gate::Approval).await?, [busy.1, waiting.1]);
    clinic_delete_soft(tx, clinic.id, now()).await?;
    assert_eq!(due(tx, Gate::Approval).await?, [waiting.1]);
    assert!(!passes(tx, Gate::Approval, now()).await?);
    Ok(())
}

async fn set_back_told(tx: &mut Tx) -> Result<()> {
    let here = lane(tx).await?;
    let made = add(tx, here, &[now(); 3]).await?;
    let leased = claim(tx, here, now(), 1).await?;
    let tried = claim(tx, here, now(), 1).await?;
    delivery_record(tx, &[outcome(&tried[0], Next::Retry { due_at: after(60) }, 500)], now()).await?;
    let (back, longest) = (after(-3600), after(-3520));
    let again = Claim { longest, ..unordered(here, back, 10) };
    assert_eq!(lanes_due(tx, None, back, longest, Gate::Approval).await?, [here.1]);
    let mut claimed = ids(&deliveries_claim(tx, &again, back).await?);
    claimed.sort_unstable();
    assert_eq!(claimed, [made[0], made[2]], "the next attempt of the other is at its time");
    assert_eq!(delivery_record(tx, &[outcome(&leased[0], Next::Delivered, 200)], back).await?, [false]);
    assert_eq!(
        lanes_due(tx, None, back, longest, Gate::Approval).await?,
        [],
        "they are leased by the clock as it is"
    );
    Ok(())
}

async fn lists_told(tx: &mut Tx) -> Result<()> {
    let (here, there) = (lane(tx).await?, lane(tx).await?);
    let made = add(tx, here, &[now(); 3]).await?;
    let page = Page { limit: 2, ..Page::default() };
    let newest = deliveries_of_endpoint(tx, here.0, here.1, None, &page).await?;
    assert_eq!(newest.items.iter().map(|row| row.id).collect::<Vec<_>>(), [made[2], made[1]]);
    assert!(newest.has_more);
    let rest = Page { before: Some(made[1].0), ..page.clone() };
    let rest = deliveries_of_endpoint(tx, here.0, here.1, None, &rest).await?;
    assert_eq!((rest.items[0].id, rest.has_more), (made[0], false));
    assert!(deliveries_of_endpoint(tx, there.0, here.1, None, &page).await?.items.is_empty());
    assert!(delivery_get(tx, there.0, made[0]).await?.is_none());

    let claimed = claim(tx, here, now(), 1).await?;
    assert!(!delivery_retry(tx, here.0, here.1, made[0], after(1)).await?, "it is on its way");
    delivery_record(tx, &[outcome(&claimed[0], Next::Dead, 500)], after(1)).await?;
    let dead = deliveries_of_endpoint(tx, here.0, here.1, Some(DeliveryState::Dead), &page).await?;
    assert_eq!(dead.items.iter().map(|row| row.id).collect::<Vec<_>>(), made[..1]);
    assert!(!delivery_retry(tx, there.0, here.1, made[0], after(2)).await?);
    assert!(!delivery_retry(tx, here.0, there.1, made[0], after(2)).await?);
    let failed = claim(tx, here, after(1), 1).await?;
    delivery_record(tx, &[outcome(&failed[0], Next::Retry { due_at: after(900) }, 500)], after(1)).await?;
    assert!(delivery_retry(tx, here.0, here.1, made[1], after(2)).await?, "it need not wait");
    let row = delivery_get(tx, here.0, made[1]).await?.unwrap();
    assert_eq!((row.attempts, row.due_at), (1, after(2)), "its attempts stay counted");
    assert!(delivery_retry(tx, here.0, here.1, made[0], after(2)).await?);
    let row = delivery_get(tx, here.0, made[0]).await?.unwrap();
    assert_eq!((row.state, row.attempts, row.due_at), (DeliveryState::Pending, 0, after(2)));
    assert_eq!((row.finished_at, row.cause, row.status_code), (None, None, None));
    assert_eq!(row.event_id, dead.items[0].event_id);

    let leased = claim(tx, here, after(2), 1).await?;
    assert_eq!(deliveries_cancel(tx, there.0, here.1, after(3)).await?, 0);
    assert_eq!(deliveries_cancel(tx, here.0, here.1, after(3)).await?, 3);
    let late = [outcome(&leased[0], Next::Delivered, 200)];
    assert_eq!(delivery_record(tx, &late, after(4)).await?, [false], "it was cancelled meanwhile");
    assert!(lanes_due(tx, None, after(1000), LATER, Gate::Approval).await?.is_empty());
    assert_eq!(backlog(tx).await?, Ledger { accepted: 3, cancelled: 3, ..Ledger::default() });
    assert!(delivery_retry(tx, here.0, here.1, made[2], after(5)).await?, "even a cancelled one");
    Ok(())
}
