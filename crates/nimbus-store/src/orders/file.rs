//! An order with everything about it, in one round trip.

use nimbus_core::{
    ids::{ClinicId, OrderId},
    order::Order,
    prescription::Prescription,
    shipment::Shipment,
};

use super::{ORDER_GET, columns::read_whole};
use crate::{
    engine::{Statement, Tx},
    error::{Error, Result},
    history::{self, HistoryRow},
    prescriptions, shipments,
};

/// An order and what hangs on it: see [`prescriptions::prescription_of_order`], [`shipments::shipments_of_order`] and
/// [`history::history_of_order`].
#[derive(Debug, Clone)]
pub struct OrderFile {
    pub order: Order,
    pub prescriptions: Vec<Prescription>,
    pub shipments: Vec<Shipment>,
    pub history: Vec<HistoryRow>,
}

/// An order with the newest 50 parcels that its lines are or were in, newest first.
pub async fn order_and_parcels(
    tx: &mut Tx,
    clinic: ClinicId,
    id: OrderId,
) -> Result<Option<(Order, Vec<Shipment>)>> {
    let queries =
        [Statement::new(ORDER_GET, vec![clinic.into(), id.into()]), shipments::of_order(clinic, id)];
    let [order, shipments]: [_; 2] = tx.query_all(&queries).await?.try_into().map_err(|_| UNANSWERED)?;
    let Some(order) = read_whole(tx, order).await?.pop() else { return Ok(None) };
    Ok(Some((order, shipments::read_whole(tx, shipments).await?)))
}

pub async fn order_file(tx: &mut Tx, clinic: ClinicId, id: OrderId) -> Result<Option<OrderFile>> {
    let queries = [
        Statement::new(ORDER_GET, vec![clinic.into(), id.into()]),
        prescriptions::of_order(clinic, id),
        shipments::of_order(clinic, id),
        history::of_order(clinic, id),
    ];
    let found: [_; 4] = tx.query_all(&queries).await?.try_into().map_err(|_| UNANSWERED)?;
    let [order, prescriptions, shipments, history] = found;
    let Some(order) = read_whole(tx, order).await?.pop() else { return Ok(None) };
    Ok(Some(OrderFile {
        order,
        prescriptions: prescriptions::read_all(tx, prescriptions).await?,
        shipments: shipments::read_whole(tx, shipments).await?,
        history: history::newest_last(tx, history).await?,
    }))
}

const UNANSWERED: Error = Error::Job("a query was not answered");
