//! Orders by where they stand, a held one standing where it was when it was held.

use nimbus_core::{
    ids::{ClinicId, PatientId},
    order::{FillStatus, Order},
};

use super::{
    LISTED,
    columns::{hold_columns, line_columns, list_whole, order_columns},
    list, order_list, whole_orders,
};
use crate::{
    engine::{Tx, Value},
    error::{Error, Result},
    page::{Page, Slice, page_end, page_few, page_where},
};

/// The most standings of one list: no word of a surface stands for more.
pub const MAX_STANDINGS: usize = 4;

/// The newest orders of one standing that a page can hold.
macro_rules! of_one {
    ($standing:literal) => {
        concat!(
            "select id from (select id from orders where standing = ",
            $standing,
            " and ",
            page_where!(),
            page_end!(),
            ") s"
        )
    };
}

/// Each standing walks its own part of the index, so that a page costs the same whatever stands behind it. One that
/// is null meets nothing.
const OF_CLINIC: &str = list!(
    "id in (",
    of_one!("$9"),
    " union all ",
    of_one!("$10"),
    " union all ",
    of_one!("$11"),
    " union all ",
    of_one!("$12"),
    ") and "
);
const OF_PATIENT: &str = list!("patient_id = $13 and standing in ($9, $10, $11, $12) and ");
const OF_FEW: &str =
    list!(page_few!("orders"), "(patient_id = $13 or $13 is null) and standing in ($9, $10, $11, $12) and ");

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
    if standings.len() > MAX_STANDINGS {
        return Err(Error::Job("a list takes at most four standings"));
    }
    let mut own: Vec<Value> = standings.iter().map(|standing| standing.as_str().into()).collect();
    own.resize(MAX_STANDINGS, Value::Null);
    let sql = if page.changes_few(tx, LISTED, clinic).await? {
        own.push(patient.into());
        OF_FEW
    } else if patient.is_some() {
        own.push(patient.into());
        OF_PATIENT
    } else {
        OF_CLINIC
    };
    let args = page.args(tx, LISTED, clinic, own).await?;
    let rows = tx.query(sql, &args).await?;
    list_whole(tx, &rows, page).await
}
