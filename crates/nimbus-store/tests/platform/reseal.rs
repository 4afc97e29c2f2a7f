//! Sealing anew with a clinic's newest key.

use std::collections::BTreeSet;

use nimbus_core::ids::ClinicId;
use nimbus_store::{
    Db, Engine, Error, Result, Tx,
    endpoints::{endpoint_get, endpoint_insert},
    events::{event_body, event_statements},
    keyring,
    reseal::{SEALED, SEALED_BY_PLATFORM, Sealed, Step, data_keys, data_keys_prune, reseal_step, sealed_of},
    testing::{TestDb, block_on},
    two_engines,
};

use crate::support::{clinic, endpoint, event, now};

const EVENTS: usize = 450;

/// Columns that hold nothing that is sealed anew: hashes, and what is wrapped or sealed elsewhere.
const OTHERS: [(&str, &str); 23] = [
    ("api_keys", "hash"),
    ("audit_chain", "hash"),
    ("audit_checkpoints", "hash"),
    ("audit_checkpoints", "signature"),
    ("audit_keys", "public_key"),
    ("audit_links", "hash"),
    ("clinic_keys", "wrapped"),
    ("idempotency", "fingerprint"),
    ("idempotency", "reply"),
    ("label_purchases", "asked_fingerprint"),
    ("ops_tokens", "hash"),
    ("root_wraps", "wrapped"),
    ("rules_packs", "digest"),
    ("patients", "identity_hash"),
    ("practitioners", "npi_hash"),
    ("staff_attempts", "account"),
    ("staff_challenges", "challenge"),
    ("staff_devices", "hash"),
    ("staff_invitations", "hash"),
    ("staff_passkeys", "credential_id"),
    ("staff_passkeys", "public_key"),
    ("staff_recovery_codes", "hash"),
    ("staff_sessions", "hash"),
];

async fn column(db: &Db, clinic: ClinicId, sealed: &'static Sealed, count_only: bool) -> Result<Step> {
    let (mut all, mut after) = (Step::default(), None);
    loop {
        let step =
            db.write(move |tx: &mut Tx| Box::pin(reseal_step(tx, clinic, sealed, after, count_only))).await?;
        all.outdated += step.outdated;
        all.unreadable += step.unreadable;
        after = step.last;
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// How many values older keys have sealed, and how many of them do not open.
async fn outdated(db: &Db, clinic: ClinicId, count_only: bool) -> (u64, u64) {
    let mut found = (0, 0);
    for sealed in sealed_of(clinic) {
        let step = column(db, clinic, sealed, count_only).await.unwrap();
        found = (found.0 + step.outdated, found.1 + step.unreadable);
    }
    found
}

two_engines! {
    async fn what_older_keys_have_sealed_is_sealed_anew(db: Db) {
        let made = db.write(|tx: &mut Tx| Box::pin(async move {
            let (here, there) = (clinic(tx).await?, clinic(tx).await?);
            let hook = endpoint(here, "https://partner.example/hook");
            endpoint_insert(tx, &hook).await?;
            let mut ids = Vec::new();
            for number in 0..EVENTS {
                let event = event(if number % 3 == 0 { there } else { here }, &number.to_string());
                let statements = event_statements(tx, std::slice::from_ref(&event)).await?;
                tx.batch(statements).await?;
                if event.clinic_id == here {
                    ids.push((event.id, event.body.clone()));
                }
            }
            Ok::<_, Error>((here, there, hook, ids))
        }));
        let (here, there, hook, ids) = made.await.unwrap();
        assert_eq!(outdated(&db, here, true).await, (0, 0));
        for clinic in [here, there] {
            let rotated = db.write(move |tx: &mut Tx| Box::pin(keyring::data_key_rotate(tx, clinic, now())));
            assert_eq!(rotated.await.unwrap(), 2);
        }
        let bytes = ids[5].1.clone();
        let flipped = ids[5].0;
        let altered = db.write(move |tx: &mut Tx| Box::pin(async move {
            let sql = "select body from events where id = $1";
            let mut body: Vec<u8> = tx.query_one(sql, &[flipped.into()]).await?.columns().take()?;
            *body.last_mut().unwrap() ^= 1;
            let sql = "update events set body = $2 where id = $1";
            tx.execute(sql, &[flipped.into(), body.into()]).await
        }));
        altered.await.unwrap();

        // The endpoint has four sealed values.
        let count = ids.len() as u64 + 4;
        assert_eq!(outdated(&db, here, true).await, (count, 1));
        assert_eq!(outdated(&db, here, false).await, (count, 1));
        assert_eq!(outdated(&db, here, true).await, (1, 1), "what does not open stays as it is");
        assert_eq!(outdated(&db, there, true).await, (EVENTS as u64 / 3, 0), "another clinic's is left alone");

        let pruned = db.write(move |tx: &mut Tx| Box::pin(data_keys_prune(tx, here, 2)));
        assert_eq!(pruned.await.unwrap(), 1);
        let versions = db.read(move |tx: &mut Tx| Box::pin(data_keys(tx, here))).await.unwrap();
        assert_eq!(versions, [(2, now())]);
        let none = db.write(move |tx: &mut Tx| Box::pin(data_keys_prune(tx, here, 3)));
        assert_eq!(none.await.unwrap(), 0, "the newest stays");
        let read = db.read(move |tx: &mut Tx| {
            let (ids, hook, bytes) = (ids.clone(), hook.clone(), bytes.clone());
            Box::pin(async move {
                for (id, body) in ids.iter().filter(|(_, body)| *body != bytes) {
                    assert_eq!(event_body(tx, here, *id).await?.as_ref(), Some(body));
                }
                let found = endpoint_get(tx, here, hook.id).await?.unwrap();
                assert_eq!(found.secret.expose(), hook.secret.expose());
                assert_eq!(found.headers.expose(), hook.headers.expose());
                Ok::<_, Error>(())
            })
        });
        read.await.unwrap();
    }
}

/// A column of bytes that nobody has thought of would keep older keys from going, or be lost with them.
#[test]
fn every_column_of_bytes_is_known() {
    block_on(async {
        let test = TestDb::migrated(Engine::Postgres).await;
        let read = test.db.read(|tx: &mut Tx| {
            Box::pin(async move {
                let sql = "select cast(c.table_name as text), cast(c.column_name as text)
                    from information_schema.columns c
                    join pg_class t on t.relname = c.table_name and not t.relispartition
                    where c.table_schema = 'public' and c.data_type = 'bytea'";
                let rows = tx.query(sql, &[]).await?;
                let read = rows.iter().map(|row| {
                    let mut columns = row.columns();
                    Ok((columns.take()?, columns.take()?))
                });
                read.collect::<Result<BTreeSet<(String, String)>>>()
            })
        });
        let found = read.await.unwrap();
        let sealed = SEALED.iter().chain(SEALED_BY_PLATFORM).map(|sealed| (sealed.table, sealed.column));
        let known = sealed.chain(OTHERS).map(|(table, column)| (table.to_owned(), column.to_owned()));
        assert_eq!(found, known.collect());
    });
}
