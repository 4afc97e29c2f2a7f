//! Replies of the orders API: a resource by itself, or a page of them.

use axum::response::Response;
use http::StatusCode;
use nimbus_app::{Rendered, page::Slice};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    paging::cursor_after,
    wire::{json_bytes, json_response},
};

pub(crate) use crate::wire::reply;

/// The query parameters of every list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListParams {
    /// How many items, 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<u32>,
    /// `nextCursor` of the page before.
    pub cursor: Option<String>,
    /// Created at this time or later (RFC 3339).
    #[param(format = DateTime)]
    pub created_from: Option<String>,
    /// Created before this time.
    #[param(format = DateTime)]
    pub created_until: Option<String>,
    /// Changed at this time or later.
    #[param(format = DateTime)]
    pub updated_from: Option<String>,
    /// Changed before this time.
    #[param(format = DateTime)]
    pub updated_until: Option<String>,
}

/// A page of a list, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    pub data: Vec<T>,
    /// Whether there is a page after this one.
    pub has_more: bool,
    /// What to send as `cursor` for the next page.
    pub next_cursor: Option<String>,
    /// Only where there are any: the ids of records that belong on this page and that the server cannot read, as what
    /// it has stored was altered. Tell support, with the request id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub unreadable: Vec<String>,
}

impl<T> Page<T> {
    /// A page of what a slice holds, which is written already.
    pub(crate) fn new<S>(
        slice: &Slice<S>,
        id: fn(Uuid) -> String,
        data: Vec<T>,
        next_cursor: Option<String>,
    ) -> Self {
        let unreadable = slice.unreadable.iter().copied().map(id).collect();
        Self { data, has_more: slice.has_more, next_cursor, unreadable }
    }
}

/// Writes a resource that was created, and where it is.
pub(crate) fn created<T: Serialize>(resource: T, place: String) -> Rendered {
    Rendered::new(StatusCode::CREATED.as_u16(), json_bytes(&resource)).at(place)
}

/// Writes a resource that was changed.
pub(crate) fn written<T: Serialize>(resource: T) -> Rendered {
    Rendered::new(StatusCode::OK.as_u16(), json_bytes(&resource))
}

/// Writes that there is nothing more to say.
pub(crate) fn nothing() -> Rendered {
    Rendered::new(StatusCode::NO_CONTENT.as_u16(), Vec::new())
}

/// Sends what was read.
pub(crate) fn found<T: Serialize>(resource: T) -> Response {
    json_response(StatusCode::OK, &resource)
}

/// Sends a page; `id` writes the id of a record.
pub(crate) fn page<T, V: Serialize>(slice: &Slice<T>, id: fn(Uuid) -> String, view: fn(&T) -> V) -> Response {
    let data = slice.items.iter().map(view).collect();
    json_response(StatusCode::OK, &Page::new(slice, id, data, slice.next().map(cursor_after)))
}
