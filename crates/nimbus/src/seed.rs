//! `nimbus seed`: something to start from.

use nimbus_app::sandbox::{self, Seed};
use serde_json::{Value, json};

use crate::{Failure, boot, config::Settings};

pub(crate) async fn seed(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    let db = boot::open_store(settings).await?;
    let app = boot::start(settings, &db, None).await?;
    let seeded = sandbox::seed(&app, &settings.master_key()?).await?;
    let object = to_json(&seeded);
    if as_json {
        println!("{object}");
    } else {
        println!("{object:#}");
    }
    db.close().await;
    Ok(())
}

fn to_json(seed: &Seed) -> Value {
    json!({
        "clinic_id": seed.clinic_id.to_string(),
        "other_clinic_id": seed.other_clinic_id.to_string(),
        "keys": {
            "integration": seed.integration_key,
            "pharmacy_partner": seed.pharmacy_partner_key,
            "other_clinic": seed.other_clinic_key,
        },
        "ops_token": seed.ops_token,
        "practitioner_id": seed.practitioner_id.to_string(),
        "patient_id": seed.patient_id.to_string(),
        "prescription_id": seed.fill.prescription_id.to_string(),
        "medication_request_id": seed.fill.medication_request_id.to_string(),
        "medication_order_id": seed.fill.medication_order_id.to_string(),
    })
}
