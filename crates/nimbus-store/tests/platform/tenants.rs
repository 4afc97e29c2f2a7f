//! Partners, agreements and clinics.

use nimbus_core::{ids::PartnerId, time::Date};
use nimbus_store::{
    Db, Error, Result, Tx,
    page::Page,
    tenants::{
        Baa, Clinic, PartnerStatus, baa_end, baa_get, baa_in_force, baa_insert, baa_list, baa_page,
        clinic_delete_soft, clinic_get, clinic_insert, clinic_list, clinic_page, clinic_update, partner_get,
        partner_insert, partner_list, partner_page, partner_status_set,
    },
    two_engines,
};

use crate::support::{after, assert_conflict, clinic_of, day, id, now, partner};

two_engines! {
    async fn partners(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(partners_told(tx))).await.unwrap();
    }

    async fn agreements(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(agreements_told(tx))).await.unwrap();
    }

    async fn clinics(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(clinics_told(tx))).await.unwrap();
    }
}

async fn partners_told(tx: &mut Tx) -> Result<()> {
    let (first, second) = (partner(), partner());
    partner_insert(tx, &first).await?;
    partner_insert(tx, &second).await?;
    assert_eq!(partner_get(tx, first.id).await?.as_ref(), Some(&first));
    assert_eq!(partner_get(tx, id()).await?, None);
    assert_eq!(partner_list(tx).await?, [second.clone(), first.clone()]);
    assert!(partner_status_set(tx, first.id, PartnerStatus::Suspended, after(1)).await?);
    assert!(!partner_status_set(tx, id(), PartnerStatus::Approved, after(1)).await?);
    let suspended = partner_get(tx, first.id).await?.unwrap();
    assert_eq!((suspended.status, suspended.updated_at), (PartnerStatus::Suspended, after(1)));
    let of = async |tx: &mut Tx, status, page: &Page| {
        let found = partner_page(tx, status, page).await?;
        Ok::<_, Error>((found.items.iter().map(|it| it.id).collect::<Vec<_>>(), found.has_more))
    };
    let one = Page { limit: 1, ..Page::default() };
    assert_eq!(of(tx, None, &one).await?, (vec![second.id], true));
    assert_eq!(of(tx, None, &Page { before: Some(second.id.0), ..one }).await?, (vec![first.id], false));
    let suspended = Some(PartnerStatus::Suspended);
    assert_eq!(of(tx, suspended, &Page::default()).await?, (vec![first.id], false));
    Ok(())
}

async fn in_force(tx: &mut Tx, partner: PartnerId, days: [&str; 4]) -> Result<[bool; 4]> {
    let mut found = [false; 4];
    for (found, text) in found.iter_mut().zip(days) {
        *found = baa_in_force(tx, partner, day(text)).await?;
    }
    Ok(found)
}

async fn agreements_told(tx: &mut Tx) -> Result<()> {
    let (partner, other) = (partner(), partner());
    partner_insert(tx, &partner).await?;
    partner_insert(tx, &other).await?;
    let baa = Baa {
        id: id(),
        partner_id: partner.id,
        effective_on: day("2026-01-10"),
        ends_on: None::<Date>,
        document_hash: "sha256:00".to_owned(),
        created_at: now(),
    };
    baa_insert(tx, &baa).await?;
    let days = ["2026-01-09", "2026-01-10", "2026-01-20", "2026-01-21"];
    assert_eq!(in_force(tx, partner.id, days).await?, [false, true, true, true]);
    assert!(baa_end(tx, baa.id, day("2026-01-20")).await?);
    assert!(!baa_end(tx, id(), day("2026-01-20")).await?);
    assert_eq!(in_force(tx, partner.id, days).await?, [false, true, true, false]);
    assert_eq!(in_force(tx, other.id, days).await?, [false; 4]);
    assert_eq!(baa_list(tx, partner.id).await?, [Baa { ends_on: Some(day("2026-01-20")), ..baa.clone() }]);
    assert_eq!(baa_list(tx, other.id).await?, []);
    assert_eq!(baa_get(tx, baa.id).await?.unwrap().ends_on, Some(day("2026-01-20")));
    assert_eq!(baa_get(tx, id()).await?, None);
    let (early, renewed) = (
        Baa { id: id(), ends_on: Some(day("2026-01-12")), ..baa.clone() },
        Baa { id: id(), effective_on: day("2026-01-21"), ..baa.clone() },
    );
    baa_insert(tx, &early).await?;
    baa_insert(tx, &renewed).await?;
    assert_eq!(in_force(tx, partner.id, days).await?, [false, true, true, true], "one of them is enough");
    let listed = baa_list(tx, partner.id).await?;
    assert_eq!(listed.iter().map(|baa| baa.id).collect::<Vec<_>>(), [renewed.id, early.id, baa.id]);
    let rest = Page { before: Some(renewed.id.0), limit: 1, ..Page::default() };
    let rest = baa_page(tx, partner.id, &rest).await?;
    assert_eq!((rest.items[0].id, rest.has_more), (early.id, true));
    assert_eq!(baa_page(tx, other.id, &Page::default()).await?.items, []);
    Ok(())
}

async fn clinics_told(tx: &mut Tx) -> Result<()> {
    let (here, there) = (partner(), partner());
    partner_insert(tx, &here).await?;
    partner_insert(tx, &there).await?;
    let (one, two) = (clinic_of(here.id), clinic_of(there.id));
    clinic_insert(tx, &one).await?;
    clinic_insert(tx, &two).await?;
    assert!(tx.keys(one.id).await.is_ok(), "a clinic has keys from its beginning");
    assert_eq!(clinic_get(tx, one.id).await?.as_ref(), Some(&one));
    assert_eq!(clinic_list(tx, None).await?, [two.clone(), one.clone()]);
    assert_eq!(clinic_list(tx, Some(here.id)).await?, std::slice::from_ref(&one));
    assert!(clinic_delete_soft(tx, one.id, after(5)).await?);
    assert!(!clinic_delete_soft(tx, one.id, after(6)).await?, "it was deleted already");
    assert_eq!(clinic_list(tx, None).await?, std::slice::from_ref(&two));
    let deleted = clinic_get(tx, one.id).await?.unwrap();
    assert_eq!((deleted.deleted_at, deleted.updated_at), (Some(after(5)), after(5)));
    assert_eq!(clinic_page(tx, None, &Page::default()).await?.items, std::slice::from_ref(&two));
    assert_eq!(clinic_page(tx, Some(here.id), &Page::default()).await?.items, []);
    assert_conflict(clinic_update(tx, &deleted).await);

    let renamed = Clinic { name: "Renamed".to_owned(), updated_at: after(7), ..two.clone() };
    clinic_update(tx, &renamed).await?;
    assert_conflict(clinic_update(tx, &Clinic { name: "Lost".to_owned(), ..renamed.clone() }).await);
    let now_there = clinic_get(tx, two.id).await?.unwrap();
    assert_eq!(now_there, Clinic { version: 2, ..renamed });
    let since = Page { updated_from: Some(after(7)), ..Page::default() };
    assert_eq!(clinic_page(tx, Some(there.id), &since).await?.items, [now_there]);
    let since = Page { updated_from: Some(after(8)), ..Page::default() };
    assert_eq!(clinic_page(tx, None, &since).await?.items, []);
    Ok(())
}
