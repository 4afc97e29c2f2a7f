//! Pages of lists: newest first and by key, so that rows that come or go meanwhile shift nothing.

use nimbus_core::time::Ts;
use uuid::Uuid;

use crate::engine::Value;

/// Which part of a list is wanted.
#[derive(Debug, Clone)]
pub struct Page {
    /// 1 to [`Page::MAX`]; others are brought within.
    pub limit: u32,
    /// Only ids below this one: the last id of the page before. A queue, which goes oldest first, reads it as
    /// the id to go on after.
    pub before: Option<Uuid>,
    /// Created at this instant or later.
    pub created_from: Option<Ts>,
    /// Created earlier than this instant.
    pub created_until: Option<Ts>,
    pub updated_from: Option<Ts>,
    pub updated_until: Option<Ts>,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            limit: Self::DEFAULT,
            before: None,
            created_from: None,
            created_until: None,
            updated_from: None,
            updated_until: None,
        }
    }
}

/// The created and updated ranges of a page, `$3` to `$6`, over unqualified columns.
macro_rules! page_range {
    () => {
        "(created_at >= $3 or $3 is null) and (created_at < $4 or $4 is null)
         and (updated_at >= $5 or $5 is null) and (updated_at < $6 or $6 is null)"
    };
}
pub(crate) use page_range;

/// The condition of a page of a list with `id`, `created_at` and `updated_at`. It uses `$1` to `$6`: the
/// statement ends with [`page_end`], and its own parameters begin at `$7`.
macro_rules! page_where {
    () => {
        concat!("id < $2 and ", $crate::page::page_range!())
    };
}
pub(crate) use page_where;

/// The end of a statement with [`page_where`].
macro_rules! page_end {
    () => {
        " order by id desc limit $1"
    };
}
pub(crate) use page_end;

impl Page {
    /// The most items of one page.
    pub const MAX: u32 = 100;
    /// The items of a page where nobody says how many.
    pub const DEFAULT: u32 = 25;

    fn limit(&self) -> u32 {
        self.limit.clamp(1, Self::MAX)
    }

    /// The limit of a statement: one row more than is shown, to know whether there are more.
    pub(crate) fn limit_and_one(&self) -> Value {
        (self.limit() + 1).into()
    }

    /// The arguments of a statement with [`page_where`]: `$1` to `$6`, then the statement's own from `$7`.
    pub(crate) fn args<const N: usize>(&self, own: [Value; N]) -> Vec<Value> {
        // The greatest UUID is no id; a bound that is always there lets the engines read the index from it.
        self.args_from(self.before.unwrap_or(Uuid::max()), own)
    }

    /// The same for a list that goes oldest first, whose condition is `id > $2`.
    pub(crate) fn args_oldest_first<const N: usize>(&self, own: [Value; N]) -> Vec<Value> {
        self.args_from(self.before.unwrap_or(Uuid::nil()), own)
    }

    fn args_from<const N: usize>(&self, start: Uuid, own: [Value; N]) -> Vec<Value> {
        let page = [
            self.limit_and_one(),
            start.into(),
            self.created_from.into(),
            self.created_until.into(),
            self.updated_from.into(),
            self.updated_until.into(),
        ];
        page.into_iter().chain(own).collect()
    }

    /// Cuts off the row that was asked for beyond the limit.
    pub(crate) fn slice<T>(&self, mut items: Vec<T>) -> Slice<T> {
        let limit = self.limit() as usize;
        let has_more = items.len() > limit;
        items.truncate(limit);
        Slice { items, has_more }
    }
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Slice<T> {
    pub items: Vec<T>,
    pub has_more: bool,
}
