//! What is done to the log or its chain behind the store's back is found, where it was done.

use nimbus_core::ids::AuditId;
use nimbus_store::{
    Db, Engine, Tx, Value,
    audit::{BEFORE_FIRST, Checkpoint, Wrong},
    two_engines,
};
use uuid::Uuid;

use super::{linked, recorded, sign, tamper, walk};
use crate::support::{after, id};

/// Rows, linked and signed after the fourth and the last.
const ROWS: i64 = 10;

async fn scene(db: &Db) -> (Vec<AuditId>, Checkpoint) {
    let mut ids = recorded(db, 4).await;
    linked(db, 4).await;
    sign(db, 60).await;
    ids.extend(recorded(db, ROWS - 4).await);
    linked(db, ROWS).await;
    let last = sign(db, 120).await.unwrap();
    assert_eq!(found(db).await, []);
    (ids, last)
}

/// What is wrong, and at which link: the same however small the windows are.
async fn found(db: &Db) -> Vec<(Wrong, i64)> {
    let whole = walk(db, 0, None, 1000).await;
    let by_windows = walk(db, 0, None, 3).await;
    let places = |walk: &nimbus_store::audit::Walk| {
        walk.differences.iter().map(|it| (it.wrong, it.sequence)).collect::<Vec<_>>()
    };
    assert_eq!(i64::try_from(whole.differences.len()), Ok(whole.count));
    assert_eq!(places(&by_windows), places(&whole));
    places(&whole)
}

async fn row(db: &Db, sql: &'static str, id: AuditId) {
    tamper(db, sql, vec![id.into()]).await;
}

two_engines! {
    async fn a_row_that_is_edited(db: Db) {
        let (ids, _) = scene(&db).await;
        let edits: [(&'static str, Value); 10] = [
            ("update audit set clinic_id = $2 where id = $1", Uuid::now_v7().into()),
            ("update audit set at = $2 where id = $1", after(99).into()),
            ("update audit set actor_kind = $2 where id = $1", "key".into()),
            ("update audit set actor = $2 where id = $1", "somebody".into()),
            ("update audit set action = $2 where id = $1", "patient.list".into()),
            ("update audit set subject = $2 where id = $1", "order".into()),
            ("update audit set subject_id = $2 where id = $1", Value::Null),
            ("update audit set request_id = $2 where id = $1", Value::Null),
            ("update audit set address = $2 where id = $1", "198.51.100.1".into()),
            ("update audit set reason = $2 where id = $1", "".into()),
        ];
        let restore: [&'static str; 10] = [
            "update audit set clinic_id = (select clinic_id from audit_links where audit_id = $1) where id = $1",
            "update audit set at = $2 where id = $1",
            "update audit set actor_kind = 'staff' where id = $1",
            "update audit set actor = '00000000-0000-0000-0000-000000000007' where id = $1",
            "update audit set action = 'patient.read' where id = $1",
            "update audit set subject = 'patient' where id = $1",
            "update audit set subject_id = (select subject_id from audit_links where audit_id = $1) where id = $1",
            "update audit set request_id = 'req_1' where id = $1",
            "update audit set address = '192.0.2.7' where id = $1",
            "update audit set reason = 'refill call' where id = $1",
        ];
        for ((edit, value), restore) in edits.into_iter().zip(restore) {
            tamper(&db, edit, vec![ids[1].into(), value]).await;
            assert_eq!(found(&db).await, [(Wrong::RowChanged, 2)], "{edit}");
            let walked = walk(&db, 0, None, 1000).await;
            assert_eq!(walked.differences[0].audit_id, Some(ids[1]));
            let second = if restore.contains("$2") { vec![ids[1].into(), after(1).into()] } else { vec![ids[1].into()] };
            tamper(&db, restore, second).await;
            assert_eq!(found(&db).await, [], "{restore}");
        }
        // Its id, and its place.
        let other: Uuid = id();
        tamper(&db, "update audit set id = $2 where id = $1", vec![ids[8].into(), other.into()]).await;
        let mut wrong = found(&db).await;
        wrong.sort_unstable_by_key(|(wrong, _)| wrong.as_str());
        assert_eq!(wrong, [(Wrong::RowMissing, 9), (Wrong::RowUnlinked, 9)]);
    }

    async fn the_last_row_and_two_that_are_edited(db: Db) {
        let (ids, _) = scene(&db).await;
        for at in [3, 4, 9] {
            row(&db, "update audit set action = 'x' where id = $1", ids[at]).await;
        }
        let changed = |sequence| (Wrong::RowChanged, sequence);
        assert_eq!(found(&db).await, [changed(4), changed(5), changed(10)]);
        assert_eq!(walk(&db, 4, None, 10).await.count, 2, "what was before is not looked at");
    }

    async fn a_row_that_is_deleted(db: Db) {
        let (ids, _) = scene(&db).await;
        row(&db, "delete from audit where id = $1", ids[5]).await;
        assert_eq!(found(&db).await, [(Wrong::RowMissing, 6)]);
        // The first and the last: head and tail cut off.
        row(&db, "delete from audit where id = $1", ids[0]).await;
        row(&db, "delete from audit where id = $1", ids[9]).await;
        assert_eq!(found(&db).await, [1, 6, 10].map(|sequence| (Wrong::RowMissing, sequence)));
        // With its link as well.
        tamper(&db, "delete from audit_links where sequence = 6", Vec::new()).await;
        let expected = [(Wrong::RowMissing, 1), (Wrong::LinkMissing, 6), (Wrong::RowMissing, 10)];
        assert_eq!(found(&db).await, expected);
    }

    async fn the_end_that_is_cut_off(db: Db) {
        let (ids, last) = scene(&db).await;
        row(&db, "delete from audit where id >= $1", ids[7]).await;
        assert_eq!(found(&db).await, [8, 9, 10].map(|sequence| (Wrong::RowMissing, sequence)));
        // With the links.
        tamper(&db, "delete from audit_links where sequence > 7", Vec::new()).await;
        let wrong = walk(&db, 0, None, 3).await;
        assert_eq!((wrong.differences[0].sequence, wrong.differences[0].until), (8, Some(10)));
        // With the head: the checkpoint is left.
        tamper(
            &db,
            "update audit_chain set sequence = 7, (position, audit_id, hash) =
                (select position, audit_id, hash from audit_links where sequence = 7)",
            Vec::new(),
        )
        .await;
        assert_eq!(found(&db).await, [(Wrong::CheckpointMissing, 7)]);
        // With the checkpoint, so that nothing within the store tells: what was kept elsewhere does.
        tamper(&db, "delete from audit_checkpoints where number = 2", Vec::new()).await;
        tamper(&db, "update audit_chain set checkpoint = 1", Vec::new()).await;
        assert_eq!(found(&db).await, []);
        let wrong = walk(&db, 0, Some(last.clone()), 3).await;
        let places: Vec<_> = wrong.differences.iter().map(|it| (it.wrong, it.sequence, it.number)).collect();
        assert_eq!(places, [(Wrong::Truncated, 7, Some(2))]);
        // It goes on, and is as long again: another chain.
        recorded(&db, 3).await;
        linked(&db, ROWS).await;
        assert_eq!(found(&db).await, []);
        let wrong = walk(&db, 0, Some(last), 3).await;
        assert_eq!(wrong.differences[0].wrong, Wrong::Rewritten);
        assert_eq!((wrong.count, wrong.differences[0].sequence), (1, ROWS));
    }

    async fn a_row_that_is_put_between(db: Db) {
        let (ids, _) = scene(&db).await;
        let forged: AuditId = id();
        // On SQLite every position has its row: others are moved to make room.
        match db.engine() {
            Engine::Sqlite => {
                row(&db, "update audit set position = 99 where id = $1", ids[9]).await;
                row(&db, "update audit set position = 10 where id = $1", ids[8]).await;
                tamper(
                    &db,
                    "insert into audit (position, id, at, actor_kind, actor, action, subject)
                        select 9, $1, at, actor_kind, actor, 'forged', subject from audit where position = 8",
                    vec![forged.into()],
                )
                .await;
                let walked = walk(&db, 0, None, 3).await;
                let unlinked = walked.differences.iter().filter(|it| it.wrong == Wrong::RowUnlinked);
                assert!(unlinked.clone().any(|it| it.audit_id == Some(forged)), "{:?}", walked.differences);
                assert!(walked.differences.iter().all(|it| it.sequence >= 9));
            }
            Engine::Postgres => {
                let sql = "insert into audit (position, id, at, actor_kind, actor, action, subject)
                    select position, $2, at, actor_kind, actor, 'forged', subject from audit where id = $1";
                tamper(&db, sql, vec![ids[4].into(), forged.into()]).await;
                assert_eq!(found(&db).await, [(Wrong::RowUnlinked, 5)]);
            }
        }
    }

    async fn rows_that_change_places(db: Db) {
        let (ids, _) = scene(&db).await;
        let positions: [i64; 2] = db.read(move |tx: &mut Tx| Box::pin(async move {
            let mut found = [0; 2];
            for (found, sequence) in found.iter_mut().zip([3i64, 7]) {
                let sql = "select position from audit_links where sequence = $1";
                *found = tx.query_one(sql, &[sequence.into()]).await?.columns().take()?;
            }
            Ok::<_, nimbus_store::Error>(found)
        })).await.unwrap();
        let place = "update audit set position = $2 where id = $1";
        for (id, position) in [(ids[2], -7), (ids[6], positions[0]), (ids[2], positions[1])] {
            tamper(&db, place, vec![id.into(), position.into()]).await;
        }
        let wrong = found(&db).await;
        let missing: Vec<_> = wrong.iter().filter(|it| it.0 == Wrong::RowMissing).map(|it| it.1).collect();
        assert_eq!(missing, [3, 7]);
        assert_eq!(wrong.iter().filter(|it| it.0 == Wrong::RowUnlinked).count(), 2);
        // What they say, each in the other's row.
        for (id, position) in [(ids[2], -7), (ids[6], positions[1]), (ids[2], positions[0])] {
            tamper(&db, place, vec![id.into(), position.into()]).await;
        }
        assert_eq!(found(&db).await, []);
        let time = "update audit set at = $2 where id = $1";
        tamper(&db, time, vec![ids[2].into(), after(3).into()]).await;
        tamper(&db, time, vec![ids[7].into(), after(2).into()]).await;
        assert_eq!(found(&db).await, [(Wrong::RowChanged, 3), (Wrong::RowChanged, 8)]);
    }

    async fn a_link_that_is_forged(db: Db) {
        let (ids, _) = scene(&db).await;
        for (sequence, column) in [
            (3i64, "update audit_links set hash = $2 where sequence = $1"),
            (10, "update audit_links set hash = $2 where sequence = $1"),
            // It is covered by the first checkpoint as its last.
            (4, "update audit_links set hash = $2 where sequence = $1"),
        ] {
            let hash = hash_of(&db, sequence).await;
            tamper(&db, column, vec![sequence.into(), vec![1u8; 32].into()]).await;
            assert_eq!(found(&db).await, [(Wrong::LinkChanged, sequence)]);
            // Of another length.
            tamper(&db, column, vec![sequence.into(), vec![1u8; 31].into()]).await;
            assert_eq!(found(&db).await, [(Wrong::LinkChanged, sequence)]);
            tamper(&db, column, vec![sequence.into(), hash.into()]).await;
            assert_eq!(found(&db).await, []);
        }
        // What the log is searched by.
        let owner = "update audit_links set clinic_id = $2 where sequence = $1";
        tamper(&db, owner, vec![2i64.into(), Uuid::now_v7().into()]).await;
        tamper(&db, "update audit_links set subject_id = null where sequence = 5", Vec::new()).await;
        tamper(&db, "update audit_links set position = 500000000 where sequence = 8", Vec::new()).await;
        let changed = |sequence| (Wrong::LinkChanged, sequence);
        assert_eq!(found(&db).await, [changed(2), changed(5), changed(8)]);
        // One that is gone: its row is one that nobody linked.
        tamper(&db, "delete from audit_links where sequence = 6", Vec::new()).await;
        let wrong = walk(&db, 5, None, 100).await;
        let places: Vec<_> = wrong.differences.iter().map(|it| (it.wrong, it.sequence, it.audit_id)).collect();
        assert_eq!(
            places,
            [
                (Wrong::LinkMissing, 6, None),
                (Wrong::RowUnlinked, 6, Some(ids[5])),
                (Wrong::LinkChanged, 8, Some(ids[7])),
            ]
        );
    }

    async fn a_checkpoint_that_is_forged_or_dropped(db: Db) {
        scene(&db).await;
        let edits: [&'static str; 6] = [
            "update audit_checkpoints set at = earliest_at where number = 1",
            "update audit_checkpoints set hash = signature where number = 1",
            "update audit_checkpoints set key_id = $1 where number = 1",
            "update audit_checkpoints set latest_at = at where number = 1",
            "delete from audit_checkpoints where number = 1",
            "delete from audit_checkpoints where number = 2",
        ];
        let wrong = [
            (Wrong::CheckpointChanged, 4),
            (Wrong::CheckpointChanged, 4),
            (Wrong::CheckpointChanged, 4),
            (Wrong::CheckpointChanged, 4),
            // The next one that there is says that it was there.
            (Wrong::CheckpointMissing, 10),
            (Wrong::CheckpointMissing, 10),
        ];
        for (edit, wrong) in edits.into_iter().zip(wrong) {
            let args = if edit.contains("$1") { vec![Uuid::now_v7().into()] } else { Vec::new() };
            kept(&db, "create table kept as select * from audit_checkpoints").await;
            tamper(&db, edit, args).await;
            assert_eq!(found(&db).await, [wrong], "{edit}");
            kept(&db, "delete from audit_checkpoints").await;
            kept(&db, "insert into audit_checkpoints select * from kept").await;
            kept(&db, "drop table kept").await;
        }
        assert_eq!(found(&db).await, []);
        // Another key, with nothing of this store's behind it.
        tamper(&db, "update audit_keys set public_key = $1", vec![vec![1u8; 32].into()]).await;
        let expected = [(Wrong::KeyChanged, 0), (Wrong::CheckpointChanged, 4), (Wrong::CheckpointChanged, 10)];
        assert_eq!(found(&db).await, expected);
    }

    async fn a_chain_that_is_written_anew(db: Db) {
        let (ids, last) = scene(&db).await;
        row(&db, "delete from audit where id = $1", ids[1]).await;
        tamper(&db, "delete from audit_links", Vec::new()).await;
        let begin = "update audit_chain
            set sequence = 0, position = -1, audit_id = $1, hash = $2, earliest_at = null, latest_at = null";
        let before: Vec<u8> = BEFORE_FIRST.to_vec();
        tamper(&db, begin, vec![Uuid::nil().into(), before.into()]).await;
        linked(&db, ROWS - 1).await;
        let rewritten = found(&db).await;
        assert_eq!(rewritten[0], (Wrong::Rewritten, 4), "a checkpoint says what the chain was");
        assert!(rewritten.len() > 1, "the next is beyond the head");
        // Without the checkpoints: what was kept elsewhere tells.
        tamper(&db, "delete from audit_checkpoints", Vec::new()).await;
        tamper(&db, "update audit_chain set checkpoint = 0", Vec::new()).await;
        assert_eq!(found(&db).await, []);
        assert_eq!(walk(&db, 0, Some(last), 3).await.differences[0].wrong, Wrong::Truncated);
    }

    async fn a_head_that_is_moved(db: Db) {
        scene(&db).await;
        tamper(&db, "update audit_chain set hash = $1", vec![vec![3u8; 32].into()]).await;
        assert_eq!(found(&db).await, [(Wrong::HeadChanged, 10)]);
        let back = "update audit_chain set sequence = 9, checkpoint = 1, (position, audit_id, hash) =
                (select position, audit_id, hash from audit_links where sequence = 9)";
        tamper(&db, back, Vec::new()).await;
        assert_eq!(found(&db).await, [(Wrong::HeadChanged, 9)]);
    }
}

async fn hash_of(db: &Db, sequence: i64) -> Vec<u8> {
    let sql = "select hash from audit_links where sequence = $1";
    let read = db.read(move |tx: &mut Tx| {
        Box::pin(async move { tx.query_one(sql, &[sequence.into()]).await?.columns().take() })
    });
    read.await.map_err(|error: nimbus_store::Error| error).unwrap()
}

async fn kept(db: &Db, sql: &'static str) {
    let written = db.write(move |tx: &mut Tx| Box::pin(async move { tx.execute(sql, &[]).await.map(drop) }));
    written.await.map_err(|error: nimbus_store::Error| error).unwrap();
}
