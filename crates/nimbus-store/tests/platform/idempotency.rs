//! Replies under idempotency keys.

use std::time::{Duration, Instant};

use nimbus_core::ids::ClinicId;
use nimbus_store::{
    Db, Engine, Error, Result, Tx,
    idempotency::{
        Answer, Stored, idempotency_claim, idempotency_complete, idempotency_get, idempotency_purge,
        idempotency_put, idempotency_release,
    },
    keyring::PLATFORM,
    two_engines,
};
use uuid::Uuid;

use crate::support::{after, assert_not_authentic, clinic, id, now};

const REPLY: &[u8] = br#"{"success":true,"data":{"first_name":"Jane"}}"#;
/// What each request was about.
const SUBJECT: Uuid = Uuid::from_u128(77);

fn answer<'a>(status: u16, reply: &'a [u8], location: Option<&'a str>) -> Answer<'a> {
    Answer { status, reply, location, subject: Some(("patient", SUBJECT)) }
}

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }

    async fn one_of_many_claims(db: Db) {
        let clinic = db.write(|tx: &mut Tx| Box::pin(clinic(tx))).await.unwrap();
        let owner: Uuid = id();
        let ask = || db.write(move |tx: &mut Tx| Box::pin(async move {
            let claimed = idempotency_claim(tx, owner, "k", clinic, &[1; 32], now(), after(60)).await?;
            if claimed {
                idempotency_complete(tx, owner, "k", clinic, answer(200, REPLY, None)).await?;
            }
            let stored = idempotency_get(tx, owner, "k", clinic, now()).await?;
            Ok::<_, Error>((claimed, stored.map(|stored| stored.reply)))
        }));
        let answers = futures_util::future::join_all((0..16).map(|_| ask())).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|(claimed, _)| *claimed).count(), 1);
        assert!(answers.iter().all(|(_, reply)| reply.as_deref() == Some(REPLY)));
    }

    async fn a_claim_ends_with_its_transaction(db: Db) {
        let clinic = db.write(|tx: &mut Tx| Box::pin(clinic(tx))).await.unwrap();
        let owner: Uuid = id();
        let failed: Result<()> = db.write(move |tx: &mut Tx| Box::pin(async move {
            answered(tx, owner, "k", clinic).await?;
            Err(Error::Corrupt("on purpose"))
        })).await;
        assert!(failed.is_err());
        let again = db.write(move |tx: &mut Tx| Box::pin(async move {
            assert!(idempotency_get(tx, owner, "k", clinic, now()).await?.is_none());
            let rows = tx.query("select 1 from idempotency where owner = $1", &[owner.into()]).await?;
            assert!(rows.is_empty());
            idempotency_claim(tx, owner, "k", clinic, &[2; 32], now(), after(60)).await
        })).await;
        assert!(again.unwrap());
    }

    async fn a_reply_that_comes_late_is_stored_unless_the_key_is_anothers(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(late(tx))).await.unwrap();
    }

    async fn a_claim_is_given_back_by_whoever_holds_it(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(given_back(tx))).await.unwrap();
    }

    async fn only_a_claimed_key_is_completed(db: Db) {
        let unclaimed = db.write(|tx: &mut Tx| Box::pin(async move {
            let clinic = clinic(tx).await?;
            idempotency_complete(tx, id(), "k", clinic, answer(200, REPLY, None)).await
        })).await;
        assert!(matches!(unclaimed, Err(Error::Corrupt(_))));
    }

    async fn replies_of_no_clinic_are_sealed_by_the_platform(db: Db) {
        let reply = db.write(|tx: &mut Tx| Box::pin(async move {
            let owner = id();
            answered(tx, owner, "k", PLATFORM).await?;
            let stored = idempotency_get(tx, owner, "k", PLATFORM, now()).await?;
            Ok::<_, Error>(stored.map(|stored| stored.reply))
        })).await;
        assert_eq!(reply.unwrap().as_deref(), Some(REPLY));
    }

    async fn a_reply_opens_under_its_key_only(db: Db) {
        let moved = db.write(|tx: &mut Tx| Box::pin(async move {
            let (clinic, owner) = (clinic(tx).await?, id());
            answered(tx, owner, "one", clinic).await?;
            tx.execute("update idempotency set key = $1 where owner = $2", &["two".into(), owner.into()]).await?;
            idempotency_get(tx, owner, "two", clinic, now()).await.map(drop)
        })).await;
        assert_not_authentic(moved);
    }
}

/// SQLite has one writer: there a claim never meets one that is not answered.
#[test]
fn a_claim_waits_for_another_for_a_bounded_time() {
    nimbus_store::testing::run_on(Engine::Postgres, |db| async move {
        let clinic = db.write(|tx: &mut Tx| Box::pin(clinic(tx))).await.unwrap();
        let owner: Uuid = id();
        let first = db.write(move |tx: &mut Tx| {
            Box::pin(async move {
                answered(tx, owner, "k", clinic).await?;
                tx.query("select pg_sleep(9)", &[]).await.map(drop)
            })
        });
        let second = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let started = Instant::now();
            let claimed = db
                .write(move |tx: &mut Tx| {
                    Box::pin(async move {
                        idempotency_claim(tx, owner, "k", clinic, &[1; 32], now(), after(60)).await
                    })
                })
                .await;
            (claimed, started.elapsed())
        };
        let (first, (second, waited)) = tokio::join!(first, second);
        first.unwrap();
        assert!(matches!(second, Err(Error::Busy)), "{second:?}");
        assert!((4..7).contains(&waited.as_secs()), "{waited:?}");
        let timeout: String = db
            .write(move |tx: &mut Tx| {
                Box::pin(async move {
                    assert!(!idempotency_claim(tx, owner, "k", clinic, &[1; 32], now(), after(60)).await?);
                    tx.query_one("select current_setting('lock_timeout')", &[]).await?.columns().take()
                })
            })
            .await
            .unwrap();
        assert_eq!(timeout, "0", "other statements wait as before");
    });
}

async fn answered(tx: &mut Tx, owner: Uuid, key: &str, clinic: ClinicId) -> Result<()> {
    assert!(idempotency_claim(tx, owner, key, clinic, &[1; 32], now(), after(60)).await?);
    idempotency_complete(tx, owner, key, clinic, answer(201, REPLY, None)).await
}

async fn late(tx: &mut Tx) -> Result<()> {
    let owner: Uuid = id();
    let reply = |fingerprint| Stored {
        subject: Some(("shipment".to_owned(), SUBJECT)),
        fingerprint: vec![fingerprint; 32],
        status: 201,
        reply: REPLY.to_vec(),
        location: Some("/shipments/1".to_owned()),
    };
    let claim = idempotency_claim(tx, owner, "claimed", PLATFORM, &[1; 32], now(), after(60)).await?;
    assert!(claim);
    let other = reply(2);
    assert!(!idempotency_put(tx, (owner, "claimed"), PLATFORM, &other, now(), after(600)).await?);
    assert!(idempotency_get(tx, owner, "claimed", PLATFORM, now()).await?.is_none(), "another's reply");
    let own = reply(1);
    for (key, at) in [("claimed", now()), ("purged", now())] {
        assert!(idempotency_put(tx, (owner, key), PLATFORM, &own, at, after(600)).await?);
        let stored = idempotency_get(tx, owner, key, PLATFORM, after(599)).await?.unwrap();
        assert!(stored == own, "{key}");
    }
    assert!(
        !idempotency_put(tx, (owner, "claimed"), PLATFORM, &own, now(), after(900)).await?,
        "stored once"
    );
    assert!(
        idempotency_put(tx, (owner, "claimed"), PLATFORM, &other, after(600), after(900)).await?,
        "it ran out"
    );
    let stored = idempotency_get(tx, owner, "claimed", PLATFORM, after(601)).await?.unwrap();
    assert_eq!(stored.fingerprint, [2; 32]);
    Ok(())
}

async fn given_back(tx: &mut Tx) -> Result<()> {
    let owner: Uuid = id();
    assert!(idempotency_claim(tx, owner, "k", PLATFORM, &[1; 32], now(), after(60)).await?);
    idempotency_release(tx, owner, "k", &[2; 32]).await?;
    assert!(
        !idempotency_claim(tx, owner, "k", PLATFORM, &[2; 32], now(), after(60)).await?,
        "another's claim"
    );
    idempotency_release(tx, owner, "k", &[1; 32]).await?;
    assert!(idempotency_claim(tx, owner, "k", PLATFORM, &[2; 32], now(), after(60)).await?);
    idempotency_complete(tx, owner, "k", PLATFORM, answer(201, REPLY, None)).await?;
    idempotency_release(tx, owner, "k", &[2; 32]).await?;
    assert!(idempotency_get(tx, owner, "k", PLATFORM, now()).await?.is_some(), "a reply stays");
    Ok(())
}

async fn told(tx: &mut Tx) -> Result<()> {
    let clinic = clinic(tx).await?;
    let (owner, other): (Uuid, Uuid) = (id(), id());
    assert!(idempotency_get(tx, owner, "k", clinic, now()).await?.is_none());
    assert!(idempotency_claim(tx, owner, "k", clinic, &[1; 32], now(), after(60)).await?);
    assert!(idempotency_get(tx, owner, "k", clinic, now()).await?.is_none(), "not answered yet");
    assert!(!idempotency_claim(tx, owner, "k", clinic, &[2; 32], now(), after(60)).await?);
    idempotency_release(tx, owner, "k", &[1; 32]).await?;
    assert!(idempotency_claim(tx, owner, "k", clinic, &[1; 32], now(), after(60)).await?, "it was freed");
    idempotency_complete(tx, owner, "k", clinic, answer(201, REPLY, Some("/orders/ord_1"))).await?;
    let stored = idempotency_get(tx, owner, "k", clinic, after(59)).await?.unwrap();
    assert_eq!((stored.status, stored.reply.as_slice()), (201, REPLY));
    assert_eq!(stored.location.as_deref(), Some("/orders/ord_1"));
    assert_eq!(stored.fingerprint, [1; 32]);
    let row = tx.query_one("select reply from idempotency where owner = $1", &[owner.into()]).await?;
    let sealed: Vec<u8> = row.columns().take()?;
    assert!(!sealed.windows(4).any(|part| part == b"Jane"));

    answered(tx, other, "k", clinic).await?;
    answered(tx, owner, "l", clinic).await?;
    idempotency_release(tx, owner, "k", &[1; 32]).await?;
    assert!(idempotency_get(tx, owner, "k", clinic, after(59)).await?.is_some(), "what was answered stays");
    assert!(idempotency_get(tx, owner, "k", clinic, after(60)).await?.is_none(), "expired");
    assert!(!idempotency_claim(tx, owner, "k", clinic, &[3; 32], after(59), after(99)).await?);
    assert!(idempotency_claim(tx, owner, "k", clinic, &[3; 32], after(60), after(99)).await?, "taken anew");
    assert!(idempotency_get(tx, owner, "k", clinic, after(60)).await?.is_none(), "nor with the old reply");
    assert_eq!(idempotency_purge(tx, after(59), 10).await?, 0);
    assert_eq!(idempotency_purge(tx, after(60), 1).await?, 1);
    assert_eq!(idempotency_purge(tx, after(60), 10).await?, 1);
    assert_eq!(idempotency_purge(tx, after(60), 10).await?, 0);
    idempotency_complete(tx, owner, "k", clinic, answer(422, b"anew", None)).await?;
    let anew = idempotency_get(tx, owner, "k", clinic, after(98)).await?.unwrap();
    assert_eq!((anew.fingerprint, anew.status, anew.reply), (vec![3; 32], 422, b"anew".to_vec()));
    assert_eq!(anew.location, None);
    Ok(())
}
