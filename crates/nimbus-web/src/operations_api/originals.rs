//! Binding the original of a controlled prescription.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::PHARMACISTS,
    originals::{self, Bind, Bound},
};
use nimbus_core::{ids::PrescriptionId, original::OriginalKind, time::Ts};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Web,
    body::Incoming,
    checks::{boolean, one_of, text, timestamp},
    failure::Answer,
    fields::Fields,
    partner_api::{
        envelope::{self, Success},
        prescriptions::NOUN,
    },
    wire::Time,
    words,
};

/// A valid original that is in the pharmacy's hands.
#[derive(ToSchema)]
pub struct BindBody {
    #[schema(value_type = words::OriginalKind)]
    pub kind: String,
    /// Where it is filed: the id of the archived message, or the number of the paper.
    #[schema(max_length = 200)]
    pub reference: String,
    /// When it reached the pharmacy.
    pub received_at: Time,
    /// True: its signature was verified, the digital one of an electronic original (21 CFR 1311.205), else the
    /// prescriber's own hand (21 CFR 1306.05).
    pub signature_verified: bool,
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct BoundView {
    pub prescription_id: Uuid,
    #[schema(value_type = words::OriginalKind)]
    pub kind: &'static str,
    pub reference: String,
    pub received_at: Time,
    pub bound_at: Time,
    /// The operations token that bound it.
    pub bound_by: String,
    /// The orders whose medication requests were waiting for it, and go on.
    pub medication_orders: Vec<Uuid>,
}

fn read_bind(f: &mut Fields<'_>) -> Option<(OriginalKind, String, Ts, Option<String>)> {
    let kind = f.required("kind", one_of(OriginalKind::ALL, OriginalKind::as_str));
    let reference = f.required("reference", text(1..=200));
    let received_at = f.required("received_at", timestamp);
    let verified = f.required("signature_verified", boolean);
    let note = f.optional("note", text(1..=1000));
    if verified == Some(false) {
        f.refuse("signature_verified", "must be true: without its signature it is no valid original");
    }
    Some((kind?, reference?, received_at?, note))
}

fn render(bound: &Bound) -> Rendered {
    let original = &bound.original;
    let view = BoundView {
        prescription_id: original.prescription_id.0,
        kind: original.kind.as_str(),
        reference: original.reference.expose().clone(),
        received_at: Time(original.received_at),
        bound_at: Time(original.bound_at),
        bound_by: original.bound_by.name(),
        medication_orders: bound.released.iter().map(|id| id.0).collect(),
    };
    envelope::written(view, "OK")
}

/// Once for a prescription. Medication requests on hold `awaiting_valid_prescription` go on by themselves.
#[utoipa::path(post, path = "/pharmacy/prescriptions/{id}/bind-original", tag = "Prescriptions",
    operation_id = "bindOriginal",
    security(("OpsToken" = ["pharmacist"])),
    params(("id" = String, Path, description = "The prescription's id")),
    request_body(content = BindBody, description = "The original"),
    responses((status = 200, description = "Bound", body = Success<BoundView>)))]
pub(crate) async fn bind(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, PHARMACISTS).await?;
    let prescription: PrescriptionId = request.id("id", NOUN)?;
    let (kind, reference, received_at, note) = request.json(&mut call, read_bind).await?;
    let command = Bind { prescription, kind, reference, received_at, note };
    Ok(envelope::reply(originals::bind(&web.app, &call, command, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<BindBody, _>(read_bind);
    }
}
