//! The chain follows the log: in its order, without a gap, whoever links and whatever runs meanwhile.

use std::{sync::Arc, time::Duration};

use nimbus_core::ids::{AuditId, ClinicId};
use nimbus_store::{
    Db, Engine, Error, Tx,
    audit::{
        AuditEntry, BEFORE_FIRST, Search, audit_public_keys, audit_search, audit_statements, chain_advance,
        chain_head, chain_lease, chain_lease_end, chain_standing, chain_step, checkpoint_last,
        checkpoint_over, link_hash, row_hash, walk_on_record, walk_write,
    },
    testing::{Place, TestDb, audited, block_on, master_key},
    two_engines,
};
use uuid::Uuid;

use super::{entry, link, linked, record, recorded, sign, walk};
use crate::support::{after, id, now};

two_engines! {
    async fn each_row_is_linked_once_in_the_order_of_the_log(db: Db) {
        let ids = recorded(&db, 7).await;
        let standing = db.read(|tx: &mut Tx| Box::pin(chain_standing(tx))).await.unwrap();
        assert_eq!((standing.linked, standing.unlinked_since, standing.checkpoint), (0, Some(now()), None));
        linked(&db, 7).await;
        assert_eq!(link(&db).await, 0, "there is nothing more");
        // The chain is what anybody computes from the rows.
        let mut rows = audited(&db, None, None).await;
        rows.sort_by_key(|row| row.at);
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), ids);
        let hash = (1..).zip(&rows).fold(BEFORE_FIRST, |before, (sequence, row)| {
            link_hash(sequence, &before, &row_hash(row))
        });
        let head = db.read(|tx: &mut Tx| Box::pin(chain_head(tx))).await.unwrap();
        assert_eq!((head.sequence, head.hash, head.checkpoint), (7, hash, 0));
        let found = walk(&db, 0, None, 1000).await;
        assert_eq!((found.count, found.sequence, found.hash()), (0, 7, Some(hash)));
        // What comes later goes on from there, however small the windows are, and wherever one begins.
        recorded(&db, 5).await;
        linked(&db, 12).await;
        for window in [1, 2, 5, 1000] {
            for from in [0, 1, 6, 12] {
                let found = walk(&db, from, None, window).await;
                assert_eq!((found.differences.as_slice(), found.sequence), (&[][..], 12), "from {from}");
            }
        }
        let standing = db.read(|tx: &mut Tx| Box::pin(chain_standing(tx))).await.unwrap();
        assert_eq!((standing.linked, standing.unlinked_since), (12, None));
    }

    async fn many_rows_go_in_small_batches(db: Db) {
        let rows: Vec<_> = (0..997).map(|second| entry(None, id(), second)).collect();
        for _ in 0..3 {
            record(&db, rows.clone()).await;
        }
        let steps = linked(&db, 2991).await;
        assert!(steps >= if db.engine() == Engine::Sqlite { 12 } else { 3 });
        let found = walk(&db, 0, None, 100).await;
        assert_eq!((found.differences.first(), found.count, found.sequence), (None, 0, 2991));
    }

    async fn what_is_signed_says_what_the_chain_is(db: Db) {
        assert_eq!(sign(&db, 1).await, None, "there is nothing to sign");
        recorded(&db, 3).await;
        linked(&db, 3).await;
        let first = sign(&db, 60).await.unwrap();
        assert_eq!(sign(&db, 61).await, None, "nothing came since");
        assert_eq!((first.number, first.sequence, first.at), (1, 3, after(60)));
        assert_eq!((first.earliest_at, first.latest_at), (now(), after(2)));
        recorded(&db, 2).await;
        linked(&db, 5).await;
        let second = sign(&db, 120).await.unwrap();
        assert_eq!((second.number, second.sequence, second.key_id), (2, 5, first.key_id));
        let keys = db.read(|tx: &mut Tx| Box::pin(audit_public_keys(tx))).await.unwrap();
        let [key] = keys.as_slice() else { panic!("one key") };
        assert!(key.is_ours && key.id == first.key_id);
        assert!(key.has_signed(&first.content(), &first.signature));
        assert!(!key.has_signed(&second.content(), &first.signature));
        let read = db.read(|tx: &mut Tx| Box::pin(async move {
            Ok::<_, Error>((checkpoint_last(tx).await?, checkpoint_over(tx, 2).await?, checkpoint_over(tx, 6).await?))
        }));
        assert_eq!(read.await.unwrap(), (Some(second), Some(first), None));
        assert_eq!(walk(&db, 0, None, 2).await.count, 0);
    }

    async fn one_at_a_time_links_and_a_step_is_written_once(db: Db) {
        recorded(&db, 3).await;
        let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
        let lease = async |token, until, now| {
            db.write(move |tx: &mut Tx| Box::pin(chain_lease(tx, token, after(until), after(now)))).await.unwrap()
        };
        assert!(lease(one, 10, 0).await && lease(one, 12, 2).await);
        assert!(!lease(other, 15, 5).await);
        assert!(lease(other, 25, 15).await, "it has run out");
        let step = loop {
            if let Some(step) = db.read(|tx: &mut Tx| Box::pin(chain_step(tx))).await.unwrap() {
                break step;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let advance = async |token| {
            let step = step.clone();
            let written = db.write(move |tx: &mut Tx| {
                let step = step.clone();
                Box::pin(async move { chain_advance(tx, &step, token).await })
            });
            written.await.unwrap()
        };
        assert!(!advance(one).await, "it does not hold the lease any more");
        assert!(advance(other).await && !advance(other).await);
        db.write(move |tx: &mut Tx| Box::pin(chain_lease_end(tx, other))).await.unwrap();
        assert!(lease(one, 40, 30).await);
        assert!(lease(other, 10, 0).await, "its lease is from before the clock was set back");
        assert_eq!(walk(&db, 0, None, 10).await.count, 0);
    }

    async fn rows_of_many_writers_are_linked_while_they_come(db: Db) {
        let db = Arc::new(db);
        let writers = (0..4).map(|_| {
            let db = Arc::clone(&db);
            tokio::spawn(async move { recorded(&db, 25).await })
        });
        let writers: Vec<_> = writers.collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            link(&db).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        for writer in writers {
            writer.await.unwrap();
        }
        linked(&db, 100).await;
        assert_eq!(walk(&db, 0, None, 7).await.count, 0);
    }

    async fn a_round_is_on_record_until_the_next_finds_nothing(db: Db) {
        let standing = async || db.read(|tx: &mut Tx| Box::pin(chain_standing(tx))).await.unwrap();
        let write = async |walked, found, ended| {
            db.write(move |tx: &mut Tx| Box::pin(walk_write(tx, walked, found, ended))).await.unwrap();
        };
        assert_eq!((standing().await.walked_at, standing().await.differences), (None, 0));
        write(1000, 2, None).await;
        assert_eq!(db.read(|tx: &mut Tx| Box::pin(walk_on_record(tx))).await.unwrap(), (1000, 2));
        assert_eq!(standing().await.differences, 2);
        write(1500, 2, Some(after(5))).await;
        assert_eq!((standing().await.walked_at, standing().await.differences), (Some(after(5)), 2));
        assert_eq!(db.read(|tx: &mut Tx| Box::pin(walk_on_record(tx))).await.unwrap(), (0, 0));
        write(1500, 0, Some(after(9))).await;
        assert_eq!((standing().await.walked_at, standing().await.differences), (Some(after(9)), 0));
    }
}

/// A row whose transaction began before others and ended after them is linked after them, and not left out.
#[test]
fn a_row_that_is_committed_late_is_not_left_out() {
    block_on(async {
        let test = TestDb::migrated(Engine::Postgres).await;
        let (db, Place::Url(url)) = (&test.db, &test.place) else { panic!("a server has a URL") };
        let other = Db::open_postgres(url, master_key(), 4).await.unwrap();
        let late = tokio::spawn(async move {
            other
                .write(|tx: &mut Tx| {
                    Box::pin(async move {
                        tx.batch(audit_statements(&[entry(None, Uuid::from_u128(1), 0)])).await?;
                        tx.query("select cast(pg_sleep(1) as text)", &[]).await?;
                        Ok::<_, Error>(())
                    })
                })
                .await
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        record(db, vec![entry(None, Uuid::from_u128(2), 1)]).await;
        assert_eq!(link(db).await, 0, "something may still come to stand before it");
        late.await.unwrap().unwrap();
        linked(db, 2).await;
        assert_eq!(walk(db, 0, None, 10).await.count, 0);
    });
}

/// Rows from before the chain have no position, or the order of their ids.
#[test]
fn rows_from_before_the_chain_are_linked_first() {
    block_on(async {
        let test = TestDb::migrated(Engine::Postgres).await;
        let db = &test.db;
        let ids: Vec<AuditId> = recorded(db, 5).await;
        let old = |tx: &'static str, args: Vec<nimbus_store::Value>| super::tamper(db, tx, args);
        old("update audit set position = 0", Vec::new()).await;
        old("update audit_chain set old_until = $1", vec![ids[4].into()]).await;
        recorded(db, 4).await;
        linked(db, 9).await;
        for window in [2, 4, 100] {
            let found = walk(db, 0, None, window).await;
            assert_eq!((found.differences.as_slice(), found.sequence), (&[][..], 9));
        }
        let first = "select audit_id from audit_links order by sequence limit 5";
        let linked = db.read(move |tx: &mut Tx| {
            Box::pin(async move {
                let rows = tx.query(first, &[]).await?;
                rows.iter().map(|row| row.columns().take()).collect::<Result<Vec<AuditId>, Error>>()
            })
        });
        assert_eq!(linked.await.unwrap(), ids);
    });
}

/// What was found, oldest first, and how many pages that took.
async fn searched(db: &Db, search: Search) -> (Vec<i64>, usize) {
    let (mut found, mut pages, mut before) = (Vec::new(), 0, search.before);
    loop {
        let asked = Search { before, ..search.clone() };
        let page = db.read(move |tx: &mut Tx| {
            let asked = asked.clone();
            Box::pin(async move { audit_search(tx, &asked).await })
        });
        let page = page.await.unwrap();
        pages += 1;
        found.extend(page.items.iter().map(|(sequence, _)| *sequence));
        assert!(page.items.iter().all(|(_, row)| row.action == "patient.read"));
        before = page.before;
        if before.is_none() {
            assert!(found.is_sorted_by(|one, next| one > next), "newest first, and none twice");
            found.reverse();
            return (found, pages);
        }
    }
}

two_engines! {
    async fn rows_are_found_by_whom_and_what_they_are_about_and_when(db: Db) {
        let (clinic, subject): (ClinicId, Uuid) = (id(), id());
        // Signed by the twenty, the last ten not at all; every fourth is about the subject, every second of the clinic.
        for second in 0..70i64 {
            let about = if second % 4 == 0 { subject } else { id() };
            let of = Some(clinic).filter(|_| second % 2 == 0);
            let asked = Some(format!("req_{second}"));
            record(&db, vec![AuditEntry { request_id: asked, ..entry(of, about, second) }]).await;
            if second % 20 == 19 {
                linked(&db, second + 1).await;
                sign(&db, second).await.unwrap();
            }
        }
        linked(&db, 70).await;
        let by = Search { limit: 7, ..Search::default() };
        let every = |step: usize| (1..=70).step_by(step).collect::<Vec<i64>>();
        assert_eq!(searched(&db, by.clone()).await, (every(1), 10));
        assert_eq!(searched(&db, Search { subject_id: Some(subject), ..by.clone() }).await.0, every(4));
        assert_eq!(searched(&db, Search { clinic_id: Some(clinic), ..by.clone() }).await.0, every(2));
        let both = Search { clinic_id: Some(clinic), subject_id: Some(subject), ..by.clone() };
        assert_eq!(searched(&db, both.clone()).await.0, every(4));
        assert_eq!(searched(&db, Search { clinic_id: Some(id()), ..both }).await, (Vec::new(), 1));
        assert_eq!(searched(&db, Search { request_id: Some("req_33".to_owned()), ..by.clone() }).await.0, [34]);
        let other = Search { action: Some("patient.write".to_owned()), ..by.clone() };
        assert_eq!(searched(&db, other).await, (Vec::new(), 1));
        // Whatever is signed, and what is not, from any time to any other.
        for (from, until) in [(0, 70), (0, 20), (19, 21), (20, 40), (35, 65), (60, 70), (64, 66), (65, 90), (80, 90)] {
            let within = Search { from: Some(after(from)), until: Some(after(until)), ..by.clone() };
            let expected: Vec<i64> = (from + 1..=until.min(70)).collect();
            assert_eq!(searched(&db, within.clone()).await.0, expected, "{from} to {until}");
            let about = Search { subject_id: Some(subject), ..within };
            let expected: Vec<i64> = expected.into_iter().filter(|sequence| sequence % 4 == 1).collect();
            assert_eq!(searched(&db, about).await.0, expected, "{from} to {until}");
        }
    }
}

/// On SQLite; PostgreSQL reads tables of seventy rows whole, and rightly.
#[test]
fn a_search_reads_the_index_of_what_it_looks_for_and_the_rows_it_finds() {
    block_on(async {
        let test = TestDb::migrated(Engine::Sqlite).await;
        recorded(&test.db, 3).await;
        linked(&test.db, 3).await;
        for (search, index) in [
            (
                Search { subject_id: Some(id()), ..Search::default() },
                "audit_links_by_subject (subject_id=? AND sequence>",
            ),
            (
                Search { clinic_id: Some(id()), ..Search::default() },
                "audit_links_by_clinic (clinic_id=? AND sequence>",
            ),
            (Search::default(), "INTEGER PRIMARY KEY (rowid>"),
        ] {
            let read = test.db.read(move |tx: &mut Tx| {
                let search = search.clone();
                Box::pin(async move {
                    tx.keep_plans();
                    audit_search(tx, &search).await?;
                    Ok::<_, Error>(tx.take_plans())
                })
            });
            let plans = read.await.unwrap();
            let (_, plan) =
                plans.iter().find(|(sql, _)| sql.contains("from audit_links where")).expect("it is read");
            assert!(plan.contains(index), "{plan}");
            assert!(plan.contains("SEARCH a USING INTEGER PRIMARY KEY (rowid=?)"), "{plan}");
            assert!(!plan.contains("SCAN a"), "{plan}");
        }
    });
}
