//! Licences.

use nimbus_core::{
    license::{License, LicenseCategory},
    us::State,
};
use nimbus_store::{
    Db, Result, Tx,
    licenses::{
        license_categories, license_delete, license_get, license_insert, license_insert_many, license_list,
        license_taken, license_update,
    },
    two_engines,
};

use crate::support::{assert_conflict, day, id, now};

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }
}

fn license(state: State, category: LicenseCategory, number: &str, last: &str) -> License {
    License {
        id: id(),
        state,
        category,
        number: number.to_owned(),
        expires_on: day(last),
        version: 1,
        created_at: now(),
        updated_at: now(),
    }
}

async fn told(tx: &mut Tx) -> Result<()> {
    use LicenseCategory::{Compounding, Controlled, Retail};
    let retail = license(State::Tx, Retail, "TX-1", "2026-03-31");
    let renewed = license(State::Tx, Retail, "TX-2", "2027-03-31");
    assert!(license_insert(tx, &retail).await?);
    assert!(!license_insert(tx, &license(State::Tx, Retail, "TX-1", "2030-01-01")).await?);
    let others =
        [license(State::Tx, Controlled, "TX-1", "2026-01-31"), license(State::Ca, Retail, "1", "2026-06-30")];
    license_insert_many(tx, &others).await?;
    license_insert_many(tx, &others).await?;

    assert_eq!(license_categories(tx, State::Tx, day("2026-01-31")).await?, [Controlled, Retail]);
    assert_eq!(license_categories(tx, State::Tx, day("2026-02-01")).await?, [Retail]);
    assert!(license_categories(tx, State::Tx, day("2026-04-01")).await?.is_empty());
    assert!(license_insert(tx, &renewed).await?);
    assert_eq!(license_categories(tx, State::Tx, day("2026-04-01")).await?, [Retail]);
    assert!(license_categories(tx, State::Ak, day("2026-01-01")).await?.is_empty());

    assert_eq!(license_get(tx, retail.id).await?.as_ref(), Some(&retail));
    let all = license_list(tx, None).await?;
    assert_eq!(all.iter().map(|license| license.state).collect::<Vec<_>>(), {
        use State::{Ca, Tx};
        [Ca, Tx, Tx, Tx]
    });
    assert_eq!(license_list(tx, Some(State::Ca)).await?, [others[1].clone()]);
    assert!(!all.iter().any(|license| license.category == Compounding));

    let moved = License { number: "TX-2".to_owned(), ..retail.clone() };
    assert!(license_taken(tx, &moved).await? && !license_taken(tx, &retail).await?);
    let longer = License { number: "TX-9".to_owned(), expires_on: day("2028-01-01"), ..retail.clone() };
    license_update(tx, &longer).await?;
    assert_conflict(license_update(tx, &longer).await);
    let read = license_get(tx, retail.id).await?.unwrap();
    assert_eq!((read.version, read.number.as_str(), read.expires_on), (2, "TX-9", day("2028-01-01")));
    assert!(license_delete(tx, retail.id).await? && !license_delete(tx, retail.id).await?);
    assert!(license_get(tx, retail.id).await?.is_none());
    Ok(())
}
