//! Webhook endpoints.

use nimbus_core::{
    access::{Profile, Scopes},
    ids::EndpointId,
    phi::Phi,
    time::Ts,
};
use nimbus_store::{
    Db, Error, Result, SealedAt, Tx,
    endpoints::{
        Endpoint, EndpointStatus, Retiring, Shape, Signing, endpoint_by_url, endpoint_failing, endpoint_get,
        endpoint_insert, endpoint_list, endpoint_target, endpoint_update, public_keys_any, public_keys_write,
        subscriptions,
    },
    keys::{Key, key_insert, key_revoke},
    page::Page,
    tenants::Gate,
    two_engines,
};

use crate::support::{after, assert_conflict, assert_sealed, clinic, endpoint, id, key, now};

const URL: &str = "https://partner.example/hook";

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }

    async fn what_sending_needs(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(target_told(tx))).await.unwrap();
    }

    async fn who_subscribes(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(subscriptions_told(tx))).await.unwrap();
    }

    async fn a_row_of_the_release_before(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(one_previous_secret_told(tx))).await.unwrap();
    }

    async fn public_keys(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(public_keys_told(tx))).await.unwrap();
    }

    async fn a_url_is_registered_once(db: Db) {
        let twice = db.write(|tx: &mut Tx| Box::pin(async move {
            let clinic = clinic(tx).await?;
            endpoint_insert(tx, &endpoint(clinic, URL)).await?;
            endpoint_insert(tx, &endpoint(clinic, URL)).await
        })).await;
        assert_conflict(twice);
    }

    async fn the_later_of_two_writers_loses(db: Db) {
        let lost = db.write(|tx: &mut Tx| Box::pin(async move {
            let endpoint = endpoint(clinic(tx).await?, URL);
            endpoint_insert(tx, &endpoint).await?;
            endpoint_update(tx, &endpoint).await?;
            endpoint_update(tx, &endpoint).await
        })).await;
        assert_conflict(lost);
    }
}

fn assert_same(a: &Endpoint, b: &Endpoint) {
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
    assert!(
        a.secret == b.secret
            && a.retiring == b.retiring
            && a.headers == b.headers
            && a.key_pair == b.key_pair
    );
}

async fn told(tx: &mut Tx) -> Result<()> {
    let (here, there) = (clinic(tx).await?, clinic(tx).await?);
    let mut first = endpoint(here, URL);
    let mut bare = endpoint(here, "https://partner.example/other");
    bare.headers = Phi::default();
    bare.retiring = Vec::new();
    (bare.key_pair, bare.public_key) = (None, None);
    endpoint_insert(tx, &first).await?;
    endpoint_insert(tx, &bare).await?;
    let orders = Endpoint { shape: Shape::Orders, ..endpoint(here, URL) };
    endpoint_insert(tx, &orders).await?;
    assert!(!format!("{first:?}").contains("whsec_") && !format!("{first:?}").contains("credential"));
    for (sql, text) in [
        ("select secret from webhook_endpoints where id = $1", "whsec_current"),
        ("select retiring from webhook_endpoints where id = $1", "whsec_previous"),
        ("select key_pair from webhook_endpoints where id = $1", "whsk_pair"),
        ("select headers from webhook_endpoints where id = $1", "header-credential"),
    ] {
        assert_sealed(tx, sql, first.id.0, text).await;
    }
    for made in [&first, &bare, &orders] {
        assert_same(&endpoint_get(tx, here, made.id).await?.unwrap(), made);
    }
    assert!(endpoint_get(tx, there, first.id).await?.is_none());
    assert_eq!(endpoint_by_url(tx, here, Shape::Orders, URL).await?.unwrap().id, orders.id);
    assert_eq!(endpoint_by_url(tx, here, Shape::Partner, URL).await?.unwrap().id, first.id);
    assert!(endpoint_by_url(tx, there, Shape::Partner, URL).await?.is_none());

    endpoint_failing(tx, here, first.id, Some(after(7))).await?;
    first.failing_since = Some(after(7));
    endpoint_failing(tx, there, first.id, None).await?;
    assert_same(&endpoint_get(tx, here, first.id).await?.unwrap(), &first);
    first.status = EndpointStatus::Disabled;
    first.disabled_reason = Some("gone".to_owned());
    first.secret = Phi::new("whsec_next".to_owned());
    first.updated_at = after(8);
    endpoint_update(tx, &first).await?;
    first.version = 2;
    assert_same(&endpoint_get(tx, here, first.id).await?.unwrap(), &first);
    let page = Page { limit: 2, ..Page::default() };
    let listed = endpoint_list(tx, here, None, None, &page).await?;
    assert_eq!(listed.items.iter().map(|e| e.id).collect::<Vec<_>>(), [orders.id, bare.id]);
    assert!(listed.has_more);
    let of_orders = endpoint_list(tx, here, Some(Shape::Orders), None, &page).await?;
    assert_eq!(of_orders.items.iter().map(|e| e.id).collect::<Vec<_>>(), [orders.id]);
    let disabled = endpoint_list(tx, here, None, Some(EndpointStatus::Disabled), &page).await?;
    assert_eq!(disabled.items.iter().map(|e| e.id).collect::<Vec<_>>(), [first.id]);
    assert!(endpoint_list(tx, there, None, None, &page).await?.items.is_empty());

    (first.status, first.deleted_at) = (EndpointStatus::Deleted, Some(after(9)));
    endpoint_update(tx, &first).await?;
    assert!(endpoint_get(tx, here, first.id).await?.is_none());
    assert!(endpoint_by_url(tx, here, Shape::Partner, URL).await?.is_none());
    endpoint_insert(tx, &endpoint(here, URL)).await
}

async fn target_told(tx: &mut Tx) -> Result<()> {
    let clinic = clinic(tx).await?;
    let key = key(clinic);
    key_insert(tx, &key, &[1; 32], "dev_text").await?;
    let mut made = Endpoint { key_id: Some(key.id), ..endpoint(clinic, URL) };
    endpoint_insert(tx, &made).await?;
    assert!(endpoint_target(tx, id(), now(), Gate::Approval).await?.is_none());

    let target = endpoint_target(tx, made.id, now(), Gate::Approval).await?.unwrap();
    assert_eq!((target.clinic_id, target.url.as_str(), target.status), (clinic, URL, EndpointStatus::Active));
    assert!(target.secret == made.secret && target.headers == made.headers);
    assert_eq!(target.api_key.unwrap().expose(), "dev_text");
    assert_eq!(texts(&target.keys), ["whsec_current", "whsec_previous"]);

    let later = endpoint_target(tx, made.id, after(60), Gate::Approval).await?.unwrap();
    assert_eq!(texts(&later.keys), ["whsec_current"], "the overlap is over");
    assert!(later.api_key.is_some());
    assert!(
        endpoint_target(tx, made.id, after(3600), Gate::Approval).await?.unwrap().api_key.is_none(),
        "expired"
    );
    made.send_api_key = false;
    endpoint_update(tx, &made).await?;
    assert!(
        endpoint_target(tx, made.id, now(), Gate::Approval).await?.unwrap().api_key.is_none(),
        "not wanted"
    );
    made = endpoint_get(tx, clinic, made.id).await?.unwrap();
    made.send_api_key = true;
    endpoint_update(tx, &made).await?;
    key_revoke(tx, key.clinic_id, key.id, now()).await?;
    assert!(endpoint_target(tx, made.id, now(), Gate::Approval).await?.unwrap().api_key.is_none(), "revoked");

    made = endpoint_get(tx, clinic, made.id).await?.unwrap();
    (made.key_id, made.signing) = (None, Signing::Ed25519);
    let retiring = |key: &str, until| Retiring { key: Phi::new(key.to_owned()), until };
    made.retiring =
        vec![retiring("whsec_b", after(9)), retiring("whsec_a", now()), retiring("whsk_0", after(5))];
    (made.status, made.deleted_at, made.failing_since) =
        (EndpointStatus::Deleted, Some(now()), Some(after(3)));
    endpoint_update(tx, &made).await?;
    let deleted = endpoint_target(tx, made.id, now(), Gate::Approval).await?.unwrap();
    assert_eq!((deleted.status, deleted.failing_since), (EndpointStatus::Deleted, Some(after(3))));
    assert!(deleted.api_key.is_none());
    assert_eq!(
        texts(&deleted.keys),
        ["whsk_pair", "whsec_b", "whsk_0"],
        "of its scheme first, then as listed"
    );
    Ok(())
}

fn texts(keys: &[Phi<String>]) -> Vec<&str> {
    keys.iter().map(|key| key.expose().as_str()).collect()
}

/// Rows of the release before have one secret that retires, in columns of its own.
async fn one_previous_secret_told(tx: &mut Tx) -> Result<()> {
    let clinic = clinic(tx).await?;
    let made = Endpoint { retiring: Vec::new(), ..endpoint(clinic, URL) };
    endpoint_insert(tx, &made).await?;
    let at = SealedAt { table: "webhook_endpoints", column: "previous_secret", row: made.id.0 };
    let sealed = tx.keys(clinic).await?.seal(at, b"whsec_older");
    let sql = "update webhook_endpoints set previous_secret = $2, previous_secret_until = $3 where id = $1";
    tx.execute(sql, &[made.id.into(), sealed.into(), after(60).into()]).await?;
    let read = endpoint_get(tx, clinic, made.id).await?.unwrap();
    assert_eq!(texts(&read.signing_keys(now())), ["whsec_current", "whsec_older"]);
    endpoint_update(tx, &read).await?;
    let again = endpoint_get(tx, clinic, made.id).await?.unwrap();
    assert_eq!(again.retiring, read.retiring, "it is kept when the row is written");
    assert_eq!(texts(&again.signing_keys(after(60))), ["whsec_current"]);
    Ok(())
}

async fn public_keys_told(tx: &mut Tx) -> Result<()> {
    let (here, there) = (clinic(tx).await?, clinic(tx).await?);
    let (one, other): (EndpointId, EndpointId) = (id(), id());
    let listed = |texts: &[(&str, Option<Ts>)]| -> Vec<(String, Option<Ts>)> {
        texts.iter().map(|(text, until)| ((*text).to_owned(), *until)).collect()
    };
    public_keys_write(tx, here, one, &listed(&[("whpk_b", None), ("whpk_a", Some(after(60)))])).await?;
    public_keys_write(tx, there, other, &listed(&[("whpk_c", None)])).await?;
    let mut all = public_keys_any(tx, None, now()).await?;
    all.sort();
    assert_eq!(all, ["whpk_a", "whpk_b", "whpk_c"]);
    assert_eq!(public_keys_any(tx, Some(one), now()).await?, ["whpk_a", "whpk_b"]);
    assert_eq!(public_keys_any(tx, Some(one), after(60)).await?, ["whpk_b"], "the other has retired");
    public_keys_write(tx, there, one, &[]).await?;
    assert_eq!(public_keys_any(tx, Some(one), now()).await?.len(), 2, "another clinic's");
    public_keys_write(tx, here, one, &[]).await?;
    assert_eq!(public_keys_any(tx, Some(one), now()).await?, [] as [String; 0]);
    Ok(())
}

async fn subscriptions_told(tx: &mut Tx) -> Result<()> {
    let (here, there) = (clinic(tx).await?, clinic(tx).await?);
    let few = Key { scopes: Scopes::profile(Profile::PharmacyPartner), ..key(here) };
    key_insert(tx, &few, &[1; 32], "dev_text").await?;
    let by_key = Endpoint { key_id: Some(few.id), ..endpoint(here, URL) };
    let paused = Endpoint {
        status: EndpointStatus::Paused,
        shape: Shape::Orders,
        ..endpoint(here, "https://partner.example/paused")
    };
    let mut gone = endpoint(here, "https://partner.example/gone");
    (gone.status, gone.deleted_at) = (EndpointStatus::Deleted, Some(now()));
    let disabled = Endpoint {
        status: EndpointStatus::Disabled,
        event_types: Vec::new(),
        ..endpoint(here, "https://partner.example/disabled")
    };
    for endpoint in [&by_key, &paused, &gone, &disabled] {
        endpoint_insert(tx, endpoint).await?;
    }
    let found = subscriptions(tx, here).await?;
    assert_eq!(found.len(), 3);
    assert_eq!((found[0].endpoint_id, found[0].scopes), (by_key.id, few.scopes));
    assert_eq!(found[0].event_types, by_key.event_types);
    let all = Scopes::of(nimbus_core::access::Scope::ALL);
    assert_eq!((found[1].endpoint_id, found[1].scopes), (paused.id, all));
    assert_eq!((found[1].shape, found[1].status), (Shape::Orders, EndpointStatus::Paused));
    assert_eq!((found[2].endpoint_id, found[2].status), (disabled.id, EndpointStatus::Disabled));
    assert!(found[2].event_types.is_empty());
    assert!(subscriptions(tx, there).await?.is_empty());
    Ok::<_, Error>(())
}
