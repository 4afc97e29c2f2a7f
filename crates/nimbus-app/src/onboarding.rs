//! Onboarding: the robot that checks new practitioners, called when one is registered and calling back.

use nimbus_core::{
    ids::PractitionerId,
    practitioner::{Practitioner, PractitionerStatus},
};

use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    pharmacy_feed::secret_matches,
    practitioners::set_status_in,
    unit::{Render, Reply},
};

/// Passes the onboarding robot by its token. Without a configured token nothing passes.
pub fn authenticate(app: &App, presented: Option<&str>) -> Result<()> {
    secret_matches(app.config().onboarding.as_ref().map(|robot| robot.token.as_str()), presented)
}

pub struct Report {
    pub practitioner_id: PractitionerId,
    pub status: PractitionerStatus,
    pub note: Option<String>,
}

/// The robot's verdict on a practitioner. Saying again what is already so changes nothing.
pub async fn report(app: &App, call: &Call, report: Report, render: Render<Practitioner>) -> Result<Reply> {
    app.write(call, report, render, |tx, cx, report| {
        Box::pin(async move {
            let id = report.practitioner_id;
            let found = nimbus_store::practitioners::practitioner_get_any(tx, id).await?;
            let found = found.ok_or(Error::NotFound("Practitioner"))?;
            cx.must_match(found.version)?;
            if found.status == report.status {
                return Ok(found);
            }
            set_status_in(tx, cx, id, report.status, report.note.as_deref()).await
        })
    })
    .await
}
