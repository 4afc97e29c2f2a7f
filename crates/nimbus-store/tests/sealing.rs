//! Sealing with the keys of clinics, on both engines.

use std::sync::Arc;

use nimbus_core::{ids::ClinicId, time::Ts};
use nimbus_store::{
    ClinicKeys, Db, Engine, Error, MasterKey, Result, SealError, SealedAt, Tx,
    keyring::{self, PLATFORM},
    testing::{TestDb, block_on, master_key},
    two_engines,
};
use uuid::Uuid;

const NOW: Ts = Ts::from_micros(1_700_000_000_000_000);
const AT: SealedAt = SealedAt { table: "patients", column: "name", row: Uuid::from_u128(1) };

async fn create(db: &Db, clinic: ClinicId) {
    db.write(move |tx: &mut Tx| Box::pin(keyring::clinic_keys_create(tx, clinic, NOW))).await.unwrap();
}

async fn keys(db: &Db, clinic: ClinicId) -> Result<Arc<ClinicKeys>> {
    db.read(move |tx: &mut Tx| Box::pin(tx.keys(clinic))).await
}

fn clinic() -> ClinicId {
    ClinicId(Uuid::now_v7())
}

two_engines! {
    async fn a_value_opens_only_where_it_was_sealed(db: Db) {
        let (here, there) = (clinic(), clinic());
        for clinic in [here, there, PLATFORM] {
            create(&db, clinic).await;
        }
        let ours = keys(&db, here).await.unwrap();
        let sealed = ours.seal(AT, b"Jane Doe");
        assert_eq!(ours.open(AT, &sealed).unwrap(), b"Jane Doe");
        assert_ne!(ours.seal(AT, b"Jane Doe"), sealed, "each nonce is new");
        assert!(!sealed.windows(4).any(|part| part == b"Jane"));
        let others = [
            SealedAt { table: "patient", ..AT },
            SealedAt { table: "patientsn", column: "ame", ..AT },
            SealedAt { column: "email", ..AT },
            SealedAt { row: Uuid::from_u128(2), ..AT },
        ];
        for other in others {
            assert!(matches!(ours.open(other, &sealed), Err(Error::Seal(SealError::Altered(_)))), "{other:?}");
        }
        let theirs = keys(&db, there).await.unwrap();
        assert!(matches!(theirs.open(AT, &sealed), Err(Error::Seal(SealError::Altered(_)))));
    }

    async fn a_changed_byte_does_not_open(db: Db) {
        let clinic = clinic();
        create(&db, clinic).await;
        let keys = keys(&db, clinic).await.unwrap();
        let sealed = keys.seal(AT, b"");
        assert_eq!(keys.open(AT, &sealed).unwrap(), b"");
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(keys.open(AT, &changed).is_err(), "byte {index}");
            assert!(keys.open(AT, &sealed[..index]).is_err());
        }
    }

    async fn a_lookup_is_stable_and_of_one_field_and_clinic(db: Db) {
        let (here, there) = (clinic(), clinic());
        create(&db, here).await;
        create(&db, there).await;
        let ours = keys(&db, here).await.unwrap();
        let hash = ours.lookup("email", "jane@example.com");
        assert_eq!(hash.len(), 32);
        assert_ne!(hash, ours.lookup("phone", "jane@example.com"));
        assert_ne!(hash, keys(&db, there).await.unwrap().lookup("email", "jane@example.com"));
        db.write(move |tx: &mut Tx| Box::pin(keyring::data_key_rotate(tx, here, NOW))).await.unwrap();
        create(&db, here).await;
        assert_eq!(hash, keys(&db, here).await.unwrap().lookup("email", "jane@example.com"));
    }

    async fn older_keys_open_and_destroyed_ones_do_not(db: Db) {
        let clinic = clinic();
        create(&db, clinic).await;
        let sealed = keys(&db, clinic).await.unwrap().seal(AT, b"old");
        let version = db.write(move |tx: &mut Tx| Box::pin(keyring::data_key_rotate(tx, clinic, NOW))).await;
        assert_eq!(version.unwrap(), 2);
        let rotated = keys(&db, clinic).await.unwrap();
        assert_eq!(rotated.open(AT, &sealed).unwrap(), b"old");
        assert!(rotated.is_outdated(&sealed) && !rotated.is_outdated(&rotated.seal(AT, b"new")));
        db.write(move |tx: &mut Tx| Box::pin(keyring::clinic_keys_destroy(tx, clinic))).await.unwrap();
        assert!(matches!(keys(&db, clinic).await, Err(Error::Seal(SealError::NoKeys))));
    }

    async fn a_key_that_was_rolled_back_seals_nothing(db: Db) {
        let clinic = clinic();
        let failed: Result<()> = db
            .write(move |tx| {
                Box::pin(async move {
                    keyring::clinic_keys_create(tx, clinic, NOW).await?;
                    tx.keys(clinic).await?;
                    Err(Error::Corrupt("on purpose"))
                })
            })
            .await;
        assert!(failed.is_err());
        assert!(matches!(keys(&db, clinic).await, Err(Error::Seal(SealError::NoKeys))));
    }
}

fn check_other_node(engine: Engine) {
    block_on(async {
        let test = TestDb::migrated(engine).await;
        let other = test.place.open(master_key()).await.unwrap();
        let clinic = clinic();
        create(&test.db, clinic).await;
        let theirs = keys(&other, clinic).await.unwrap();
        test.db.write(move |tx: &mut Tx| Box::pin(keyring::data_key_rotate(tx, clinic, NOW))).await.unwrap();
        let sealed = keys(&test.db, clinic).await.unwrap().seal(AT, b"new");
        assert!(theirs.open(AT, &sealed).is_err(), "read before the rotation");
        let opened = other
            .read(move |tx: &mut Tx| {
                let sealed = sealed.clone();
                Box::pin(async move { tx.keys(clinic).await?.open(AT, &sealed) })
            })
            .await;
        assert_eq!(opened.unwrap(), b"new");
    });
}

#[test]
fn a_node_learns_of_another_nodes_rotation() {
    check_other_node(Engine::Sqlite);
    check_other_node(Engine::Postgres);
}

fn check_wrong_master_key(engine: Engine) {
    block_on(async {
        let test = TestDb::migrated(engine).await;
        let wrong = test.place.open(MasterKey::new([8; 32])).await;
        assert!(
            matches!(wrong.map(drop), Err(Error::Seal(SealError::WrongMasterKey { needed })) if needed == [master_key().id()])
        );
        test.place.open(master_key()).await.unwrap();
    });
}

#[test]
fn another_master_key_is_refused() {
    check_wrong_master_key(Engine::Sqlite);
    check_wrong_master_key(Engine::Postgres);
}

#[test]
fn a_master_key_file_is_made_once_and_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let keys: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| MasterKey::load_or_create(&path).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().derive("seed")).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
    assert_ne!(keys[0], MasterKey::from_file(&path).unwrap().derive("other"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_master_key_is_thirty_two_bytes() {
    for text in ["", "AAAA", "not base64 at all!"] {
        let refused = MasterKey::from_base64(text);
        assert!(matches!(refused.map(drop), Err(Error::Seal(SealError::MasterKeyForm))), "{text}");
    }
}
