//! The OpenAPI description of every route, read off the routes themselves.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses, OpenApi as _,
    openapi::{
        Content, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Web, health, operations_api, orders_api, partner_api};

/// The document of each surface that has routes of its own.
pub struct Documents {
    pub partner: OpenApi,
    pub orders: OpenApi,
    pub operations: OpenApi,
}

/// Each surface's document, with paths as they follow the surface's own root.
pub fn documents() -> Documents {
    Documents {
        partner: partner_api::routes().into_openapi(),
        orders: orders_api::routes().into_openapi(),
        operations: operations_api::routes().into_openapi(),
    }
}

/// One document with every route of the server.
pub fn api_document() -> OpenApi {
    all_routes().into_openapi()
}

pub(crate) fn all_routes() -> OpenApiRouter<Web> {
    OpenApiRouter::with_openapi(base("Nimbus OS"))
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .nest(partner_api::ROOT, partner_api::routes())
        .nest(operations_api::ROOT, operations_api::routes())
        .merge(orders_api::routes())
}

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(partner_api::error::ErrorReply)))]
struct Shared;

/// A document with what all operations refer to: the security schemes and the shape of errors.
pub(crate) fn base(title: &str) -> OpenApi {
    let mut document = Shared::openapi();
    document.info.title = title.to_owned();
    document.info.version = "1.0.0".to_owned();
    let components = document.components.get_or_insert_default();
    let header = |name: &str| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name)));
    let bearer = || SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    components.add_security_scheme("ApiKeyAuth", header("X-API-Key"));
    components.add_security_scheme("OpsToken", bearer());
    components.add_security_scheme("FeedSecret", header("X-Pharmetika-Secret"));
    components.add_security_scheme("OnboardingToken", bearer());
    document
}

const INVALID: (&str, &str) =
    ("400", "A field, a parameter or the body is not valid; `details` names every one");
const REFUSED: (&str, &str) = ("400", "Not valid, or refused by a rule of the pharmacy; `details` says why");
const UNAUTHORIZED: (&str, &str) = ("401", "No valid credential was sent");
const FORBIDDEN: (&str, &str) = ("403", "The credential does not allow this operation");
const NOT_FOUND: (&str, &str) = ("404", "The id in the path names nothing that the credential can see");
const CONFLICT: (&str, &str) =
    ("409", "The `Idempotency-Key` was used with another request, or its request is still running");
const TOO_LARGE: (&str, &str) = ("413", "The body is larger than 1 MiB");
const NOT_JSON: (&str, &str) = ("415", "The body is not sent as `application/json`");
const IMAGE_TOO_LARGE: (&str, &str) = ("413", "The image is larger than 256 KiB");
const NOT_AN_IMAGE: (&str, &str) = ("415", "The body is not sent as `image/png` or `image/svg+xml`");
const INTERNAL: (&str, &str) = ("500", "Something went wrong on our side");
const UNAVAILABLE: (&str, &str) =
    ("503", "Nimbus cannot answer right now; `Retry-After` says when to try again");

/// The statuses of the orders API that tell more finely what is wrong.
mod orders {
    pub(super) const UNREADABLE: (&str, &str) =
        ("400", "The request cannot be read, or asks for what is not available yet");
    pub(super) const CONFLICT: (&str, &str) = (
        "409",
        "Not possible in its present status, or the `Idempotency-Key` was used with another request or its \
         request is still running",
    );
    pub(super) const REFUSED: (&str, &str) =
        ("422", "A field is not valid, or the rules for refills refuse; `details` says why");
    pub(super) const INVALID: (&str, &str) =
        ("422", "A field or a parameter is not valid; `details` names every one");
}

macro_rules! errors {
    ($schema:literal; $($(#[$doc:meta])* $name:ident: $($error:expr),*;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                responses($schema, &[$($error),*])
            }
        }
    )*};
}

errors! {
    "ErrorReply";
    /// The errors of a list or another read that names no id in its path.
    ListErrors: INVALID, UNAUTHORIZED, FORBIDDEN, INTERNAL, UNAVAILABLE;
    /// The errors of a read of one resource.
    ReadErrors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND, INTERNAL, UNAVAILABLE;
    /// The errors of a list of what belongs to one resource.
    PartErrors: INVALID, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, INTERNAL, UNAVAILABLE;
    /// The errors of a POST that names no id in its path.
    CreateErrors: REFUSED, UNAUTHORIZED, FORBIDDEN, CONFLICT, TOO_LARGE, NOT_JSON, INTERNAL, UNAVAILABLE;
    /// The errors of a change of one resource.
    ChangeErrors: REFUSED, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, TOO_LARGE, NOT_JSON, INTERNAL, UNAVAILABLE;
    /// The errors of a change of one resource by an image.
    ImageErrors: INVALID, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, IMAGE_TOO_LARGE, NOT_AN_IMAGE, INTERNAL, UNAVAILABLE;
    /// The errors of a machine's report.
    FeedErrors: REFUSED, UNAUTHORIZED, TOO_LARGE, NOT_JSON, INTERNAL, UNAVAILABLE;
}

errors! {
    "OrdersErrorReply";
    /// The errors of a list of the orders API.
    OrdersListErrors: orders::UNREADABLE, UNAUTHORIZED, FORBIDDEN, orders::INVALID, INTERNAL, UNAVAILABLE;
    /// The errors of a read of one resource of the orders API.
    OrdersReadErrors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND, INTERNAL, UNAVAILABLE;
    /// The errors of a POST of the orders API that names no id in its path.
    OrdersCreateErrors: orders::UNREADABLE, UNAUTHORIZED, FORBIDDEN, CONFLICT, TOO_LARGE, NOT_JSON, orders::REFUSED,
        INTERNAL, UNAVAILABLE;
    /// The errors of a change of one resource of the orders API.
    OrdersChangeErrors: orders::UNREADABLE, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, orders::CONFLICT, TOO_LARGE, NOT_JSON,
        orders::INVALID, INTERNAL, UNAVAILABLE;
}

fn responses(schema: &str, errors: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    errors
        .iter()
        .map(|&(status, description)| {
            let content = Content::new(Some(Ref::from_schema_name(schema)));
            let response =
                ResponseBuilder::new().description(description).content("application/json", content).build();
            (status.to_owned(), RefOr::T(response))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation: its path, and its JSON.
    fn operations() -> Vec<(String, serde_json::Value)> {
        let document = serde_json::to_value(api_document()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().iter().map(move |(method, op)| (path, method, op))
            })
            .map(|(path, method, op)| (format!("{method} {path}"), op.clone()))
            .collect()
    }

    #[test]
    fn every_operation_is_described() {
        let mut ids = std::collections::HashSet::new();
        for (name, op) in operations() {
            assert!(op["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{name}: tag");
            assert!(
                ids.insert(op["operationId"].as_str().unwrap().to_owned()),
                "{name}: operationId is taken"
            );
            assert!(op["security"].is_array(), "{name}: security");
            for (status, response) in op["responses"].as_object().unwrap() {
                let described = response["description"].as_str().is_some_and(|text| !text.is_empty());
                assert!(described, "{name}: {status} has no description");
            }
            if let Some(body) = op.get("requestBody") {
                assert!(body["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}: body");
            }
        }
    }

    #[test]
    fn every_reference_is_to_a_schema() {
        let document = serde_json::to_value(api_document()).unwrap();
        let text = document.to_string();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_surfaces_are_nested_under_their_roots() {
        let names: Vec<String> = operations().into_iter().map(|(name, _)| name).collect();
        for name in
            ["post /api/external/practitioner", "delete /api/external/webhook", "get /api/pharmacy/orders"]
        {
            assert!(names.iter().any(|other| other == name), "{name}");
        }
    }
}
