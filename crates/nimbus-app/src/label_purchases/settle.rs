//! Timed work on purchases that were left open: found and attached, bought after all, or given back.

use nimbus_carriers::provider::{Found, LabelRequest, ProviderError};
use nimbus_core::{
    access::SystemActor,
    ids::LabelPurchaseId,
    label::{BoughtLabel, LabelPurchase, PurchaseState},
};
use nimbus_store::{
    Tx,
    jobs::{Job, JobKind, job_cancel},
    label_purchases as store,
};

use super::{
    BROKEN, BUSY_SECONDS, Kept, asked, attach, delay, give_up, is_anothers, keep,
    provider::{request_of, sought},
    record, schedule, waiting,
};
use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    unit::Cx,
};

/// A label that cannot be found is bought anew so often at most.
const MOST_PURCHASES: i64 = 5;
/// A provider of whom nothing is to be learnt is asked so often, over some three hours, while lines wait.
const MOST_LOOKS: i64 = 10;
/// A provider that does not take a label back is asked so often.
const MOST_VOIDS: i64 = 10;

/// A purchase that this worker looks after now, and for one whose lines wait for their label, what is asked.
struct Taken {
    purchase: LabelPurchase,
    request: Option<LabelRequest>,
}

/// Brings a purchase on by one step.
pub(crate) async fn settle(app: &App, job: &Job) -> Result<()> {
    let call = Call::system(SystemActor::Jobs);
    let id = LabelPurchaseId(job.subject_id);
    let Some(taken) = app.act(&call, id, |tx, cx, &id| Box::pin(take(tx, cx, id))).await? else {
        return Ok(());
    };
    let Taken { purchase, request } = taken;
    match (purchase.state, request) {
        (PurchaseState::Requested, Some(request)) => {
            let outcome = find_or_buy(app, &purchase, &request).await;
            let command = (id, outcome);
            let kept = app.act(&call, command, |tx, cx, (id, outcome)| Box::pin(keep(tx, cx, *id, outcome)));
            match kept.await? {
                Kept::Bought => attach_or_give_up(app, &call, id).await,
                Kept::Refused(_) | Kept::Open => Ok(()),
            }
        }
        (PurchaseState::Bought, _) => attach_or_give_up(app, &call, id).await,
        (PurchaseState::VoidPending, _) if purchase.label.is_none() => {
            let outcome = look(app, &purchase).await;
            let command = (id, outcome);
            app.act(&call, command, |tx, cx, (id, outcome)| Box::pin(looked(tx, cx, *id, outcome))).await
        }
        (PurchaseState::VoidPending, _) => {
            let outcome = void(app, &purchase).await;
            let command = (id, outcome);
            app.act(&call, command, |tx, cx, (id, outcome)| Box::pin(voided(tx, cx, *id, outcome))).await
        }
        _ => Ok(()),
    }
}

/// Takes a purchase for [`BUSY_SECONDS`], unless somebody is at it or nothing is left to do.
async fn take(tx: &mut Tx, cx: &Cx, id: LabelPurchaseId) -> Result<Option<Taken>> {
    let found = store::label_purchase_get_any(tx, id).await?;
    let ended =
        |purchase: &LabelPurchase| !purchase.state.is_open() && purchase.state != PurchaseState::VoidPending;
    let Some(mut purchase) = found.filter(|purchase| !ended(purchase)) else {
        job_cancel(tx, JobKind::LabelPurchase, id.0).await?;
        return Ok(None);
    };
    // Should this worker die as well, the job is due again when the purchase is free.
    schedule(tx, cx, &purchase, BUSY_SECONDS).await?;
    if purchase.busy_until > cx.wall {
        return Ok(None);
    }
    purchase.busy_until = cx.wall.plus_seconds(BUSY_SECONDS);
    purchase.attempts += 1;
    let mut request = None;
    if purchase.state == PurchaseState::Requested {
        if purchase.attempts > MOST_LOOKS {
            // Staff may ship what waits; the label is looked for all the same, to be given back.
            tracing::error!(purchase_id = %id, "a label's purchase came to no end: its lines are free again");
        } else {
            request = wanted(tx, cx, &purchase).await?;
        }
        if request.is_none() {
            purchase.become_(PurchaseState::VoidPending, cx.wall)?;
            record(tx, cx, &purchase, "label.void").await?;
        }
    }
    store::label_purchase_update(tx, &purchase).await?;
    Ok(Some(Taken { purchase, request }))
}

/// What is asked for a purchase whose lines still wait for it: nothing is bought for those that do not.
async fn wanted(tx: &mut Tx, cx: &Cx, purchase: &LabelPurchase) -> Result<Option<LabelRequest>> {
    let orders = match waiting(tx, purchase.plan.expose()).await {
        Ok(orders) => orders,
        Err(error @ (Error::Refused { .. } | Error::Invalid(_))) => {
            tracing::warn!(%error, purchase_id = %purchase.id, "nothing waits for a label any more");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let cx = &cx.of_clinic(tx, purchase.clinic_id).await?;
    request_of(tx, cx, purchase, &orders).await.map(Some)
}

/// Looks for a label that is to be given back, should it have been made.
async fn look(app: &App, purchase: &LabelPurchase) -> std::result::Result<Found, ProviderError> {
    let client = app.config().shipping.asked(&purchase.carrier_id).ok_or(ProviderError::Unreachable)?;
    client.find_bare(&sought(purchase)).await
}

/// Writes what was found of a label that is to be given back.
async fn looked(
    tx: &mut Tx,
    cx: &Cx,
    id: LabelPurchaseId,
    outcome: &std::result::Result<Found, ProviderError>,
) -> Result<()> {
    let mut purchase = store::label_purchase_get_any(tx, id).await?.ok_or(BROKEN)?;
    if purchase.state != PurchaseState::VoidPending || purchase.label.is_some() {
        return Ok(());
    }
    purchase.busy_until = cx.wall;
    match outcome {
        Ok(Found::Nothing | Found::Voided) | Err(ProviderError::Refused(_)) => {
            purchase.become_(PurchaseState::Voided, cx.wall)?;
            job_cancel(tx, JobKind::LabelPurchase, id.0).await?;
        }
        Ok(Found::Label(label)) if !is_anothers(tx, &purchase, label).await? => {
            purchase.label = Some(label.clone());
            schedule(tx, cx, &purchase, 0).await?;
        }
        Err(ProviderError::Unusable { label, .. }) if !is_anothers(tx, &purchase, label).await? => {
            purchase.label = Some(label.as_ref().clone());
            schedule(tx, cx, &purchase, 0).await?;
        }
        other => {
            let error = other.as_ref().err().unwrap_or(&ProviderError::NotOurs);
            purchase.failure = Some(error.code().to_owned());
            let wait = match error {
                ProviderError::Busy(seconds) => i64::from(*seconds),
                _ => delay(purchase.attempts),
            };
            schedule(tx, cx, &purchase, wait).await?;
        }
    }
    store::label_purchase_update(tx, &purchase).await?;
    record(tx, cx, &purchase, "label.void").await
}

/// The label if the provider has made it, else a new one: nothing is bought before it was looked for.
async fn find_or_buy(
    app: &App,
    purchase: &LabelPurchase,
    request: &LabelRequest,
) -> std::result::Result<BoughtLabel, ProviderError> {
    let shipping = &app.config().shipping;
    let client = shipping.asked(&purchase.carrier_id).ok_or(ProviderError::Unreachable)?;
    match client.find(&request.sought).await? {
        Found::Label(label) => Ok(label),
        Found::Voided => Err(ProviderError::Refused("voided_elsewhere".to_owned())),
        Found::Nothing if purchase.attempts > MOST_PURCHASES => {
            Err(ProviderError::Refused("gave_up".to_owned()))
        }
        Found::Nothing => client.buy(&shipping.pharmacy, request).await,
    }
}

async fn attach_or_give_up(app: &App, call: &Call, id: LabelPurchaseId) -> Result<()> {
    let attached = app.act(call, id, |tx, cx, &id| {
        Box::pin(async move {
            let (purchase, created) = attach(tx, cx, id).await?;
            asked::reply(tx, cx, &purchase, &created).await
        })
    });
    match attached.await {
        Err(error) if !error.is_temporary() => {
            tracing::warn!(%error, purchase_id = %id, "a label came too late and is given back");
            app.act(call, id, |tx, cx, &id| Box::pin(give_up(tx, cx, id))).await
        }
        other => other,
    }
}

async fn void(app: &App, purchase: &LabelPurchase) -> std::result::Result<bool, ProviderError> {
    let client = app.config().shipping.asked(&purchase.carrier_id).ok_or(ProviderError::Unreachable)?;
    match purchase.label.as_ref().and_then(|label| label.label_id.as_deref()) {
        Some(label_id) => client.void(label_id).await,
        None => Ok(true),
    }
}

/// Writes what the provider said to giving a label back.
async fn voided(
    tx: &mut Tx,
    cx: &Cx,
    id: LabelPurchaseId,
    outcome: &std::result::Result<bool, ProviderError>,
) -> Result<()> {
    let mut purchase = store::label_purchase_get_any(tx, id).await?.ok_or(BROKEN)?;
    if purchase.state != PurchaseState::VoidPending {
        return Ok(());
    }
    let attempts = purchase.attempts;
    let refused = matches!(outcome, Ok(false) | Err(ProviderError::Refused(_)));
    match outcome {
        Ok(true) => purchase.become_(PurchaseState::Voided, cx.wall)?,
        _ if refused && attempts >= MOST_VOIDS => {
            tracing::error!(purchase_id = %id, "a label that no parcel bears was not taken back");
            purchase.become_(PurchaseState::Failed, cx.wall)?;
            purchase.failure = Some("void_refused".to_owned());
        }
        other => {
            let code = other.as_ref().map_or_else(ProviderError::code, |_| "void_refused");
            (purchase.failure, purchase.busy_until) = (Some(code.to_owned()), cx.wall);
            let wait = match other {
                Err(ProviderError::Busy(seconds)) => i64::from(*seconds),
                _ => delay(attempts),
            };
            schedule(tx, cx, &purchase, wait).await?;
        }
    }
    if purchase.state != PurchaseState::VoidPending {
        job_cancel(tx, JobKind::LabelPurchase, id.0).await?;
    }
    store::label_purchase_update(tx, &purchase).await?;
    record(tx, cx, &purchase, "label.void").await
}
