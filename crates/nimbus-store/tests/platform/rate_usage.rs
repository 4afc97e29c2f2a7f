//! What processes tell each other of the requests they admitted.

use nimbus_core::rate::Class;
use nimbus_store::{
    Db, Error, Result, Tx,
    rate_usage::{REPORT_MAX, SUMS_MAX, Used, rate_usage_purge, rate_usage_report, rate_usage_sums},
    two_engines,
};
use uuid::Uuid;

const fn used(owner: u128, class: Class, window_start: i64, used: u64) -> Used {
    Used { owner: Uuid::from_u128(owner), class, window_start, used }
}

async fn report(tx: &mut Tx, rows: &[Used]) -> Result<Vec<Used>> {
    let mut sums = rate_usage_report(tx, rows).await?;
    sums.sort_by_key(|row| (row.owner, row.class, row.window_start));
    Ok(sums)
}

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }

    async fn reports_at_once_lose_nothing(db: Db) {
        let owners = 1..=20u128;
        let forward: Vec<Used> = owners.clone().map(|owner| used(owner, Class::Reads, 60, 1)).collect();
        let backward: Vec<Used> = forward.iter().rev().copied().collect();
        let reports = (0..40).map(|number| {
            let rows = if number % 2 == 0 { forward.clone() } else { backward.clone() };
            db.write(move |tx: &mut Tx| {
                let rows = rows.clone();
                Box::pin(async move { rate_usage_report(tx, &rows).await.map(drop) })
            })
        });
        for done in futures_util::future::join_all(reports).await {
            done.unwrap();
        }
        let sums = db.write(|tx: &mut Tx| Box::pin(async move {
            let nothing: Vec<Used> = (1..=20).map(|owner| used(owner, Class::Reads, 60, 0)).collect();
            report(tx, &nothing).await
        })).await.unwrap();
        assert_eq!(sums, owners.map(|owner| used(owner, Class::Reads, 60, 40)).collect::<Vec<_>>());
    }
}

async fn told(tx: &mut Tx) -> Result<()> {
    assert_eq!(report(tx, &[]).await?, []);
    let first = [used(1, Class::Reads, 60, 5), used(1, Class::Writes, 60, 1), used(2, Class::Reads, 77, 3)];
    assert_eq!(report(tx, &first).await?, first);
    let sums = report(tx, &[used(1, Class::Reads, 60, 2), used(1, Class::Reads, 120, 4)]).await?;
    assert_eq!(sums, [used(1, Class::Reads, 60, 7), used(1, Class::Reads, 120, 4)]);

    assert_eq!(rate_usage_sums(tx, 78, None).await?, [used(1, Class::Reads, 120, 4)]);
    let since_77 = [used(2, Class::Reads, 77, 3), used(1, Class::Reads, 120, 4)];
    assert_eq!(rate_usage_sums(tx, 77, None).await?, since_77);
    let first_two = [used(1, Class::Reads, 60, 7), used(1, Class::Writes, 60, 1)];
    assert_eq!(rate_usage_sums(tx, 0, None).await?, [&first_two[..], &since_77].concat());
    assert_eq!(rate_usage_sums(tx, 0, Some(first_two[1])).await?, since_77);
    assert_eq!(rate_usage_sums(tx, 78, Some(first_two[1])).await?, since_77[1..]);

    assert_eq!(rate_usage_purge(tx, 61).await?, 2);
    let left = report(tx, &[used(1, Class::Reads, 60, 0), used(2, Class::Reads, 77, 0)]).await?;
    assert_eq!(left, [used(1, Class::Reads, 60, 0), used(2, Class::Reads, 77, 3)]);

    let many: Vec<Used> = (0..=REPORT_MAX as u128).map(|owner| used(owner, Class::Reads, 0, 1)).collect();
    assert!(matches!(rate_usage_report(tx, &many).await, Err(Error::Job(_))));
    assert_eq!(report(tx, &many[1..]).await?.len(), REPORT_MAX);

    for window_start in [1, 2] {
        let more: Vec<Used> = many[1..].iter().map(|row| Used { window_start, ..*row }).collect();
        report(tx, &more).await?;
    }
    let round = rate_usage_sums(tx, 0, None).await?;
    assert_eq!(round.len(), SUMS_MAX);
    let rest = rate_usage_sums(tx, 0, round.last().copied()).await?;
    let count = many.len() - 1;
    assert_eq!(rest.len(), 3 * count + 3 - SUMS_MAX);
    assert!(round.iter().chain(&rest).is_sorted_by_key(|row| (row.window_start, row.owner)));
    Ok(())
}
