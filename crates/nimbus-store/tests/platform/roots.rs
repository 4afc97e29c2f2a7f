//! Roots and master keys: another master key takes the place of the first one while processes run.

use std::sync::Arc;

use nimbus_core::ids::ClinicId;
use nimbus_store::{
    ClinicKeys, Db, Engine, Error, MasterKey, Result, SealError, SealedAt, Tx,
    custody::Custodian,
    keyring,
    roots::{Retired, master_retire, root_begin, root_list, root_step},
    testing::{TestDb, block_on, master_by_itself, master_key},
};
use uuid::Uuid;

use crate::support::{id, now};

const AT: SealedAt = SealedAt { table: "patients", column: "name", row: Uuid::from_u128(1) };

async fn create(db: &Db) -> ClinicId {
    let clinic = id();
    db.write(move |tx: &mut Tx| Box::pin(keyring::clinic_keys_create(tx, clinic, now()))).await.unwrap();
    clinic
}

async fn keys(db: &Db, clinic: ClinicId) -> Result<Arc<ClinicKeys>> {
    db.read(move |tx: &mut Tx| Box::pin(tx.keys(clinic))).await
}

fn successor() -> Arc<dyn Custodian> {
    MasterKey::new([8; 32]).into()
}

/// The versions of the roots, and how many keys each wraps.
async fn wrapped(db: &Db) -> Vec<(u32, i64)> {
    let roots = db.read(|tx: &mut Tx| Box::pin(root_list(tx))).await.unwrap();
    roots.into_iter().map(|root| (root.version, root.wraps)).collect()
}

fn on_both(test: impl AsyncFn(TestDb)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        block_on(async { test(TestDb::migrated(engine).await).await });
    }
}

fn is_refused(opened: Result<Db>, needed: &MasterKey) -> bool {
    let needed = vec![needed.id()];
    matches!(opened.map(drop), Err(Error::Seal(SealError::WrongMasterKey { needed: told })) if told == needed)
}

#[test]
fn another_master_key_takes_the_place_of_the_first() {
    on_both(async |test| {
        let (old, new) = (master_key(), MasterKey::new([8; 32]));
        let running = test.place.open(master_key()).await.unwrap();
        let before = create(&test.db).await;
        let sealed = keys(&running, before).await.unwrap().seal(AT, b"before");
        assert!(is_refused(test.place.open(new.clone()).await, &old));

        assert_eq!(root_begin(&test.db, successor().as_ref(), now()).await.unwrap(), 2);
        while root_step(&test.db).await.unwrap() > 0 {}
        assert_eq!(wrapped(&test.db).await, [(1, 0), (2, 4)], "of the clinic and of the platform");
        // Both open it, and who runs learns of the new root: by a key that it reads, and before it makes one.
        let fresh = create(&test.db).await;
        let theirs = create(&running).await;
        for db in [
            &running,
            &test.place.open(new.clone()).await.unwrap(),
            &test.place.open(old.clone()).await.unwrap(),
        ] {
            assert_eq!(keys(db, before).await.unwrap().open(AT, &sealed).unwrap(), b"before");
            keys(db, fresh).await.unwrap();
            keys(db, theirs).await.unwrap();
        }
        assert_eq!(wrapped(&test.db).await, [(1, 0), (2, 8)]);

        assert_eq!(master_retire(&test.db, &old.id()).await.unwrap(), Retired::InUse);
        let by_new = test.place.open(new.clone()).await.unwrap();
        assert_eq!(master_retire(&by_new, "local:0000000000000000").await.unwrap(), Retired::Unknown);
        assert_eq!(master_retire(&by_new, &old.id()).await.unwrap(), Retired::Done);
        assert!(is_refused(test.place.open(old).await, &new));
        assert_eq!(wrapped(&by_new).await, [(2, 8)]);
        assert_eq!(keys(&running, before).await.unwrap().open(AT, &sealed).unwrap(), b"before");
    });
}

#[test]
fn what_was_broken_off_is_gone_on_with() {
    on_both(async |test| {
        create(&test.db).await;
        let new = successor();
        for _ in 0..2 {
            assert_eq!(root_begin(&test.db, new.as_ref(), now()).await.unwrap(), 2);
        }
        let by_new = test.place.open(MasterKey::new([8; 32])).await.unwrap();
        let unfinished = master_retire(&by_new, &master_key().id()).await.unwrap();
        assert_eq!(unfinished, Retired::Unfinished);
        while root_step(&by_new).await.unwrap() > 0 {}
        assert_eq!(master_retire(&by_new, &master_key().id()).await.unwrap(), Retired::Done);
        // The next one begins anew.
        assert_eq!(root_begin(&by_new, &*Arc::<dyn Custodian>::from(master_key()), now()).await.unwrap(), 3);
    });
}

/// A process whose master key is no more does not make keys that nobody can open.
#[test]
fn no_key_is_wrapped_by_a_root_that_is_gone() {
    on_both(async |test| {
        let left_behind = test.place.open(master_key()).await.unwrap();
        root_begin(&test.db, successor().as_ref(), now()).await.unwrap();
        while root_step(&test.db).await.unwrap() > 0 {}
        let by_new = test.place.open(MasterKey::new([8; 32])).await.unwrap();
        master_retire(&by_new, &master_key().id()).await.unwrap();
        let clinic = id();
        let made = left_behind
            .write(move |tx: &mut Tx| Box::pin(keyring::clinic_keys_create(tx, clinic, now())))
            .await;
        assert!(matches!(made, Err(Error::Seal(SealError::WrongMasterKey { .. }))));
        assert_eq!(wrapped(&by_new).await, [(2, 2)]);
    });
}

#[test]
fn keys_from_before_there_were_roots_get_one() {
    on_both(async |test| {
        let clinic = create(&test.db).await;
        let sealed = keys(&test.db, clinic).await.unwrap().seal(AT, b"before");
        master_by_itself(&test.db, &master_key()).await;
        assert!(is_refused(test.place.open(MasterKey::new([8; 32])).await, &master_key()));
        let opened = test.place.open(master_key()).await.unwrap();
        let runs = [test.place.open(master_key()).await.unwrap(), opened.clone()];
        let [one, other] = &runs;
        let (one, other) = tokio::join!(nimbus_store::migrate::run(one), nimbus_store::migrate::run(other));
        one.unwrap();
        other.unwrap();
        assert_eq!(wrapped(&opened).await, [(1, 4)]);
        assert_eq!(keys(&opened, clinic).await.unwrap().open(AT, &sealed).unwrap(), b"before");
        assert!(is_refused(test.place.open(MasterKey::new([8; 32])).await, &master_key()));
    });
}
