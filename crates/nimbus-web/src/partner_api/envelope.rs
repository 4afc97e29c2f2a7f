//! The envelope of successful replies.

use axum::response::Response;
use http::StatusCode;
use nimbus_app::{Rendered, page::Slice};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    paging::cursor_after,
    wire::{json_bytes, json_response},
};

pub(crate) use crate::wire::reply;

/// A reply with one thing in it.
#[derive(Serialize, ToSchema)]
pub struct Success<T> {
    /// Always true.
    pub success: bool,
    pub data: T,
    pub message: &'static str,
}

/// A page of a list, newest first.
#[derive(Serialize, ToSchema)]
pub struct List<T> {
    /// Always true.
    pub success: bool,
    pub data: Vec<T>,
    /// Whether there is a page after this one.
    pub has_more: bool,
    /// What to send as `cursor` for the next page.
    pub next_cursor: Option<String>,
    /// Only where there are any: the ids of records that belong on this page and that the server cannot read, as what
    /// it has stored was altered. Tell support, with the request id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub unreadable: Vec<Uuid>,
}

impl<T> List<T> {
    /// A page of what a slice holds, which its surface has written already.
    pub(crate) fn new<S>(slice: &Slice<S>, data: Vec<T>, next_cursor: Option<String>) -> Self {
        let unreadable = slice.unreadable.clone();
        Self { success: true, data, has_more: slice.has_more, next_cursor, unreadable }
    }
}

/// The `data` of replies that have nothing to tell.
#[derive(Serialize, ToSchema)]
pub struct Nothing {}

/// Writes the outcome of a change.
pub(crate) fn written<T: Serialize>(data: T, message: &'static str) -> Rendered {
    let body = json_bytes(&Success { success: true, data, message });
    Rendered::new(StatusCode::OK.as_u16(), body)
}

/// Sends what was read.
pub(crate) fn found<T: Serialize>(data: T) -> Response {
    json_response(StatusCode::OK, &Success { success: true, data, message: "OK" })
}

/// Sends a page.
pub(crate) fn page<T, V: Serialize>(slice: &Slice<T>, view: fn(&T) -> V) -> Response {
    let data = slice.items.iter().map(view).collect();
    json_response(StatusCode::OK, &List::new(slice, data, slice.next().map(cursor_after)))
}
