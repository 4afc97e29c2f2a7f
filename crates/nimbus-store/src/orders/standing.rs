//! Orders by where they stand, a held one standing where it was when it was held.

use nimbus_core::{
    ids::{ClinicId, PatientId},
    order::{FillStatus, Order},
};

use super::{
    columns::{hold_columns, line_columns, order_columns, read_whole},
    order_list, whole_orders,
};
use crate::{
    engine::{Tx, Value},
    error::Result,
    page::{Page, Slice, page_where},
};

/// The most standings of one list: no word of a surface stands for more.
pub const MAX_STANDINGS: usize = 4;

const OF_PATIENT: &str = whole_orders!("desc";
    "clinic_id = $7 and patient_id = $8 and standing in ($9, $10, $11, $12) and ", page_where!(),
    " order by id desc limit $1");

/// Each standing walks its own part of the index, so that a page costs the same whatever stands behind it.
const OF_CLINIC: &str = {
    macro_rules! of_one {
        ($standing:literal) => {
            concat!(
                "select id from (select id from orders where clinic_id = $7 and standing = ",
                $standing,
                " and ",
                page_where!(),
                " order by id desc limit $1) as one"
            )
        };
    }
    whole_orders!("desc";
        "clinic_id = $7 and id in (", of_one!("$8"), " union all ", of_one!("$9"), " union all ", of_one!("$10"),
        " union all ", of_one!("$11"), ") order by id desc limit $1")
};

/// A clinic's orders that stand at one of these, newest first: at most [`MAX_STANDINGS`], none for all orders.
pub async fn order_list_by_standing(
    tx: &mut Tx,
    clinic: ClinicId,
    standings: &[FillStatus],
    patient: Option<PatientId>,
    page: &Page,
) -> Result<Slice<Order>> {
    if standings.is_empty() {
        return order_list(tx, clinic, None, patient, page).await;
    }
    let at = |index: usize| Value::from(standings.get(index).map(|standing| standing.as_str()));
    let rows = match patient {
        Some(patient) => {
            let own = [clinic.into(), patient.into(), at(0), at(1), at(2), at(3)];
            tx.query(OF_PATIENT, &page.args(own)).await?
        }
        None => tx.query(OF_CLINIC, &page.args([clinic.into(), at(0), at(1), at(2), at(3)])).await?,
    };
    Ok(page.slice(read_whole(tx, rows).await?))
}
