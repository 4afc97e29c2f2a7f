//! Carriers' tracking notifications, in the two public styles: ShipEngine's and EasyPost's. Who may send them, and what
//! is answered.

mod notification;

use axum::extract::State;
use bytes::Bytes;
use http::HeaderMap;
use nimbus_app::{
    Call, Error, Rendered,
    carrier_feed::Signature,
    tracking::{self, Taken},
};
use nimbus_carriers::tracking_words::carrier_called;
use serde::Serialize;
use utoipa::ToSchema;

pub use self::notification::CarrierNotification;
use self::notification::read_notification;
use crate::{
    Web,
    body::{self, Incoming},
    failure::{Answer, Failure},
    fields,
    partner_api::envelope::{self, Success},
};

const NOUN: &str = "Carrier";
/// The services whose notifications name the carrier themselves.
const SERVICES: [&str; 2] = ["shipengine", "easypost"];
#[derive(Serialize, ToSchema)]
pub struct CarrierReported {
    /// Whether the number is of a parcel of ours. If it is not, nothing was kept.
    pub matched: bool,
    /// How many of the scans were new.
    pub scans_kept: usize,
    /// Whether the parcel's status changed.
    pub moved: bool,
}

fn render(taken: &Taken) -> Rendered {
    let data = CarrierReported { matched: taken.matched, scans_kept: taken.kept, moved: taken.moved };
    envelope::written(data, "OK")
}

/// The carrier that the path names; none where it names a service, whose notifications say it.
fn carrier_of(request: &Incoming) -> Result<Option<&'static str>, Failure> {
    let name: String = request.id("carrier", NOUN)?;
    if SERVICES.contains(&name.as_str()) {
        return Ok(None);
    }
    let carrier = carrier_called(&name).ok_or(Error::NotFound(NOUN))?;
    Ok(Some(carrier.id))
}

/// For the notifications of ShipEngine and EasyPost, whose signatures are verified. A number that is not of our
/// parcels is taken as well, so that the service does not send it again.
#[utoipa::path(post, path = "/carriers/{carrier}/events", tag = "Inbound", operation_id = "carrierEvent",
    security(("CarrierSignature" = [])),
    params(("carrier" = String, Path, description = "A carrier's id or name (`ups`, `fedex`, `usps`, `ameriship`), \
        or `shipengine` or `easypost`, whose notifications name the carrier")),
    request_body(content = CarrierNotification, description = "What the service sends"),
    responses((status = 200, description = "Taken; the data say whether it was of a parcel of ours",
        body = Success<CarrierReported>)))]
pub(crate) async fn report(State(web): State<Web>, mut request: Incoming) -> Answer {
    let (call, body): (Call, Bytes) = web.carrier_service(&mut request).await?;
    let of_path = carrier_of(&request)?;
    let mut notification = fields::read(&body::parse(&body)?, read_notification)?;
    notification.carrier_id = of_path.or(notification.carrier_id);
    Ok(envelope::reply(tracking::report(&web.app, &call, notification, render).await?))
}

/// The signature that a notification's headers have, if they have one.
pub(crate) fn signature_of(headers: &HeaderMap) -> Option<Signature> {
    let only = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?.to_owned();
        values.next().is_none().then_some(value)
    };
    if let Some(signature) = only("x-hmac-signature") {
        return Some(Signature::EasyPost { signature });
    }
    Some(Signature::ShipEngine {
        key_id: only("x-shipengine-rsa-sha256-key-id")?,
        timestamp: only("x-shipengine-timestamp")?,
        signature: only("x-shipengine-rsa-sha256-signature")?,
    })
}
