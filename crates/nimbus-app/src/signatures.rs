//! Signatures of practitioners: an image on file for each, sealed by its clinic.

use nimbus_core::{access::Scope, ids::PractitionerId, phi::Phi, practitioner::ImageKind};
pub use nimbus_store::signatures::Signature;
use nimbus_store::{practitioners, signatures as store};

use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    outbox::Changes,
    practitioners::NOT_FOUND,
    unit::{Render, Reply},
};

const NO_SIGNATURE: Error = Error::NotFound("Signature");

pub struct Put {
    pub id: PractitionerId,
    pub kind: ImageKind,
    /// Found to be of that kind, and fit to be shown in a browser.
    pub image: Phi<Vec<u8>>,
}

/// Puts a practitioner's signature on file, in the place of the one before.
pub async fn put(app: &App, call: &Call, command: Put, render: Render<()>) -> Result<Reply> {
    call.partner(Scope::PractitionersWrite)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::PractitionersWrite)?.clinic_id;
            practitioners::practitioner_status(tx, clinic, command.id).await?.ok_or(NOT_FOUND)?;
            let signature = Signature { kind: command.kind, image: command.image.clone() };
            store::signature_put(tx, clinic, command.id, &signature, cx.now).await?;
            let mut changes = Changes::default();
            let id = Some(command.id.0);
            changes.audit.push(cx.audit(Some(clinic), "signature.write", "practitioner", id));
            changes.write(tx, cx).await
        })
    })
    .await
}

/// The signature of a practitioner of the key's clinic.
pub async fn get(app: &App, call: &Call, id: PractitionerId) -> Result<Signature> {
    let clinic = call.partner(Scope::PractitionersRead)?.clinic_id;
    app.read(call, (clinic, id), |tx, cx, &(clinic, id)| {
        Box::pin(async move {
            practitioners::practitioner_status(tx, clinic, id).await?.ok_or(NOT_FOUND)?;
            let found = store::signature_get(tx, clinic, id).await?.ok_or(NO_SIGNATURE)?;
            Ok((found, vec![cx.audit(Some(clinic), "signature.read", "practitioner", Some(id.0))]))
        })
    })
    .await
}

/// Removes a practitioner's signature.
pub async fn delete(app: &App, call: &Call, id: PractitionerId, render: Render<()>) -> Result<Reply> {
    call.partner(Scope::PractitionersWrite)?;
    app.write(call, id, render, |tx, cx, &id| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::PractitionersWrite)?.clinic_id;
            practitioners::practitioner_status(tx, clinic, id).await?.ok_or(NOT_FOUND)?;
            if !store::signature_delete(tx, clinic, id).await? {
                return Err(NO_SIGNATURE);
            }
            let mut changes = Changes::default();
            changes.audit.push(cx.audit(Some(clinic), "signature.delete", "practitioner", Some(id.0)));
            changes.write(tx, cx).await
        })
    })
    .await
}
