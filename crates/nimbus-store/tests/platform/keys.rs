//! API keys and operations tokens.

use nimbus_core::{
    access::Role,
    ids::{ClinicId, KeyId},
    network::Networks,
    rate::KeyRates,
};
use nimbus_store::{
    Db, Result, Tx,
    keys::{
        Key, OpsToken, key_authenticate, key_get, key_insert, key_list, key_page, key_revoke, key_secret,
        key_set_networks, key_set_rates, key_succeed, key_touch, ops_token_authenticate, ops_token_insert,
        ops_token_list, ops_token_revoke, ops_tokens_revoke_of,
    },
    page::Page,
    tenants::{Baa, baa_insert, clinic_get},
    two_engines,
};

use crate::support::{self, after, assert_conflict, assert_sealed, clinic, day, id, key, now};

const TEXT: &str = "dev_4kQzExampleSecretText";

two_engines! {
    async fn keys(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(keys_told(tx))).await.unwrap();
    }

    async fn a_key_follows_another(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(succession_told(tx))).await.unwrap();
    }

    async fn what_authenticates(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(authentication_told(tx))).await.unwrap();
    }

    async fn tokens(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(tokens_told(tx))).await.unwrap();
    }

    async fn a_hash_is_of_one_key(db: Db) {
        let twice = db.write(|tx: &mut Tx| Box::pin(async move {
            let clinic = clinic(tx).await?;
            key_insert(tx, &key(clinic), &[1; 32], TEXT).await?;
            key_insert(tx, &key(clinic), &[1; 32], TEXT).await
        })).await;
        assert_conflict(twice);
    }
}

async fn succession_told(tx: &mut Tx) -> Result<()> {
    let (here, there) = (clinic(tx).await?, clinic(tx).await?);
    let made = [(); 3].map(|()| Key { expires_at: None, ..key(here) });
    for (number, key) in (1..).zip(&made) {
        key_insert(tx, key, &[number; 32], &format!("dev_{number}")).await?;
    }
    let [first, second, third] = [&made[0], &made[1], &made[2]].map(|key| key.id);
    assert!(!key_succeed(tx, there, first, second, after(60)).await?, "another clinic's");
    assert!(key_succeed(tx, here, first, second, after(60)).await?);
    assert!(!key_succeed(tx, here, first, third, after(60)).await?, "it has a successor");
    assert_eq!(sent(tx, here, first, 59).await?.as_deref(), Some("dev_1"), "the overlap");
    assert_eq!(sent(tx, here, first, 60).await?.as_deref(), Some("dev_2"), "its end");
    key_touch(tx, second, after(10)).await?;
    assert_eq!(sent(tx, here, first, 10).await?.as_deref(), Some("dev_2"), "the first use");

    assert!(key_succeed(tx, here, second, third, after(90)).await?);
    assert_eq!(sent(tx, here, first, 89).await?.as_deref(), Some("dev_2"));
    assert!(key_revoke(tx, here, second, after(20)).await?);
    assert_eq!(sent(tx, here, first, 20).await?.as_deref(), Some("dev_3"), "revoking ends the overlap");
    assert!(key_revoke(tx, here, third, after(30)).await?);
    assert_eq!(sent(tx, here, first, 30).await?, None, "none is left");
    assert!(!key_succeed(tx, here, third, first, after(90)).await?, "it is revoked");
    Ok(())
}

fn ids(keys: &[Key]) -> Vec<KeyId> {
    keys.iter().map(|key| key.id).collect()
}

async fn sent(tx: &mut Tx, clinic: ClinicId, id: KeyId, seconds: i64) -> Result<Option<String>> {
    Ok(key_secret(tx, clinic, id, after(seconds)).await?.map(|text| text.expose().clone()))
}

async fn keys_told(tx: &mut Tx) -> Result<()> {
    let (here, there) = (clinic(tx).await?, clinic(tx).await?);
    let expiring = key(here);
    let lasting = Key { expires_at: None, ..key(here) };
    key_insert(tx, &expiring, &[1; 32], TEXT).await?;
    key_insert(tx, &lasting, &[2; 32], "dev_other").await?;
    assert_sealed(tx, "select secret from api_keys where id = $1", expiring.id.0, TEXT).await;
    assert_eq!(key_list(tx, here).await?, [lasting.clone(), expiring.clone()]);
    assert_eq!(key_list(tx, there).await?, []);

    let secret = key_secret(tx, here, expiring.id, after(3599)).await?.unwrap();
    assert_eq!(secret.expose(), TEXT);
    assert!(key_secret(tx, here, expiring.id, after(3600)).await?.is_none(), "expired");
    assert!(key_secret(tx, there, expiring.id, now()).await?.is_none(), "another clinic's");
    assert!(key_secret(tx, here, lasting.id, after(1_000_000)).await?.is_some());

    key_touch(tx, lasting.id, after(10)).await?;
    key_touch(tx, lasting.id, after(5)).await?;
    assert!(key_revoke(tx, here, lasting.id, after(20)).await?);
    assert!(!key_revoke(tx, here, lasting.id, after(30)).await?, "revoked already");
    assert!(!key_revoke(tx, there, expiring.id, after(30)).await?, "another clinic's");
    assert!(key_secret(tx, here, lasting.id, after(20)).await?.is_none(), "revoked");
    let used = Key { last_used_at: Some(after(10)), revoked_at: Some(after(20)), ..lasting };
    assert_eq!(key_list(tx, here).await?, [used.clone(), expiring.clone()]);

    let rates = KeyRates { reads: Some(500), writes: None };
    assert!(key_set_rates(tx, here, used.id, rates).await?);
    assert!(!key_set_rates(tx, there, used.id, KeyRates::default()).await?, "another clinic's");
    assert_eq!(key_get(tx, here, used.id).await?, Some(Key { rates, ..used.clone() }));
    assert_eq!(key_get(tx, there, expiring.id).await?, None);
    let networks = Networks::parse("203.0.113.0/24").unwrap();
    assert!(key_set_networks(tx, here, used.id, &networks).await?);
    assert!(!key_set_networks(tx, there, used.id, &Networks::default()).await?, "another clinic's");
    assert_eq!(key_get(tx, here, used.id).await?.unwrap().networks, networks);
    let given_before = expiring.clone();
    let given = Key { id: id(), rates: KeyRates { reads: Some(1), writes: Some(100_000) }, ..expiring };
    key_insert(tx, &given, &[3; 32], "dev_given").await?;
    assert_eq!(key_get(tx, here, given.id).await?.as_ref(), Some(&given));

    let first = key_page(tx, here, &Page { limit: 2, ..Page::default() }).await?;
    assert_eq!(ids(&first.items), [given.id, used.id]);
    let rest = Page { before: Some(used.id.0), created_from: Some(now()), ..Page::default() };
    let rest = key_page(tx, here, &rest).await?;
    assert_eq!((first.has_more, ids(&rest.items), rest.has_more), (true, vec![given_before.id], false));
    let later = Page { created_from: Some(after(1)), ..Page::default() };
    assert_eq!(key_page(tx, here, &later).await?.items, []);
    assert_eq!(key_page(tx, there, &Page::default()).await?.items, []);
    Ok(())
}

async fn authentication_told(tx: &mut Tx) -> Result<()> {
    let clinic = clinic(tx).await?;
    let key = key(clinic);
    key_insert(tx, &key, &[1; 32], TEXT).await?;
    let today = day("2026-01-15");
    assert!(key_authenticate(tx, &[9; 32], today).await?.is_none());
    let found = key_authenticate(tx, &[1; 32], today).await?.unwrap();
    assert_eq!(found.key, key);
    assert_eq!(Some(&found.clinic), clinic_get(tx, clinic).await?.as_ref());
    assert_eq!(found.partner.id, found.clinic.partner_id);
    assert!(!found.baa_in_force);

    let baa = Baa {
        id: id(),
        partner_id: found.partner.id,
        effective_on: today,
        ends_on: Some(today),
        document_hash: "sha256:00".to_owned(),
        created_at: now(),
    };
    baa_insert(tx, &baa).await?;
    assert!(key_authenticate(tx, &[1; 32], today).await?.unwrap().baa_in_force);
    assert!(!key_authenticate(tx, &[1; 32], day("2026-01-16")).await?.unwrap().baa_in_force);
    assert!(!key_authenticate(tx, &[1; 32], day("2026-01-14")).await?.unwrap().baa_in_force);
    let lasting = Baa { id: id(), effective_on: day("2026-02-01"), ends_on: None, ..baa };
    baa_insert(tx, &lasting).await?;
    for (text, in_force) in [("2026-01-31", false), ("2026-02-01", true), ("2036-02-01", true)] {
        assert_eq!(key_authenticate(tx, &[1; 32], day(text)).await?.unwrap().baa_in_force, in_force);
    }
    let stranger = support::key(support::clinic(tx).await?);
    key_insert(tx, &stranger, &[2; 32], TEXT).await?;
    let found = key_authenticate(tx, &[2; 32], today).await?.unwrap();
    assert_eq!((found.key.id, found.baa_in_force), (stranger.id, false), "another partner's agreement");

    key_revoke(tx, clinic, key.id, after(1)).await?;
    let revoked = key_authenticate(tx, &[1; 32], today).await?.unwrap();
    assert_eq!(revoked.key.revoked_at, Some(after(1)), "the caller judges");
    Ok(())
}

async fn tokens_told(tx: &mut Tx) -> Result<()> {
    let token = OpsToken {
        id: id(),
        name: "Night shift".to_owned(),
        roles: vec![Role::Pharmacist, Role::Technician],
        clinic_id: None,
        created_at: now(),
        expires_at: Some(after(60)),
        revoked_at: None,
    };
    let (here, there) = (clinic(tx).await?, clinic(tx).await?);
    let of_clinic = |clinic_id| OpsToken {
        id: id(),
        roles: vec![Role::ClinicAdmin],
        clinic_id: Some(clinic_id),
        ..token.clone()
    };
    let (ours, theirs) = (of_clinic(here), of_clinic(there));
    ops_token_insert(tx, &ours, &[4; 32]).await?;
    ops_token_insert(tx, &theirs, &[5; 32]).await?;
    assert_eq!(ops_token_authenticate(tx, &[4; 32]).await?.as_ref(), Some(&ours));
    ops_tokens_revoke_of(tx, here, after(3)).await?;
    let revoked = ops_token_authenticate(tx, &[4; 32]).await?;
    assert_eq!(revoked, Some(OpsToken { revoked_at: Some(after(3)), ..ours.clone() }));
    assert_eq!(ops_token_authenticate(tx, &[5; 32]).await?.as_ref(), Some(&theirs), "another clinic's");
    let machine = OpsToken { id: id(), roles: Vec::new(), expires_at: None, ..token.clone() };
    ops_token_insert(tx, &token, &[1; 32]).await?;
    ops_token_insert(tx, &machine, &[2; 32]).await?;
    assert_eq!(ops_token_authenticate(tx, &[1; 32]).await?.as_ref(), Some(&token));
    assert_eq!(ops_token_authenticate(tx, &[3; 32]).await?, None);
    let listed = ops_token_list(tx).await?;
    assert_eq!(listed[..1], [machine]);
    assert_eq!(listed.len(), 4);
    assert!(ops_token_revoke(tx, token.id, after(1)).await?);
    assert!(!ops_token_revoke(tx, token.id, after(2)).await?);
    let revoked = ops_token_authenticate(tx, &[1; 32]).await?;
    assert_eq!(revoked, Some(OpsToken { revoked_at: Some(after(1)), ..token }));
    Ok(())
}
