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

/// Sends a page; `id` says what the cursor is made of.
pub(crate) fn page<T, V: Serialize>(slice: &Slice<T>, id: fn(&T) -> Uuid, view: fn(&T) -> V) -> Response {
    let next_cursor = slice.items.last().filter(|_| slice.has_more).map(|last| cursor_after(id(last)));
    let data = slice.items.iter().map(view).collect();
    json_response(StatusCode::OK, &List { success: true, data, has_more: slice.has_more, next_cursor })
}
