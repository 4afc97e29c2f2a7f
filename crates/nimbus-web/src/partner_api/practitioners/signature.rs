//! The image of a practitioner's signature.

use super::NOUN;
use crate::{
    Web,
    body::{BodyLimit, Incoming},
    failure::{Answer, Failure},
    images,
    partner_api::envelope::{self, Nothing, Success},
    wire::Image,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
    },
};
use nimbus_app::{
    Error,
    signatures::{self, Put, Signature},
};
use nimbus_core::{access::Scope, ids::PractitionerId, phi::Phi, practitioner::ImageKind};

pub(crate) const MAX_IMAGE: BodyLimit = BodyLimit { bytes: 256 * 1024, words: "256 KiB" };
pub(crate) const IMAGE: &str = "an image, sent with Content-Type: image/png or image/svg+xml";
/// An image that is opened by itself runs nothing and fetches nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// The body is the image itself: a PNG, or an SVG without scripts, event handlers, foreign objects, entities and
/// references to anything outside of it. It takes the place of the one before.
#[utoipa::path(put, path = "/practitioner/{id}/signature", tag = "Practitioners",
    operation_id = "putPractitionerSignature",
    security(("ApiKeyAuth" = ["practitioners:write"])),
    params(("id" = String, Path, description = "The practitioner's id")),
    request_body(content((Image = "image/png"), (Image = "image/svg+xml")),
        description = "The image, at most 256 KiB"),
    responses((status = 200, description = "On file", body = Success<Nothing>)))]
pub(crate) async fn put(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::PractitionersWrite).await?;
    let id = request.id("id", NOUN)?;
    let kind = request.media_type().as_deref().and_then(ImageKind::parse);
    let kind = kind.ok_or(Failure::UnsupportedMediaType(IMAGE))?;
    let image = request.bytes(&mut call, MAX_IMAGE).await?;
    images::check(kind, &image).map_err(|why| Error::field("$", why))?;
    let command = Put { id, kind, image: Phi::new(image.to_vec()) };
    let render = |(): &()| envelope::written(Nothing {}, "Signature saved successfully");
    Ok(envelope::reply(signatures::put(&web.app, &call, command, render).await?))
}

#[utoipa::path(get, path = "/practitioner/{id}/signature", tag = "Practitioners",
    operation_id = "getPractitionerSignature",
    security(("ApiKeyAuth" = ["practitioners:read"])),
    params(("id" = String, Path, description = "The practitioner's id")),
    responses(
        (status = 200, description = "The image, byte for byte as it was sent",
            content((Image = "image/png"), (Image = "image/svg+xml")))))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::PractitionersRead).await?;
    let id: PractitionerId = request.id("id", NOUN)?;
    Ok(image(signatures::get(&web.app, &call, id).await?))
}

fn image(signature: Signature) -> Response {
    let name = match signature.kind {
        ImageKind::Png => "inline; filename=\"signature.png\"",
        ImageKind::Svg => "inline; filename=\"signature.svg\"",
    };
    let headers: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, signature.kind.as_str()),
        (CONTENT_DISPOSITION, name),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "private, no-store"),
    ];
    let headers = headers.map(|(header, value)| (header, HeaderValue::from_static(value)));
    (StatusCode::OK, headers, signature.image.into_inner()).into_response()
}

#[utoipa::path(delete, path = "/practitioner/{id}/signature", tag = "Practitioners",
    operation_id = "deletePractitionerSignature",
    security(("ApiKeyAuth" = ["practitioners:write"])),
    params(("id" = String, Path, description = "The practitioner's id")),
    responses((status = 200, description = "Removed", body = Success<Nothing>)))]
pub(crate) async fn delete(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::PractitionersWrite).await?;
    let id = request.id("id", NOUN)?;
    let render = |(): &()| envelope::written(Nothing {}, "Signature deleted successfully");
    Ok(envelope::reply(signatures::delete(&web.app, &call, id, render).await?))
}
