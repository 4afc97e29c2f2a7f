//! Notices of what ends soon.

use nimbus_core::ids::{NoticeId, PartnerId};
use nimbus_store::{
    Db, Result, Tx,
    keys::{Key, key_insert, key_revoke, key_succeed},
    notices::{Ending, NoticeKind, baas_ending, keys_ending, notice_insert, notice_page},
    page::Page,
    tenants::{Baa, baa_end, baa_insert, clinic_delete_soft, clinic_get},
    two_engines,
};

use crate::support::{after, clinic, day, id, key, now};

const DAY: i64 = 86_400;

two_engines! {
    async fn what_ends_is_told_once_for_each_step(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(keys_told(tx))).await.unwrap();
    }

    async fn agreements_that_end(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(agreements_told(tx))).await.unwrap();
    }
}

async fn keys_told(tx: &mut Tx) -> Result<()> {
    let (here, gone) = (clinic(tx).await?, clinic(tx).await?);
    let made =
        |clinic, days: Option<i64>| Key { expires_at: days.map(|days| after(days * DAY)), ..key(clinic) };
    let [soon, sooner, lasting, late] = [Some(20), Some(10), None, Some(31)].map(|days| made(here, days));
    let [revoked, rotated, elsewhere] = [here, here, gone].map(|clinic| made(clinic, Some(15)));
    let all = [&soon, &sooner, &lasting, &late, &revoked, &rotated, &elsewhere];
    for (number, key) in (1..).zip(all) {
        key_insert(tx, key, &[number; 32], &format!("dev_{number}")).await?;
    }
    key_revoke(tx, here, revoked.id, now()).await?;
    key_succeed(tx, here, rotated.id, lasting.id, after(15 * DAY)).await?;
    clinic_delete_soft(tx, gone, now()).await?;

    let within = (after(7 * DAY), after(30 * DAY));
    let found = keys_ending(tx, within, 30, 10).await?;
    assert_eq!(found.iter().map(|it| it.subject_id).collect::<Vec<_>>(), [sooner.id.0, soon.id.0]);
    assert_eq!(keys_ending(tx, within, 30, 1).await?, found[..1]);
    let partner_id = clinic_get(tx, here).await?.unwrap().partner_id;
    let ending = Ending {
        kind: NoticeKind::Key,
        subject_id: sooner.id.0,
        partner_id,
        clinic_id: Some(here),
        ends_at: after(10 * DAY),
    };
    assert_eq!(found[0], ending);
    assert!(notice_insert(tx, id(), &ending, 30, now()).await?);
    assert!(!notice_insert(tx, id(), &ending, 30, now()).await?, "told already");
    assert_eq!(keys_ending(tx, within, 30, 10).await?, found[1..]);
    assert_eq!(keys_ending(tx, within, 7, 10).await?, found, "of another step it was not told");
    assert!(notice_insert(tx, id(), &ending, 7, after(5)).await?);

    let first = notice_page(tx, None, &Page { limit: 1, ..Page::default() }).await?;
    let newest = first.items[0].clone();
    assert_eq!((newest.days, newest.ending, newest.created_at, first.has_more), (7, ending, after(5), true));
    assert_eq!((newest.partner_name.as_str(), newest.key_name.as_deref()), ("Telehealth", Some("Backend")));
    assert!(newest.is_key_open && newest.baa_ends_on.is_none());
    let rest = Page { before: Some(newest.id.0), ..Page::default() };
    assert_eq!(notice_page(tx, Some(NoticeKind::Key), &rest).await?.items[0].days, 30);
    assert_eq!(notice_page(tx, Some(NoticeKind::Agreement), &Page::default()).await?.items, []);
    key_succeed(tx, here, sooner.id, soon.id, after(DAY)).await?;
    assert!(!notice_page(tx, None, &Page::default()).await?.items[0].is_key_open, "it is rotated");
    Ok(())
}

async fn agreements_told(tx: &mut Tx) -> Result<()> {
    let here = clinic(tx).await?;
    let partner_id: PartnerId = clinic_get(tx, here).await?.unwrap().partner_id;
    let baa = |ends_on: Option<&str>| Baa {
        id: id(),
        partner_id,
        effective_on: day("2026-01-01"),
        ends_on: ends_on.map(day),
        document_hash: "sha256:00".to_owned(),
        created_at: now(),
    };
    let (first, second, lasting) = (baa(Some("2026-02-01")), baa(Some("2026-02-10")), baa(None));
    for baa in [&second, &first, &lasting] {
        baa_insert(tx, baa).await?;
    }
    assert_eq!(baas_ending(tx, day("2026-02-01"), day("2026-02-10")).await?, [first.clone(), second.clone()]);
    assert_eq!(baas_ending(tx, day("2026-02-02"), day("2026-02-09")).await?, []);
    let ends_at = after(30 * DAY);
    let ending =
        Ending { kind: NoticeKind::Agreement, subject_id: first.id.0, partner_id, clinic_id: None, ends_at };
    let told: NoticeId = id();
    assert!(notice_insert(tx, told, &ending, 30, now()).await?);
    let found = notice_page(tx, Some(NoticeKind::Agreement), &Page::default()).await?.items;
    assert_eq!((found[0].id, found[0].ending, found[0].baa_ends_on), (told, ending, first.ends_on));
    assert!(found[0].key_name.is_none() && !found[0].is_key_open);
    baa_end(tx, first.id, day("2026-03-01")).await?;
    let found = notice_page(tx, None, &Page::default()).await?.items;
    assert_eq!(found[0].baa_ends_on, Some(day("2026-03-01")), "as it is now");
    Ok(())
}
