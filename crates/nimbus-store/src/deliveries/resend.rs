//! What is sent once more by hand: the delivery of an event to an endpoint, and a clinic's dead letters.

use nimbus_core::ids::{ClinicId, DeliveryId, EndpointId, EventId};

use super::reads::{DeliveryRow, columns, page_args, read};
use crate::{
    engine::{Engine, Tx},
    error::Result,
    page::{Page, Slice},
};

/// The delivery of an event to an endpoint, the latest if there are several. Until this transaction ends nobody else
/// who asks is told that there is none.
pub async fn delivery_of_event(
    tx: &mut Tx,
    clinic: ClinicId,
    endpoint: EndpointId,
    event: EventId,
) -> Result<Option<DeliveryId>> {
    // SQLite has one writer.
    if tx.engine() == Engine::Postgres {
        let lock = "select 1 from events where clinic_id = $1 and id = $2 for update";
        tx.query_opt(lock, &[clinic.into(), event.into()]).await?;
    }
    let sql = "select id from deliveries where clinic_id = $1 and event_id = $2 and endpoint_id = $3
        order by id desc limit 1";
    let row = tx.query_opt(sql, &[clinic.into(), event.into(), endpoint.into()]).await?;
    row.map(|row| row.columns().take()).transpose()
}

/// The dead letters of a clinic, newest first: those for endpoints that were deleted too.
pub async fn deliveries_dead(tx: &mut Tx, clinic: ClinicId, page: &Page) -> Result<Slice<DeliveryRow>> {
    let sql = concat!(
        "select ",
        columns!(),
        " from deliveries
          where clinic_id = $5 and state = 'dead' and id >= $6 and id < $2 and created_at >= $3 and created_at < $4
          order by id desc limit $1"
    );
    let (mut args, first) = page_args(page);
    args.extend([clinic.into(), first.into()]);
    let items = tx.query(sql, &args).await?.iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(page.slice_plain(items, |delivery| delivery.id.0))
}
