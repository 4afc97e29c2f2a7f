//! The purchases that staff should look at, since they came to no good end.

use nimbus_core::{ids::ClinicId, label::LabelPurchase};
use nimbus_store::{
    label_purchases as store,
    page::{Page, Slice},
};

use crate::{
    App,
    actor::{Call, READERS},
    error::Result,
};

pub struct List {
    pub clinic: Option<ClinicId>,
    pub page: Page,
}

/// Purchases of every clinic that need somebody's attention, for staff: see
/// [`store::label_purchases_needing_attention`].
pub async fn list_needing_attention(app: &App, call: &Call, list: List) -> Result<Slice<LabelPurchase>> {
    call.staff(READERS)?;
    app.read(call, list, |tx, cx, List { clinic, page }| {
        Box::pin(async move {
            let found = store::label_purchases_needing_attention(tx, *clinic, cx.wall, page).await?;
            Ok((found, vec![cx.audit(*clinic, "label.list", "label", None)]))
        })
    })
    .await
}
