//! Stock by lot.

use nimbus_core::{
    access::{By, SystemActor},
    formulary::Unit,
    ids::LotId,
    inventory::{Lot, MoveKind, allocate},
    phi::Phi,
    quantity::Quantity,
};
use nimbus_store::{
    Db, Error, Result, Tx,
    inventory::{
        Fill, Move, MoveRow, drugs_without_unit, lot_get, lot_list, lot_lock, lot_move, lot_take_in,
        lots_consume, lots_lock, lots_of_order, lots_return, lots_unit_set, move_list,
    },
    migrate,
    page::Page,
    two_engines,
};

use crate::support::{assert_conflict, day, id, now, world};

const BY: By = By::System(SystemActor::Jobs);

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }

    async fn nothing_goes_below_zero(db: Db) {
        let lot = db.write(|tx: &mut Tx| Box::pin(async move { received(tx, "1", "2027-01-01", 1000).await }));
        let lot = lot.await.unwrap().id;
        let more = db.write(move |tx: &mut Tx| Box::pin(async move { lot_move(tx, &adjust(lot, -1001), BY).await }));
        assert_conflict(more.await);
        let left = db.read(move |tx| Box::pin(async move { lot_get(tx, lot).await })).await.unwrap();
        assert_eq!(left.map(|lot| lot.on_hand), Some(1000));
    }

    async fn a_lot_of_before_gets_the_unit_of_its_drug(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(async move {
            let lot = received(tx, "1", "2027-01-01", 1000).await?;
            tx.execute("update inventory_lots set unit = null", &[]).await?;
            assert_eq!(lot_get(tx, lot.id).await?.map(|lot| lot.unit), Some(None));
            assert_eq!(drugs_without_unit(tx).await?, ["drug"]);
            assert_eq!(lots_unit_set(tx, "drug", Unit::Gram).await?, 1);
            assert_eq!(lots_unit_set(tx, "drug", Unit::Vial).await?, 0, "one that has a unit keeps it");
            assert_eq!(lot_get(tx, lot.id).await?.map(|lot| lot.unit), Some(Some(Unit::Gram)));
            assert!(drugs_without_unit(tx).await?.is_empty());
            Ok::<_, Error>(())
        })).await.unwrap();
    }

    async fn a_reason_is_sealed_and_one_in_the_clear_is_when_the_server_starts(db: Db) {
        let lot = db.write(|tx: &mut Tx| Box::pin(async move {
            let lot = received(tx, "1", "2027-01-01", 1000).await?;
            lot_move(tx, &adjust(lot.id, -1), BY).await?;
            let sealed = "select note from inventory_moves where kind = 'adjust'";
            let note: Vec<u8> = tx.query_one(sealed, &[]).await?.columns().take()?;
            assert!(!note.windows(7).any(|part| part == b"Counted"));
            for _ in 0..600 {
                lot_move(tx, &Move { reason: None, ..adjust(lot.id, -1) }, BY).await?;
            }
            let of_before = "update inventory_moves set reason = 'Spilt by Jane' where note is null";
            tx.execute(of_before, &[]).await?;
            Ok::<_, Error>(lot.id)
        })).await.unwrap();
        for _ in 0..2 {
            migrate::run(&db).await.unwrap();
            let (clear, reasons) = db.read(move |tx: &mut Tx| Box::pin(async move {
                let clear = "select count(*) from inventory_moves where reason is not null";
                let clear: i64 = tx.query_one(clear, &[]).await?.columns().take()?;
                let moves = move_list(tx, lot, &Page { limit: 2, ..Page::default() }).await?.items;
                Ok::<_, Error>((clear, moves.into_iter().filter_map(|row| row.moved.reason).collect::<Vec<_>>()))
            })).await.unwrap();
            assert_eq!(clear, 0);
            assert_eq!(reasons.iter().map(|it| it.expose().as_str()).collect::<Vec<_>>(), ["Spilt by Jane"; 2]);
        }
    }

    async fn fills_that_race_share_what_there_is(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(async move {
            received(tx, "1", "2027-01-01", 2500).await?;
            received(tx, "2", "2027-06-01", 2500).await
        })).await.unwrap();
        let fill = || {
            let db = db.clone();
            async move {
                db.write(|tx: &mut Tx| Box::pin(async move {
                    let mut lots = lots_lock(tx, "drug", now()).await?.unwrap();
                    let wanted = Quantity::from_thousandths(1500).unwrap();
                    let taken = allocate(&mut lots, id(), (wanted, Unit::Tablet), day("2026-06-01"));
                    let taken = taken.unwrap_or_default();
                    lots_consume(tx, (id(), id()), &taken, BY, now()).await?;
                    Ok::<_, Error>(!taken.is_empty())
                })).await
            }
        };
        let all = tokio::join!(fill(), fill(), fill(), fill(), fill(), fill());
        let all = [all.0, all.1, all.2, all.3, all.4, all.5];
        let served = all.into_iter().filter(|outcome| *outcome.as_ref().unwrap()).count();
        assert_eq!(served, 3, "5 are there, and each takes 1.5");
        let page = Page::default();
        let left = db.read(move |tx| {
            let page = page.clone();
            Box::pin(async move { lot_list(tx, Some("drug"), None, None, &page).await })
        });
        assert_eq!(left.await.unwrap().items.iter().map(|lot| lot.on_hand).sum::<i64>(), 500);
    }
}

fn adjust(lot_id: LotId, quantity: i64) -> Move {
    let (kind, reason) = (MoveKind::Adjust, Some(Phi::new("Counted".to_owned())));
    Move { id: id(), lot_id, kind, quantity, fill: None, reason, created_at: now() }
}

async fn received(tx: &mut Tx, number: &str, last: &str, quantity: i64) -> Result<Lot> {
    let new = Lot {
        id: id(),
        drug_id: "drug".to_owned(),
        lot_number: number.to_owned(),
        expires_on: day(last),
        unit: Some(Unit::Tablet),
        on_hand: 0,
        created_at: now(),
        updated_at: now(),
    };
    let lot = lot_take_in(tx, &new).await?;
    let kind = MoveKind::Receive;
    let moved =
        Move { id: id(), lot_id: lot.id, kind, quantity, fill: None, reason: None, created_at: now() };
    lot_move(tx, &moved, BY).await?;
    Ok(lot)
}

async fn told(tx: &mut Tx) -> Result<()> {
    let world = world(tx).await?;
    assert!(lots_lock(tx, "drug", now()).await?.is_none(), "nothing is kept of it");
    let late = received(tx, "L2", "2027-06-01", 5000).await?;
    let early = received(tx, "L1", "2027-01-01", 1000).await?;
    assert_eq!(received(tx, "L1", "2030-01-01", 500).await?.id, early.id, "the lot that is there");
    let early_now = lot_get(tx, early.id).await?.unwrap();
    assert_eq!((early_now.on_hand, early_now.expires_on), (1500, day("2027-01-01")));
    assert_eq!(lot_lock(tx, early.id, now()).await?, Some(early_now));
    assert!(lot_lock(tx, id(), now()).await?.is_none());

    let order = world.order(&[world.prescription.id]);
    let line = order.lines[0].id;
    let mut lots = lots_lock(tx, "drug", now()).await?.unwrap();
    let wanted = Quantity::from_thousandths(2000).unwrap();
    let taken = allocate(&mut lots, line, (wanted, Unit::Tablet), day("2026-06-01")).unwrap();
    lots_consume(tx, (world.clinic, order.id), &taken, BY, now()).await?;
    let got = lots_of_order(tx, world.clinic, order.id).await?;
    assert!(got.iter().all(|it| it.unit == Some(Unit::Tablet)));
    let got: Vec<_> = got.iter().map(|it| (it.lot_number.as_str(), it.quantity.thousandths())).collect();
    assert_eq!(got, [("L1", 1500), ("L2", 500)]);
    assert!(lots_of_order(tx, id(), order.id).await?.is_empty(), "another clinic");
    assert_eq!(lots_lock(tx, "drug", now()).await?.unwrap().len(), 1, "L1 is used up");

    lot_move(tx, &adjust(late.id, -4500), BY).await?;
    assert_eq!(lots_lock(tx, "drug", now()).await?, Some(Vec::new()), "kept, and nothing there");
    let fill = Fill { clinic_id: world.clinic, order_id: order.id, line_id: line };
    lots_return(tx, fill, BY, now()).await?;
    lots_return(tx, fill, BY, now()).await?;
    assert!(lots_of_order(tx, world.clinic, order.id).await?.is_empty(), "given back, once");

    let page = Page::default();
    let all = lot_list(tx, None, None, None, &page).await?.items;
    assert_eq!(all.iter().map(|lot| (lot.id, lot.on_hand)).collect::<Vec<_>>(), {
        let mut both = [(early.id, 1500), (late.id, 500)];
        both.sort_by_key(|it| std::cmp::Reverse(it.0));
        both
    });
    let soon = lot_list(tx, Some("drug"), Some(true), Some(day("2027-06-01")), &page).await?.items;
    assert_eq!(soon.iter().map(|lot| lot.id).collect::<Vec<_>>(), [early.id]);
    assert!(lot_list(tx, Some("other"), None, None, &page).await?.items.is_empty());
    assert!(lot_list(tx, None, Some(false), None, &page).await?.items.is_empty());
    let first = lot_list(tx, None, None, None, &Page { limit: 1, ..Page::default() }).await?;
    assert!(first.has_more && first.items.len() == 1);

    let moves = move_list(tx, late.id, &page).await?.items;
    let told: Vec<_> = moves.iter().map(|row| (row.moved.kind, row.moved.quantity)).collect();
    assert_eq!(told, {
        use MoveKind::{Adjust, Consume, Receive, Return};
        [(Return, 500), (Adjust, -4500), (Consume, -500), (Receive, 5000)]
    });
    assert_eq!(moves[2].moved.fill, Some(fill));
    let reason = moves[1].moved.reason.as_ref().map(|reason| reason.expose().as_str());
    assert_eq!((reason, moves[1].actor.as_str()), (Some("Counted"), "jobs"));
    let before = Page { before: Some(moves[1].moved.id.0), ..Page::default() };
    let ids = |rows: &[MoveRow]| rows.iter().map(|row| row.moved.id).collect::<Vec<_>>();
    assert_eq!(ids(&move_list(tx, late.id, &before).await?.items), ids(&moves[2..]));
    Ok(())
}
