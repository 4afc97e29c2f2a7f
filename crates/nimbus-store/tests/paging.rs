//! Paging while others insert: nothing twice, nothing lost; and each way to the rows tells the same list.

use nimbus_core::{
    ids::{ClinicId, PractitionerId},
    phi::Phi,
    practitioner::{Practitioner, PractitionerProfile, PractitionerStatus},
    time::Ts,
};
use nimbus_store::{
    Db, Error, Result, Tx,
    page::Page,
    practitioners::{practitioner_insert, practitioner_list},
    tenants, two_engines,
};
use uuid::Uuid;

fn at(second: i64) -> Ts {
    Ts::from_micros(1_767_225_600_000_000).plus_seconds(second)
}

async fn clinic(tx: &mut Tx) -> Result<ClinicId> {
    let partner = tenants::Partner {
        id: Uuid::now_v7().into(),
        name: "Partner".to_owned(),
        status: tenants::PartnerStatus::Approved,
        created_at: at(0),
        updated_at: at(0),
    };
    tenants::partner_insert(tx, &partner).await?;
    let clinic = tenants::Clinic {
        id: ClinicId(Uuid::now_v7()),
        partner_id: partner.id,
        name: "Clinic".to_owned(),
        created_at: at(0),
        updated_at: at(0),
        version: 1,
        deleted_at: None,
        clock_ahead_us: 0,
    };
    tenants::clinic_insert(tx, &clinic).await?;
    Ok(clinic.id)
}

/// A practitioner created and changed at these seconds.
fn person(clinic: ClinicId, created: i64, updated: i64, status: PractitionerStatus) -> Practitioner {
    let text = |text: &str| text.to_owned();
    Practitioner {
        id: PractitionerId(Uuid::now_v7()),
        clinic_id: clinic,
        status,
        profile: Phi::new(PractitionerProfile {
            first_name: text("Ada"),
            last_name: text("Sorensen"),
            email: text("ada@example.com"),
            npi: None,
            is_veterinarian: true,
            phone: None,
            address_line_1: text("1 Main St"),
            address_line_2: None,
            city: text("Austin"),
            state_code: text("TX"),
            zip_code: text("78701"),
            dea_number: None,
            license_number: None,
            license_state: None,
        }),
        has_signature: false,
        version: 1,
        created_at: at(created),
        updated_at: at(updated),
    }
}

async fn insert(db: &Db, people: Vec<Practitioner>) {
    db.write(move |tx: &mut Tx| {
        let people = people.clone();
        Box::pin(async move {
            for person in &people {
                practitioner_insert(tx, person, None).await?;
            }
            Ok::<_, Error>(())
        })
    })
    .await
    .unwrap();
}

/// Every page of a list; `between` is done after each.
async fn walk(
    db: &Db,
    clinic: ClinicId,
    status: Option<PractitionerStatus>,
    page: Page,
    mut between: impl AsyncFnMut(),
) -> Vec<PractitionerId> {
    let (mut seen, mut page) = (Vec::new(), page);
    loop {
        let asked = page.clone();
        let slice = db
            .read(move |tx: &mut Tx| {
                let asked = asked.clone();
                Box::pin(async move { practitioner_list(tx, Some(clinic), status, &asked).await })
            })
            .await
            .unwrap();
        seen.extend(slice.items.iter().map(|item| item.id));
        assert!(slice.items.len() <= page.limit as usize);
        match slice.items.last().filter(|_| slice.has_more) {
            Some(last) => page.before = Some(last.id.0),
            None => return seen,
        }
        between().await;
    }
}

fn expected(people: &[Practitioner], status: Option<PractitionerStatus>, page: &Page) -> Vec<PractitionerId> {
    let from = |bound: Option<Ts>, at: Ts| bound.is_none_or(|bound| at >= bound);
    let until = |bound: Option<Ts>, at: Ts| bound.is_none_or(|bound| at < bound);
    let mut listed: Vec<&Practitioner> = people
        .iter()
        .filter(|person| status.is_none_or(|status| person.status == status))
        .filter(|person| {
            from(page.created_from, person.created_at) && until(page.created_until, person.created_at)
        })
        .filter(|person| {
            from(page.updated_from, person.updated_at) && until(page.updated_until, person.updated_at)
        })
        .collect();
    listed.sort_by_key(|person| std::cmp::Reverse((person.created_at, person.id)));
    listed.into_iter().map(|person| person.id).collect()
}

two_engines! {
    /// 1,200 rows, whose times run against their ids, many alike: on both sides of what counts as a few changes.
    async fn each_way_to_the_rows_tells_the_same_list(db: Db) {
        let clinic = db.write(|tx: &mut Tx| Box::pin(clinic(tx))).await.unwrap();
        let people: Vec<Practitioner> = (0..1200)
            .map(|i| {
                let status = if i % 7 == 0 { PractitionerStatus::Active } else { PractitionerStatus::Pending };
                person(clinic, (i * 37) % 400, (i * 53) % 1200, status)
            })
            .collect();
        insert(&db, people.clone()).await;
        let limit = Page { limit: 100, ..Page::default() };
        for page in [
            limit.clone(),
            Page { created_from: Some(at(100)), created_until: Some(at(250)), ..limit.clone() },
            Page { created_until: Some(at(1)), ..limit.clone() },
            Page { created_from: Some(at(500)), ..limit.clone() },
            Page { updated_from: Some(at(1190)), ..limit.clone() },
            Page { updated_until: Some(at(1150)), ..limit.clone() },
            Page { updated_from: Some(at(0)), created_from: Some(at(390)), ..limit.clone() },
            Page { updated_from: Some(at(300)), created_until: Some(at(200)), ..limit.clone() },
        ] {
            for status in [None, Some(PractitionerStatus::Active), Some(PractitionerStatus::Inactive)] {
                let seen = walk(&db, clinic, status, page.clone(), async || {}).await;
                assert_eq!(seen, expected(&people, status, &page), "{status:?} {page:?}");
            }
        }
    }

    async fn inserts_shift_nothing(db: Db) {
        let clinic = db.write(|tx: &mut Tx| Box::pin(clinic(tx))).await.unwrap();
        let people: Vec<Practitioner> =
            (0..60).map(|i| person(clinic, i / 3, i, PractitionerStatus::Active)).collect();
        insert(&db, people.clone()).await;
        for page in [
            Page { limit: 7, ..Page::default() },
            Page { limit: 7, updated_from: Some(at(0)), ..Page::default() },
            Page { limit: 7, created_from: Some(at(3)), ..Page::default() },
        ] {
            let mut second = 0;
            let seen = walk(&db, clinic, None, page.clone(), async || {
                second += 1;
                // Before, among and behind what is being paged.
                let new = [20 + second, second, second * 2]
                    .map(|created| person(clinic, created, 100 + second, PractitionerStatus::Active));
                insert(&db, new.to_vec()).await;
            })
            .await;
            let mut once = seen.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), seen.len(), "nothing twice");
            for id in expected(&people, None, &page) {
                assert!(seen.contains(&id), "nothing that was there is lost");
            }
        }
    }

    async fn limits_are_brought_within_bounds(db: Db) {
        let clinic = db.write(|tx: &mut Tx| Box::pin(clinic(tx))).await.unwrap();
        let people = (0..120).map(|i| person(clinic, i, i, PractitionerStatus::Active)).collect();
        insert(&db, people).await;
        for (limit, items) in [(0, 1), (1, 1), (100, 100), (101, 100), (u32::MAX, 100)] {
            let page = Page { limit, ..Page::default() };
            let slice = db.read(move |tx: &mut Tx| {
                let page = page.clone();
                Box::pin(async move { practitioner_list(tx, Some(clinic), None, &page).await })
            }).await.unwrap();
            assert_eq!((slice.items.len(), slice.has_more), (items, true), "{limit}");
        }
        // A cursor that is no row of the clinic's has nothing after it.
        let nowhere = Page { before: Some(Uuid::now_v7()), ..Page::default() };
        let none = db.read(move |tx: &mut Tx| {
            let nowhere = nowhere.clone();
            Box::pin(async move { practitioner_list(tx, Some(clinic), None, &nowhere).await })
        }).await.unwrap();
        assert!(none.items.is_empty() && !none.has_more);
    }
}
