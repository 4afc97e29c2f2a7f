//! Lists: the query parameters that all of them take, and the cursor.
//!
//! A cursor is the last id of the page before, in base62: opaque to callers, stable under new rows.

use nimbus_app::page::Page;
use nimbus_core::ids::{base62, from_base62};
use serde_json::Value;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    checks::{count, timestamp},
    fields::{Checked, Fields},
};

/// The query parameters of every list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// How many items, 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
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

/// What a surface calls the ranges.
struct Ranges {
    created_from: &'static str,
    created_until: &'static str,
    updated_from: &'static str,
    updated_until: &'static str,
}

/// How a surface reads the parameters of a list.
pub(crate) type PageReader = fn(&mut Fields<'_>) -> Page;

/// Reads what [`PageParams`] describes.
pub(crate) fn page(f: &mut Fields<'_>) -> Page {
    let ranges = Ranges {
        created_from: "created_from",
        created_until: "created_until",
        updated_from: "updated_from",
        updated_until: "updated_until",
    };
    read(f, &ranges)
}

/// Reads the same in camel case.
pub(crate) fn camel_case_page(f: &mut Fields<'_>) -> Page {
    let ranges = Ranges {
        created_from: "createdFrom",
        created_until: "createdUntil",
        updated_from: "updatedFrom",
        updated_until: "updatedUntil",
    };
    read(f, &ranges)
}

fn read(f: &mut Fields<'_>, ranges: &Ranges) -> Page {
    Page {
        limit: f.optional("limit", count(1..=Page::MAX)).unwrap_or(Page::DEFAULT),
        before: f.optional("cursor", cursor),
        created_from: f.optional(ranges.created_from, timestamp),
        created_until: f.optional(ranges.created_until, timestamp),
        updated_from: f.optional(ranges.updated_from, timestamp),
        updated_until: f.optional(ranges.updated_until, timestamp),
    }
}

fn cursor(value: &Value) -> Checked<Uuid> {
    let id = value.as_str().and_then(from_base62).map(Uuid::from_u128);
    id.ok_or_else(|| "must be the next cursor of the page before".into())
}

/// The cursor of the page after the one that ends with this id.
pub(crate) fn cursor_after(last: Uuid) -> String {
    base62(last.as_u128())
}
