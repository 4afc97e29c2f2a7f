//! Images of practitioners' signatures, sealed.

use nimbus_core::{
    ids::{ClinicId, PractitionerId},
    phi::Phi,
    practitioner::ImageKind,
    time::Ts,
};

use crate::{engine::Tx, error::Result, rows::word, seal::SealedAt};

/// A signature: the bytes as they were sent, and what they are.
#[derive(Debug, Clone)]
pub struct Signature {
    pub kind: ImageKind,
    pub image: Phi<Vec<u8>>,
}

const fn image_at(id: PractitionerId) -> SealedAt {
    SealedAt { table: "signatures", column: "image", row: id.0 }
}

/// Puts a signature on file, in the place of the one before.
pub async fn signature_put(
    tx: &mut Tx,
    clinic: ClinicId,
    practitioner: PractitionerId,
    signature: &Signature,
    now: Ts,
) -> Result<()> {
    let sealed = tx.keys(clinic).await?.seal(image_at(practitioner), signature.image.expose());
    let sql = "insert into signatures (clinic_id, practitioner_id, kind, image, updated_at)
        values ($1, $2, $3, $4, $5)
        on conflict (clinic_id, practitioner_id) do update
        set kind = excluded.kind, image = excluded.image, updated_at = excluded.updated_at";
    let args =
        [clinic.into(), practitioner.into(), signature.kind.as_str().into(), sealed.into(), now.into()];
    tx.execute(sql, &args).await?;
    Ok(())
}

pub async fn signature_get(
    tx: &mut Tx,
    clinic: ClinicId,
    practitioner: PractitionerId,
) -> Result<Option<Signature>> {
    let sql = "select kind, image from signatures where clinic_id = $1 and practitioner_id = $2";
    let Some(row) = tx.query_opt(sql, &[clinic.into(), practitioner.into()]).await? else { return Ok(None) };
    let mut columns = row.columns();
    let kind = word(&columns.take::<String>()?, ImageKind::parse, "signatures.kind")?;
    let image = tx.keys(clinic).await?.open(image_at(practitioner), &columns.take::<Vec<u8>>()?)?;
    Ok(Some(Signature { kind, image: Phi::new(image) }))
}

/// Whether there was one.
pub async fn signature_delete(tx: &mut Tx, clinic: ClinicId, practitioner: PractitionerId) -> Result<bool> {
    let sql = "delete from signatures where clinic_id = $1 and practitioner_id = $2";
    Ok(tx.execute(sql, &[clinic.into(), practitioner.into()]).await? == 1)
}
