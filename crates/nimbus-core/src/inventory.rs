//! Stock by lot: which lots a fill takes from.

use crate::{
    formulary::Unit,
    ids::{LineId, LotId},
    quantity::Quantity,
    time::{Date, Ts},
    words,
};

words! {
    /// Why a lot's quantity changed.
    pub enum MoveKind {
        Receive = "receive",
        /// Counted, broken, spilt: corrected by staff.
        Adjust = "adjust",
        /// Taken by a fill.
        Consume = "consume",
        /// Given back by a fill that was cancelled before it left.
        Return = "return",
    }
}

/// A lot of one drug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    pub id: LotId,
    pub drug_id: String,
    /// As the maker wrote it on the package.
    pub lot_number: String,
    /// The last day on which it may be dispensed.
    pub expires_on: Date,
    /// What it is counted in; `None` for one of before lots had a unit, until the server starts with its drug known.
    pub unit: Option<Unit>,
    /// Thousandths of the unit.
    pub on_hand: i64,
    pub created_at: Ts,
    pub updated_at: Ts,
}

/// What a fill takes from one lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub line_id: LineId,
    pub lot_id: LotId,
    pub quantity: Quantity,
}

/// Takes a line's quantity from the lots of its drug: from the one that expires first, over as many as it needs, never
/// from one that has expired or is counted in another unit. What is taken is no longer on hand in `lots`. `None` if
/// there is not enough, and then nothing is taken.
pub fn allocate(
    lots: &mut [Lot],
    line_id: LineId,
    (wanted, unit): (Quantity, Unit),
    today: Date,
) -> Option<Vec<Taken>> {
    lots.sort_by_key(|lot| (lot.expires_on, lot.id));
    let usable = |lot: &Lot| lot.expires_on >= today && lot.on_hand > 0 && lot.unit == Some(unit);
    let there: i64 = lots.iter().filter(|lot| usable(lot)).map(|lot| lot.on_hand).sum();
    if there < wanted.thousandths() {
        return None;
    }
    let mut missing = wanted.thousandths();
    let mut taken = Vec::new();
    for lot in lots.iter_mut().filter(|lot| usable(lot)) {
        let Some(quantity) = Quantity::from_thousandths(missing.min(lot.on_hand)) else { break };
        lot.on_hand -= quantity.thousandths();
        missing -= quantity.thousandths();
        taken.push(Taken { line_id, lot_id: lot.id, quantity });
    }
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::time::{add_days, parse_date};

    fn today() -> Date {
        parse_date("2026-06-01").unwrap()
    }

    fn lot(number: u128, days: i64, on_hand: i64) -> Lot {
        Lot {
            id: LotId(Uuid::from_u128(number)),
            drug_id: "drug".to_owned(),
            lot_number: number.to_string(),
            expires_on: add_days(today(), days),
            unit: Some(Unit::Tablet),
            on_hand,
            created_at: Ts::from_micros(0),
            updated_at: Ts::from_micros(0),
        }
    }

    const LINE: LineId = LineId(Uuid::nil());

    fn take(lots: &mut [Lot], thousandths: i64) -> Option<Vec<(u128, i64)>> {
        let taken =
            allocate(lots, LINE, (Quantity::from_thousandths(thousandths).unwrap(), Unit::Tablet), today())?;
        Some(taken.iter().map(|it| (it.lot_id.0.as_u128(), it.quantity.thousandths())).collect())
    }

    #[test]
    fn what_expires_first_goes_first_and_a_fill_may_span_lots() {
        let mut lots = [lot(1, 90, 5000), lot(2, 0, 1500), lot(3, -1, 9000), lot(4, 30, 2000), lot(5, 30, 0)];
        assert_eq!(take(&mut lots, 1000), Some(vec![(2, 1000)]));
        assert_eq!(take(&mut lots, 3000), Some(vec![(2, 500), (4, 2000), (1, 500)]));
        assert_eq!(take(&mut lots, 4501), None, "what has expired is not counted");
        assert_eq!(take(&mut lots, 4500), Some(vec![(1, 4500)]));
        assert_eq!(lots.iter().find(|lot| lot.lot_number == "3").map(|lot| lot.on_hand), Some(9000));
    }

    #[test]
    fn a_lot_in_another_unit_is_not_counted() {
        let mut lots = [lot(1, 30, 1000), lot(2, 60, 4000), lot(3, 90, 9000)];
        lots[0].unit = Some(Unit::Millilitre);
        lots[2].unit = None;
        assert_eq!(take(&mut lots, 4500), None);
        assert_eq!(take(&mut lots, 4000), Some(vec![(2, 4000)]));
    }

    proptest! {
        #[test]
        fn nothing_is_made_or_lost_and_no_later_lot_is_begun_before_an_earlier_is_used_up(
            stock in prop::collection::vec((-3i64..5, 0i64..4000), 0..8), wanted in 1i64..9000,
        ) {
            let mut lots: Vec<Lot> =
                (1..).zip(&stock).map(|(number, &(days, on_hand))| lot(number, days, on_hand)).collect();
            let before = lots.clone();
            let usable: i64 =
                before.iter().filter(|lot| lot.expires_on >= today()).map(|lot| lot.on_hand).sum();
            let taken = take(&mut lots, wanted);
            prop_assert_eq!(taken.is_some(), usable >= wanted);
            let sum = |lots: &[Lot]| lots.iter().map(|lot| lot.on_hand).sum::<i64>();
            let gone = if taken.is_some() { wanted } else { 0 };
            prop_assert_eq!(sum(&before) - sum(&lots), gone);
            prop_assert_eq!(taken.iter().flatten().map(|(_, quantity)| quantity).sum::<i64>(), gone);
            let left = |id: u128| lots.iter().find(|lot| lot.id.0.as_u128() == id).unwrap();
            for (id, _) in taken.iter().flatten() {
                prop_assert!(left(*id).expires_on >= today());
                let earlier = lots.iter().filter(|lot| {
                    lot.expires_on >= today() && lot.expires_on < left(*id).expires_on
                });
                prop_assert_eq!(earlier.map(|lot| lot.on_hand).sum::<i64>(), 0);
            }
        }
    }
}
