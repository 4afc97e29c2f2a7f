//! Scans: every report of where a parcel was, each kept once.

use nimbus_core::{
    ids::{ClinicId, OrderId, ScanId, ShipmentId},
    shipment::{Scan, ShipmentStatus},
};
use uuid::Builder;

use crate::{
    documents::{self, ScanDetail},
    engine::{Columns, Tx},
    error::Result,
    rows::{read_rows, word},
    seal::{ClinicKeys, SealedAt},
};

/// What stands for the status of a report whose word is not known.
const UNKNOWN: &str = "unknown";

const fn scan_at(id: ScanId) -> SealedAt {
    SealedAt { table: "scans", column: "detail", row: id.0 }
}

/// Adds a scan, whether or not it is late or known already.
pub async fn scan_insert(tx: &mut Tx, clinic: ClinicId, shipment: ShipmentId, scan: &Scan) -> Result<()> {
    insert(tx, clinic, shipment, scan).await.map(drop)
}

/// Keeps a carrier's report once, however often it is sent: whether it is new. It is stored under an id of its own,
/// made of what it says: see [`Scan::identity`].
pub async fn scan_record(tx: &mut Tx, clinic: ClinicId, shipment: ShipmentId, scan: &Scan) -> Result<bool> {
    let keys = tx.keys(clinic).await?;
    let said = format!("{}|{}", shipment.0.simple(), scan.identity());
    // Keyed, so that nobody without the clinic's key can try out places.
    let hash = keys.lookup("scans.identity", &said);
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte = hashed);
    let id = ScanId(Builder::from_custom_bytes(bytes).into_uuid());
    insert(tx, clinic, shipment, &Scan { id, ..scan.clone() }).await
}

/// Whether the scan's id was not there yet.
async fn insert(tx: &mut Tx, clinic: ClinicId, shipment: ShipmentId, scan: &Scan) -> Result<bool> {
    let keys = tx.keys(clinic).await?;
    let Scan { location, message, word, .. } = scan.clone();
    let detail = match (&location, &message, &word) {
        (None, None, None) => None,
        _ => Some(documents::seal(&keys, scan_at(scan.id), &ScanDetail { location, message, word })?),
    };
    let sql = "insert into scans (clinic_id, id, shipment_id, occurred_at, status, detail, recorded_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (clinic_id, id) do nothing";
    let args = [
        clinic.into(),
        scan.id.into(),
        shipment.into(),
        scan.occurred_at.into(),
        scan.status.map_or(UNKNOWN, ShipmentStatus::as_str).into(),
        detail.into(),
        scan.recorded_at.into(),
    ];
    Ok(tx.execute(sql, &args).await? == 1)
}

/// The newest 500 scans of a shipment by the time they tell of, newest last.
pub async fn scan_list(tx: &mut Tx, clinic: ClinicId, shipment: ShipmentId) -> Result<Vec<Scan>> {
    let sql = "select clinic_id, id, occurred_at, status, detail, recorded_at from scans
        where clinic_id = $1 and shipment_id = $2
        order by occurred_at desc, id desc limit 500";
    let rows = tx.query(sql, &[clinic.into(), shipment.into()]).await?;
    let mut scans = read_rows(tx, rows, read_scan).await?;
    scans.reverse();
    Ok(scans)
}

/// The newest 500 scans of every shipment of [`super::shipments_of_order`], newest last.
pub async fn scans_of_order(
    tx: &mut Tx,
    clinic: ClinicId,
    order: OrderId,
) -> Result<Vec<(ShipmentId, Scan)>> {
    let sql = "select clinic_id, id, occurred_at, status, detail, recorded_at, shipment_id from scans
        where clinic_id = $1
            and shipment_id in (select shipment_id from shipment_lines
                where clinic_id = $1 and order_id = $2 and removed_at is null)
        order by occurred_at desc, id desc limit 500";
    let rows = tx.query(sql, &[clinic.into(), order.into()]).await?;
    let read = |columns: &mut Columns<'_>, clinic: ClinicId, keys: &ClinicKeys| {
        let scan = read_scan(columns, clinic, keys)?;
        Ok((columns.take()?, scan))
    };
    let mut scans = read_rows(tx, rows, read).await?;
    scans.reverse();
    Ok(scans)
}

fn read_scan(columns: &mut Columns<'_>, _: ClinicId, keys: &ClinicKeys) -> Result<Scan> {
    let id: ScanId = columns.take()?;
    let occurred_at = columns.take()?;
    let status = match columns.take::<String>()?.as_str() {
        UNKNOWN => None,
        known => Some(word(known, ShipmentStatus::parse, "scans.status")?),
    };
    let detail = match columns.take::<Option<Vec<u8>>>()? {
        Some(sealed) => documents::open(keys, scan_at(id), &sealed)?,
        None => ScanDetail { location: None, message: None, word: None },
    };
    let ScanDetail { location, message, word } = detail;
    Ok(Scan { id, occurred_at, status, word, location, message, recorded_at: columns.take()? })
}
