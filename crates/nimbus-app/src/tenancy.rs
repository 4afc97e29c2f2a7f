//! Partners, their agreements, their clinics, and the credentials: keys of clinics, tokens of staff.
//!
//! What commands on the server do; [`staff`] has the same for staff, who have roles and get replies.

mod agreements;
mod clinics;
mod keys;
pub mod staff;
mod tokens;

use nimbus_core::{
    access::Environment,
    ids::{ClinicId, PartnerId},
    time::{Date, Ts},
};
use nimbus_store::{Tx, tenants};
pub use nimbus_store::{
    keys::{Key, OpsToken},
    tenants::{Baa, Clinic, Partner, PartnerStatus},
};
use uuid::Uuid;

pub(crate) use self::keys::{clinic_of, key_issue_in, key_networks_in, key_revoke_in};
pub use self::{
    agreements::{
        BaaRecord, baa_end, baa_list, baa_record, partner_create, partner_list, partner_set_status,
    },
    clinics::{ClinicUpdate, clinic_create, clinic_delete, clinic_list, clinic_update},
    keys::{
        IssuedKey, KeyLimits, KeyNetworks, KeyOrder, key_issue, key_limit, key_list, key_networks, key_revoke,
    },
    tokens::{TokenOrder, token_issue, token_list, token_revoke},
};
use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    outbox::Changes,
    unit::Cx,
};

const NO_PARTNER: Error = Error::NotFound("Partner");
const NO_AGREEMENT: Error = Error::NotFound("Agreement");
const NO_CLINIC: Error = Error::NotFound("Clinic");
pub(crate) const NO_KEY: Error = Error::NotFound("API key");

/// What a key sees of its own clinic.
#[derive(Debug, Clone)]
pub struct ClinicOverview {
    pub clinic: Clinic,
    pub partner: Partner,
    pub environment: Environment,
    pub baa_in_force: bool,
    /// The last day (of UTC) of the agreement in force; `None` if there is none or it has no end.
    pub baa_ends_on: Option<Date>,
    /// When the key that asks ends by itself.
    pub key_expires_at: Option<Ts>,
    /// The partner's other clinics.
    pub other_clinics: Vec<Clinic>,
}

/// The key's clinic, and the partner's others.
pub async fn clinic_overview(app: &App, call: &Call) -> Result<ClinicOverview> {
    let partner = call.any_partner()?;
    app.read(call, (partner.clinic_id, partner.partner_id), |tx, cx, &(clinic_id, partner_id)| {
        Box::pin(async move {
            let clinic = tenants::clinic_get(tx, clinic_id).await?.ok_or(Error::NotFound("Clinic"))?;
            let partner = tenants::partner_get(tx, partner_id).await?.ok_or(Error::NotFound("Partner"))?;
            let (baa_in_force, baa_ends_on) = standing(tx, partner_id, cx.wall.date()).await?;
            let key_expires_at = cx.call.any_partner()?.key_expires_at;
            let mut others = tenants::clinic_list(tx, Some(partner_id)).await?;
            others.retain(|other| other.id != clinic_id && other.deleted_at.is_none());
            let environment = cx.app.environment();
            let overview = ClinicOverview {
                clinic,
                partner,
                environment,
                baa_in_force,
                baa_ends_on,
                key_expires_at,
                other_clinics: others,
            };
            Ok((overview, Vec::new()))
        })
    })
    .await
}

/// Whether an agreement is in force on a day, and the last day of the one that lasts longest.
async fn standing(tx: &mut Tx, partner: PartnerId, today: Date) -> Result<(bool, Option<Date>)> {
    let all = tenants::baa_list(tx, partner).await?;
    let in_force =
        all.iter().filter(|baa| baa.effective_on <= today && baa.ends_on.is_none_or(|end| end >= today));
    let ends: Vec<Option<Date>> = in_force.map(|baa| baa.ends_on).collect();
    let lasts = ends.contains(&None);
    Ok((!ends.is_empty(), ends.into_iter().flatten().max().filter(|_| !lasts)))
}

pub(crate) async fn audited(
    tx: &mut Tx,
    cx: &Cx,
    clinic: Option<ClinicId>,
    action: &'static str,
    subject: &'static str,
    id: Uuid,
) -> Result<()> {
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(clinic, action, subject, Some(id)));
    changes.write(tx, cx).await
}
