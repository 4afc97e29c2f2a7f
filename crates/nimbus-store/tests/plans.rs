//! How each engine finds the rows of every list: by an index, in its order, and never through a whole table.

use std::fmt::Write as _;

use nimbus_core::{
    ids::{ClinicId, DeliveryId, EndpointId, EventId, OrderId, PatientId},
    order::{FillStatus, HoldReason},
    patient::PatientStatus,
    practitioner::PractitionerStatus,
    prescription::PrescriptionStatus,
    refill::RefillStatus,
    shipment::ShipmentStatus,
    time::{Date, Ts, parse_date},
};
use nimbus_store::{
    Db, Engine, Result, Tx, clinic_drugs, deliveries,
    deliveries::DeliveryState,
    inventory, label_purchases, orders,
    page::Page,
    patients, practitioners, prescriptions, refills,
    replays::{self, Replay, ReplayState, Which},
    shipments, tenants, two_engines,
};
use uuid::Uuid;

/// Rows of each big table; as many patients as there are per hundred of them.
const ROWS: i64 = 20_000;

/// Fills a table by one statement in either dialect: `$id` is a new id, `$at` a time that grows with `i`, `$bytes`
/// what is not read, and `$clinic` and the like are single ids that the scene has.
const FILL: [&str; 10] = [
    "insert into practitioners (clinic_id, id, status, profile, npi_hash, version, created_at, updated_at)
        select $clinic, $id, case when i % 10 = 0 then 'pending' else 'active' end, $bytes, null, 1, $at, $at from n",
    "insert into patients (clinic_id, id, practitioner_id, status, profile, identity_hash, version, created_at,
            updated_at)
        select $clinic, $id, $practitioner, case when i % 10 = 0 then 'inactive' else 'active' end, $bytes, $hash, 1,
            $at, $at from n",
    "insert into prescriptions (clinic_id, id, patient_id, practitioner_id, status, detail, schedule, quantity,
            refills_authorized, refills_used, do_not_refill, date_issued, expires_on, version, created_at, updated_at)
        select $clinic, $id, $patient, $practitioner, case when i % 10 = 0 then 'completed' else 'active' end, $bytes,
            'unscheduled', 1000, 3, 0, $false, '2026-01-01', '2027-01-01', 1, $at, $at from n",
    "insert into orders (clinic_id, id, patient_id, practitioner_id, status, standing, refrigerated, ordering_key,
            shipping_address, version, created_at, updated_at)
        select $clinic, $id, $patient, $practitioner,
            case when i % 100 = 0 then 'received' when i % 100 = 1 then 'shipped' else 'delivered' end,
            case when i % 100 = 0 then 'received' when i % 100 = 1 then 'shipped' else 'delivered' end, $false, $id,
            $bytes, 1, $at, $at from n",
    "insert into order_lines (clinic_id, id, order_id, prescription_id, position, status, quantity, updated_at)
        select clinic_id, $id, id, $prescription, 0, status, 1000, updated_at from orders",
    "insert into shipments (clinic_id, id, patient_id, ordering_key, status, carrier_id, carrier_name, service_id,
            delivery_method, delivery_location, ships_at, version, created_at, updated_at)
        select $clinic, $id, $patient, $id, case when i % 100 = 0 then 'in_transit' else 'delivered' end, 'c', 'c', 's',
            'd', $bytes, $at, 1, $at, $at from n",
    "insert into shipment_lines (clinic_id, shipment_id, line_id, order_id, position)
        select clinic_id, id, $id, $id, 0 from shipments",
    "insert into refills (clinic_id, id, patient_id, prescription_id, line_id, status, requested_quantity, version,
            created_at, updated_at)
        select $clinic, $id, $patient, $prescription, $id, case when i % 100 = 0 then 'denied' else 'delivered' end,
            1000, 1, $at, $at from n",
    "insert into deliveries (clinic_id, id, endpoint_id, event_id, event_name, state, attempts, due_at, created_at)
        select $clinic, $id, $endpoint, $id, 'x', case when i % 100 = 0 then 'dead' else 'delivered' end, 1, $at, $at
        from n",
    "insert into inventory_lots (id, drug_id, lot_number, expires_on, unit, on_hand, created_at, updated_at)
        select $id, 'drug-' || cast(i % 100 as text), cast(i as text),
            case when i % 100 = 0 then $soon else $late end, 'tablet', i % 2 * 1000, $at, $at from n",
];

struct Scene {
    clinic: ClinicId,
    endpoint: EndpointId,
    patient: PatientId,
}

fn at(second: i64) -> Ts {
    Ts::from_micros(1_767_225_600_000_000).plus_seconds(second)
}

fn date(year: i16, month: i8, day: i8) -> Date {
    parse_date(&format!("{year}-{month:02}-{day:02}")).unwrap()
}

/// An id as either dialect writes it.
fn literal(engine: Engine, id: Uuid) -> String {
    match engine {
        Engine::Sqlite => format!("x'{}'", id.simple()),
        Engine::Postgres => format!("cast('{id}' as uuid)"),
    }
}

async fn run(tx: &mut Tx, sql: String) -> Result<()> {
    // The few texts of one test.
    tx.execute(Box::leak(sql.into_boxed_str()), &[]).await.map(drop)
}

/// The first row of a table, which others refer to.
async fn first(tx: &mut Tx, sql: &'static str) -> Result<Uuid> {
    tx.query_one(sql, &[]).await?.columns().take()
}

async fn fill(tx: &mut Tx) -> Result<Scene> {
    let engine = tx.engine();
    let partner = tenants::Partner {
        id: Uuid::now_v7().into(),
        name: "Partner".to_owned(),
        status: tenants::PartnerStatus::Approved,
        created_at: at(0),
        updated_at: at(0),
    };
    tenants::partner_insert(tx, &partner).await?;
    let clinic = ClinicId(Uuid::now_v7());
    let row = tenants::Clinic {
        id: clinic,
        partner_id: partner.id,
        name: "Clinic".to_owned(),
        created_at: at(0),
        updated_at: at(0),
        version: 1,
        deleted_at: None,
        clock_ahead_us: 0,
    };
    tenants::clinic_insert(tx, &row).await?;
    let endpoint = EndpointId(Uuid::now_v7());
    let (mut practitioner, mut patient, mut prescription) = (Uuid::nil(), Uuid::nil(), Uuid::nil());
    for text in FILL {
        if text.contains("$practitioner") && practitioner.is_nil() {
            practitioner = first(tx, "select id from practitioners limit 1").await?;
        }
        if text.contains("$patient,") && patient.is_nil() {
            patient = first(tx, "select id from patients limit 1").await?;
        }
        if text.contains("$prescription") && prescription.is_nil() {
            prescription = first(tx, "select id from prescriptions limit 1").await?;
        }
        let mut sql =
            format!("with recursive n (i) as (select 1 union all select i + 1 from n where i < {ROWS}) ");
        // A statement of its own before `insert` is PostgreSQL's and SQLite's alike.
        let _ = write!(sql, "{text}");
        let (id, time, bytes, hash, no, day) = match engine {
            Engine::Sqlite => {
                ("randomblob(16)", "1767225600000000 + i * 1000000", "x'00'", "randomblob(32)", "0", "")
            }
            Engine::Postgres => (
                "gen_random_uuid()",
                "to_timestamp(1767225600 + i)",
                "cast('x' as bytea)",
                "cast(cast(gen_random_uuid() as text) as bytea)",
                "false",
                "date",
            ),
        };
        let few = format!(
            "case when i % 100 = 0 then {} else (select id from patients order by id limit 1 offset 1) end",
            literal(engine, patient)
        );
        for (name, value) in [
            ("$practitioner", literal(engine, practitioner)),
            ("$prescription", literal(engine, prescription)),
            ("$patient", few),
            ("$endpoint", literal(engine, endpoint.0)),
            ("$clinic", literal(engine, clinic.0)),
            ("$bytes", bytes.to_owned()),
            ("$false", no.to_owned()),
            ("$soon", format!("{day} '2026-01-01'")),
            ("$late", format!("{day} '2027-01-01'")),
            ("$hash", hash.to_owned()),
            ("$id", id.to_owned()),
            ("$at", time.to_owned()),
        ] {
            sql = sql.replace(name, &value);
        }
        if engine == Engine::Postgres {
            sql = sql.replace("'2026-01-01', '2027-01-01'", "date '2026-01-01', date '2027-01-01'");
        }
        run(tx, sql).await?;
    }
    if engine == Engine::Postgres {
        run(tx, "analyze".to_owned()).await?;
    }
    Ok(Scene { clinic, endpoint, patient: PatientId(patient) })
}

/// Pages that differ in what they ask of the planner.
async fn pages(tx: &mut Tx, cursor: &'static str) -> Result<Vec<Page>> {
    let deep = first(tx, cursor).await?;
    let plain = Page::default();
    Ok(vec![
        plain.clone(),
        Page { before: Some(deep), ..plain.clone() },
        Page { created_from: Some(at(100)), created_until: Some(at(200)), ..plain.clone() },
        Page { created_from: Some(at(0)), before: Some(deep), ..plain.clone() },
        Page { updated_from: Some(at(ROWS - 50)), ..plain.clone() },
        Page { updated_from: Some(at(0)), before: Some(deep), ..plain },
    ])
}

/// Asks for every list; what they read is not looked at, as nothing in the rows opens.
async fn ask_all(tx: &mut Tx, scene: &Scene) -> Result<()> {
    let (clinic, patient) = (scene.clinic, Some(scene.patient));
    let processing =
        [FillStatus::Submitted, FillStatus::Acknowledged, FillStatus::Filling, FillStatus::Filled];
    for page in pages(tx, "select id from orders order by created_at limit 1 offset 10000").await? {
        for patient in [None, patient] {
            for status in [None, Some(FillStatus::Received), Some(FillStatus::Delivered)] {
                orders::order_list(tx, clinic, status, patient, &page).await.ok();
            }
            for standings in [&[FillStatus::Shipped][..], &processing] {
                orders::order_list_by_standing(tx, clinic, standings, patient, &page).await.ok();
            }
        }
        // Staff's lists of every clinic have no index of changes: it would cost each order more than it is worth.
        let changes = page.updated_from.is_some();
        for status in [None, Some(FillStatus::Received)].into_iter().filter(|_| !changes) {
            for of in [None, Some(clinic)] {
                orders::order_queue(tx, of, status, None, None, None, &page).await.ok();
                let hold = Some(HoldReason::Address);
                orders::order_queue(tx, of, status, hold, None, Some(true), &page).await.ok();
            }
        }
    }
    for page in pages(tx, "select id from prescriptions order by created_at limit 1 offset 10000").await? {
        for status in [None, Some(PrescriptionStatus::Completed)] {
            for patient in [None, patient] {
                prescriptions::prescription_list(tx, clinic, patient, status, &page).await.ok();
            }
        }
    }
    for page in pages(tx, "select id from refills order by created_at limit 1 offset 10000").await? {
        for status in [None, Some(RefillStatus::Denied)] {
            for patient in [None, patient] {
                refills::refill_list(tx, Some(clinic), status, patient, &page).await.ok();
            }
            if page.updated_from.is_none() {
                refills::refill_list(tx, None, status, None, &page).await.ok();
            }
        }
    }
    for page in pages(tx, "select id from shipments order by created_at limit 1 offset 10000").await? {
        for of in [None, Some(clinic)].into_iter().filter(|of| of.is_some() || page.updated_from.is_none()) {
            for status in [None, Some(ShipmentStatus::InTransit)] {
                shipments::shipment_list(tx, of, status, &page).await.ok();
                let since = (at(ROWS - 50), at(ROWS));
                shipments::shipments_needing_attention(tx, of, status, since, &page).await.ok();
            }
        }
    }
    orders::orders_held_for_license(tx, OrderId(Uuid::nil()), 500).await.ok();
    let lots = pages(tx, "select id from inventory_lots order by created_at limit 1 offset 10000").await?;
    for page in lots.into_iter().filter(|page| page.updated_from.is_none()) {
        for drug in [None, Some("drug-1"), Some("no-drug")] {
            for in_stock in [None, Some(true), Some(false)] {
                // No lots expire before the first day, few before the second, most before the third.
                for before in [None, Some(date(2025, 1, 1)), Some(date(2026, 6, 1)), Some(date(2030, 1, 1))] {
                    inventory::lot_list(tx, drug, in_stock, before, &page).await?;
                }
            }
        }
    }
    shipments::shipments_by_tracking_any(tx, Some("c"), "1Z").await.ok();
    label_purchases::label_bought_by_number(tx, "c", "1Z", Uuid::nil().into()).await.ok();
    clinic_drugs::clinic_drug_own_any(tx, "own-1").await.ok();
    for page in pages(tx, "select id from patients order by created_at limit 1 offset 10000").await? {
        for status in [None, Some(PatientStatus::Inactive)] {
            patients::patient_list(tx, clinic, status, None, &page).await.ok();
            patients::patient_list(tx, clinic, status, Some("a|b|2000-01-01"), &page).await.ok();
        }
    }
    for page in pages(tx, "select id from practitioners order by created_at limit 1 offset 10000").await? {
        for of in [None, Some(clinic)].into_iter().filter(|of| of.is_some() || page.updated_from.is_none()) {
            for status in [None, Some(PractitionerStatus::Pending)] {
                practitioners::practitioner_list(tx, of, status, &page).await.ok();
            }
        }
    }
    for page in pages(tx, "select id from deliveries order by created_at limit 1 offset 10000").await? {
        for state in [None, Some(DeliveryState::Dead), Some(DeliveryState::Delivered)] {
            deliveries::deliveries_of_endpoint(tx, clinic, scene.endpoint, state, &page).await.ok();
        }
        deliveries::deliveries_dead(tx, clinic, &page).await?;
    }
    deliveries::delivery_of_event(tx, clinic, scene.endpoint, EventId(Uuid::nil())).await?;
    for since in [0, ROWS - 50] {
        deliveries::delivery_stats(tx, clinic, scene.endpoint, at(since)).await?;
    }
    ask_replays(tx, scene).await?;
    Ok(())
}

/// What a replay asks, at its beginning and far on.
async fn ask_replays(tx: &mut Tx, scene: &Scene) -> Result<()> {
    let deep = first(tx, "select id from deliveries order by created_at limit 1 offset 10000").await?;
    for which in [Which::Failed, Which::All] {
        for cursor in [None, Some(deep.into())] {
            let replay = Replay {
                id: Uuid::now_v7().into(),
                clinic_id: scene.clinic,
                endpoint_id: scene.endpoint,
                since: at(0),
                until: at(ROWS),
                which,
                event_types: None,
                per_second: 50,
                state: ReplayState::Running,
                total: 0,
                queued: 0,
                cursor,
                version: 1,
                created_at: at(ROWS),
                finished_at: None,
            };
            for types in [None, Some(&["x"][..])] {
                replays::replay_count(tx, &replay, types).await?;
                replays::replay_queue(tx, &replay, types, 200, at(ROWS)).await?;
            }
            replays::replay_progress(tx, scene.clinic, replay.id).await?;
            replays::replay_take_back(tx, scene.clinic, replay.id, 1000).await?;
        }
    }
    Ok(())
}

/// Names of subqueries, each of which a page's limit (or a batch's, or the thousand of a range that holds few) bounds.
const BOUNDED: [&str; 9] = ["o", "s", "few", "changed", "latest", "waiting", "next", "unsent", "(subquery"];

/// Conditions that have an index of their own.
const FILTERS: [&str; 5] =
    [" status = $9 and", "standing = $9", "patient_id = $9 and", "patient_id = $1", " in (select"];

/// Why a plan of SQLite would not stay fast.
fn sqlite_fault(sql: &str, plan: &str) -> Option<String> {
    // A set that is sorted: a thousand changed rows, or a page for each of four standings.
    let sorts_few = sql.contains("limit 2000) few") || sql.contains("union all");
    for line in plan.lines() {
        let step = line.trim_start();
        let scanned = step.strip_prefix("SCAN ").and_then(|rest| rest.split([' ', '-']).next());
        if scanned.is_some_and(|name| !BOUNDED.contains(&name) && name != "CONSTANT") {
            return Some(format!("scans: {line}"));
        }
        let whole = step == "USE TEMP B-TREE FOR ORDER BY";
        // The outermost sort is of a page's rows with what belongs to them.
        let outermost = line == step && sql.contains(" join ");
        if whole && !sorts_few && !outermost {
            return Some(format!("sorts: {line}"));
        }
        let filtered = FILTERS.iter().any(|filter| sql.contains(filter));
        if filtered && step.contains("_by_created") {
            return Some(format!("walks past what is filtered out: {line}"));
        }
        if step.contains("AUTOMATIC") {
            return Some(format!("makes an index: {line}"));
        }
    }
    None
}

/// Reading a whole table that costs less than this (a page of the disk is one) is right: it is all but empty.
const EMPTY: f64 = 20.0;

/// Why a plan of PostgreSQL would not stay fast.
fn postgres_fault(plan: &str) -> Option<String> {
    let scanned = |line: &&str| {
        let cost = line.split("Seq Scan on ").nth(1).and_then(|rest| rest.split("..").nth(1));
        let cost = cost.and_then(|rest| rest.split(' ').next()).and_then(|cost| cost.parse::<f64>().ok());
        cost.is_some_and(|cost| cost > EMPTY)
    };
    plan.lines().find(scanned).map(|line| format!("scans: {line}"))
}

two_engines! {
    async fn lists_are_found_by_indexes(db: Db) {
        let plans = db.write(|tx: &mut Tx| Box::pin(async move {
            let scene = fill(tx).await?;
            tx.keep_plans();
            ask_all(tx, &scene).await?;
            Ok::<_, nimbus_store::Error>((tx.engine(), tx.take_plans()))
        })).await.unwrap();
        let (engine, plans) = plans;
        assert!(plans.len() > 150, "{} plans", plans.len());
        let mut faults = String::new();
        for (sql, plan) in &plans {
            let fault = match engine {
                // What looks for a cursor of the test itself.
                _ if sql.contains("offset 10000") => None,
                Engine::Sqlite => sqlite_fault(sql, plan),
                Engine::Postgres => postgres_fault(plan),
            };
            if let Some(fault) = fault {
                writeln!(faults, "{fault}\n{plan}\n  {sql}\n").unwrap();
            }
        }
        assert!(faults.is_empty(), "{faults}");
    }
}

two_engines! {
    /// A backlog may gather faster than statistics are taken.
    async fn what_ends_is_found_by_its_key_before_there_are_statistics(db: Db) {
        let plans = db.write(|tx: &mut Tx| Box::pin(async move {
            let (clinic, endpoint) = (ClinicId(Uuid::now_v7()), EndpointId(Uuid::now_v7()));
            let (id, time) = match tx.engine() {
                Engine::Sqlite => ("randomblob(16)", "1767225600000000"),
                Engine::Postgres => ("gen_random_uuid()", "to_timestamp(1767225600)"),
            };
            run(tx, format!(
                "with recursive n (i) as (select 1 union all select i + 1 from n where i < {ROWS})
                insert into deliveries
                    (clinic_id, id, endpoint_id, event_id, event_name, state, attempts, due_at, created_at)
                select {}, {id}, {}, {id}, 'x', 'pending', 0, {time}, {time} from n",
                literal(tx.engine(), clinic.0), literal(tx.engine(), endpoint.0),
            )).await?;
            let ended = |_| deliveries::Outcome {
                clinic_id: clinic,
                endpoint_id: endpoint,
                delivery_id: DeliveryId(Uuid::now_v7()),
                token: Uuid::now_v7(),
                attempt: None,
                next: deliveries::Next::Delivered,
            };
            let ended: Vec<_> = (0..512).map(ended).collect();
            tx.keep_plans();
            deliveries::delivery_record(tx, &ended, at(1)).await?;
            Ok::<_, nimbus_store::Error>((tx.engine(), tx.take_plans()))
        })).await.unwrap();
        let (engine, plans) = plans;
        // SQLite has a statement for each, by the primary key.
        assert_eq!(plans.len(), usize::from(engine == Engine::Postgres), "{plans:?}");
        for (_, plan) in &plans {
            // Random ids are of no month: the partition that holds them.
            let mut found = plan.lines().filter(|line| line.contains("Scan") && line.contains(" on deliveries_default"));
            let by_key = found.next().is_some_and(|line| line.contains("_pkey on "));
            assert!(by_key && found.next().is_none(), "{plan}");
        }
    }
}

#[test]
fn faults_are_seen() {
    for plan in ["SCAN orders", "CO-ROUTINE o\n  SCAN orders USING x", "SEARCH l USING AUTOMATIC COVERING"] {
        assert!(sqlite_fault("select", plan).is_some(), "{plan}");
    }
    let sorted = "CO-ROUTINE o\n  SEARCH orders USING x\n  USE TEMP B-TREE FOR ORDER BY\nSCAN o";
    assert!(sqlite_fault("select a join b", sorted).is_some());
    let created = "SEARCH orders USING orders_by_created (clinic_id=?)";
    assert!(sqlite_fault("select a where status = $9 and b", created).is_some());
    assert!(sqlite_fault("select a where b", created).is_none());
    assert!(sqlite_fault("select a join b", "SCAN o\nUSE TEMP B-TREE FOR ORDER BY").is_none());
    assert!(
        postgres_fault("Limit\n  ->  Seq Scan on orders  (cost=0.00..835.00 rows=49 width=316)").is_some()
    );
}
