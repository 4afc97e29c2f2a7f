//! Pages of lists: newest first and by key, so that rows that come or go meanwhile shift nothing.
//!
//! A clinic's list goes by `created_at` (business time) and then by id, which is in each of its indexes: any range
//! of creation, at any depth, is a stretch of the index. A range of changes either holds few rows, which are found
//! by an index of their own and sorted, or so many that a walk meets them soon.

use nimbus_core::{ids::ClinicId, time::Ts};
use uuid::Uuid;

use crate::{
    engine::{Tx, Value},
    error::Result,
};

/// Which part of a list is wanted.
#[derive(Debug, Clone)]
pub struct Page {
    /// 1 to [`Page::MAX`]; others are brought within.
    pub limit: u32,
    /// The last id of the page before. A queue, which goes oldest first, reads it as the id to go on after.
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

/// The created and updated ranges of a page, `$3` to `$6`, which are never null, over unqualified columns.
macro_rules! page_range {
    () => {
        "created_at >= $3 and created_at < $4 and updated_at >= $5 and updated_at < $6"
    };
}

/// The same for lists by id: `is true` keeps the planner from looking for the range first and sorting what it finds.
macro_rules! page_range_by_id {
    () => {
        concat!("(", $crate::page::page_range!(), ") is true")
    };
}
pub(crate) use page_range;
pub(crate) use page_range_by_id;

/// The condition of a page of a clinic's rows, `$1` to `$7`; `$8` is the clinic, and a statement's own parameters
/// begin at `$9`. It ends with [`page_end`]. An index that begins with the columns compared for equality and goes
/// on with `created_at, id` answers it at any depth: `$4` never lies behind the cursor.
macro_rules! page_where {
    () => {
        concat!("clinic_id = $8 and (created_at, id) < ($7, $2) and ", $crate::page::page_range!())
    };
}
pub(crate) use page_where;

/// The end of a statement with [`page_where`].
macro_rules! page_end {
    () => {
        " order by created_at desc, id desc limit $1"
    };
}
pub(crate) use page_end;

/// Confines a statement with [`page_where`] to the rows changed in the updated range, where they are few: at most
/// [`FEW`] when they were counted. It takes twice as many, because others may be changed between the two statements.
macro_rules! page_few {
    ($table:literal) => {
        concat!(
            "id in (select id from (select id from ",
            $table,
            " where clinic_id = $8 and updated_at >= $5 and updated_at < $6
              order by updated_at desc limit 2000) few) and "
        )
    };
}
pub(crate) use page_few;

/// The condition of a page of rows of every clinic, by id, for staff: `$1` to `$6`, and the statement's own
/// parameters begin at `$7`. It ends with [`page_end_any`].
macro_rules! page_where_any {
    () => {
        concat!("id < $2 and ", $crate::page::page_range_by_id!())
    };
}
pub(crate) use page_where_any;

/// As [`page_where_any`], of rows that do not change: they are as they were made.
macro_rules! page_where_made {
    () => {
        "id < $2 and (created_at >= $3 and created_at < $4 and created_at >= $5 and created_at < $6) is true"
    };
}
pub(crate) use page_where_made;

/// The end of a statement with [`page_where_any`].
macro_rules! page_end_any {
    () => {
        " order by id desc limit $1"
    };
}
pub(crate) use page_end_any;

/// The ids of a page's rows, `$2` to `$101`, for what belongs to them; `$1` is the clinic. See [`page_ids_args`].
macro_rules! page_ids {
    () => {
        "$2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
         $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42,
         $43, $44, $45, $46, $47, $48, $49, $50, $51, $52, $53, $54, $55, $56, $57, $58, $59, $60, $61, $62,
         $63, $64, $65, $66, $67, $68, $69, $70, $71, $72, $73, $74, $75, $76, $77, $78, $79, $80, $81, $82,
         $83, $84, $85, $86, $87, $88, $89, $90, $91, $92, $93, $94, $95, $96, $97, $98, $99, $100, $101"
    };
}
pub(crate) use page_ids;

/// The arguments of a statement with [`page_ids`]: the first [`Page::MAX`] ids.
pub(crate) fn page_ids_args<I: Copy + Into<Value>>(clinic: ClinicId, ids: &[I]) -> Vec<Value> {
    let places = Page::MAX as usize;
    let mut args = vec![clinic.into()];
    args.extend(ids.iter().take(places).map(|&id| id.into()));
    // The text has a fixed number of places; nothing equals null.
    args.resize(1 + places, Value::Null);
    args
}

/// What [`Page`] asks of a table before it can be listed.
#[derive(Clone, Copy)]
pub(crate) struct Listed {
    /// When the row at the cursor was created: `$1` the clinic, `$2` the id.
    pub(crate) cursor: &'static str,
    /// How many rows were changed in a range, counted to 1,001: `$1` the clinic, `$2` and `$3` the range.
    pub(crate) changed: &'static str,
}

/// [`Listed`] of a table.
macro_rules! listed {
    ($table:literal) => {
        $crate::page::Listed {
            cursor: concat!("select created_at from ", $table, " where clinic_id = $1 and id = $2"),
            changed: concat!(
                "select count(*) from (select id from ",
                $table,
                " where clinic_id = $1 and updated_at >= $2 and updated_at < $3
                  order by updated_at desc limit 1001) changed"
            ),
        }
    };
}
pub(crate) use listed;

/// So many changed rows, at most, are sorted for a page; where there are more, the list is walked.
const FEW: i64 = 1000;
/// The years 1 to 9999: what a bound is that nobody has set.
pub(crate) const EARLIEST: Ts = Ts::from_micros(-62_135_596_800_000_000);
pub(crate) const LATEST: Ts = Ts::from_micros(253_402_300_799_999_999);

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

    /// The arguments of a statement with [`page_where`]: `$1` to `$8`, then the statement's own from `$9`.
    /// One row more than the limit is asked for, to know whether there are more. A cursor that names none of the
    /// clinic's rows has nothing after it.
    pub(crate) async fn args(
        &self,
        tx: &mut Tx,
        listed: Listed,
        clinic: ClinicId,
        own: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Value>> {
        let at = match self.before {
            None => LATEST,
            Some(id) => {
                let row = tx.query_opt(listed.cursor, &[clinic.into(), id.into()]).await?;
                row.map(|row| row.columns().take()).transpose()?.unwrap_or(EARLIEST)
            }
        };
        let (at, start) = self.beginning(at);
        let mut args = self.bounds(start, at);
        args.extend([at.into(), clinic.into()]);
        args.extend(own);
        Ok(args)
    }

    /// What every row of the page comes before: the cursor, made at `at`, or the end of the range. SQLite begins its
    /// walk there, whatever else bounds it.
    fn beginning(&self, at: Ts) -> (Ts, Uuid) {
        match self.created_until {
            // No id comes before this one: only the time decides.
            Some(until) if until <= at => (until, Uuid::nil()),
            _ => (at, self.before.unwrap_or(Uuid::max())),
        }
    }

    /// The arguments of a statement with [`page_where_any`]: `$1` to `$6`, then the statement's own from `$7`.
    pub(crate) fn args_any<const N: usize>(&self, own: [Value; N]) -> Vec<Value> {
        // The greatest UUID is no id; a bound that is always there lets the engines read the index from it.
        let bounds = self.bounds(self.before.unwrap_or(Uuid::max()), LATEST);
        bounds.into_iter().chain(own).collect()
    }

    /// The same for a list that goes oldest first, whose condition is `id > $2`.
    pub(crate) fn args_oldest_first<const N: usize>(&self, own: [Value; N]) -> Vec<Value> {
        let bounds = self.bounds(self.before.unwrap_or(Uuid::nil()), LATEST);
        bounds.into_iter().chain(own).collect()
    }

    /// `$1` to `$6`. Nothing after `at` is wanted.
    fn bounds(&self, start: Uuid, at: Ts) -> Vec<Value> {
        let until = self.created_until.unwrap_or(LATEST);
        let after_cursor = Ts::from_micros(at.micros().saturating_add(1));
        vec![
            self.limit_and_one(),
            start.into(),
            self.created_from.unwrap_or(EARLIEST).into(),
            until.min(after_cursor).into(),
            self.updated_from.unwrap_or(EARLIEST).into(),
            self.updated_until.unwrap_or(LATEST).into(),
        ]
    }

    /// Whether the page is of a range of changes in which few rows are, so that sorting them beats looking for
    /// them on a walk.
    pub(crate) async fn changes_few(&self, tx: &mut Tx, listed: Listed, clinic: ClinicId) -> Result<bool> {
        if self.updated_from.is_none() && self.updated_until.is_none() {
            return Ok(false);
        }
        let (from, until) = (self.updated_from.unwrap_or(EARLIEST), self.updated_until.unwrap_or(LATEST));
        let row = tx.query_one(listed.changed, &[clinic.into(), from.into(), until.into()]).await?;
        Ok(row.columns().take::<i64>()? <= FEW)
    }

    /// Cuts off the row that was asked for beyond the limit. Each entry comes with the id that a cursor names it by.
    pub(crate) fn slice<T>(&self, mut entries: Vec<(Uuid, Entry<T>)>) -> Slice<T> {
        let limit = self.limit() as usize;
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        let last = entries.last().map(|(id, _)| *id);
        let (mut items, mut unreadable) = (Vec::with_capacity(entries.len()), Vec::new());
        for (id, entry) in entries {
            match entry {
                Entry::Whole(item) => items.push(item),
                Entry::Unreadable => unreadable.push(id),
                Entry::Erased => {}
            }
        }
        Slice { items, last, has_more, unreadable }
    }

    /// [`Page::slice`] of rows that hold nothing sealed.
    pub(crate) fn slice_plain<T>(&self, items: Vec<T>, id: fn(&T) -> Uuid) -> Slice<T> {
        self.slice(items.into_iter().map(|item| (id(&item), Entry::Whole(item))).collect())
    }
}

/// What became of a row of a list.
pub(crate) enum Entry<T> {
    Whole(T),
    /// A sealed value in it was altered.
    Unreadable,
    /// The keys of its clinic were destroyed.
    Erased,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Slice<T> {
    pub items: Vec<T>,
    /// The last record of the page, an unreadable or erased one too, by its id.
    pub last: Option<Uuid>,
    pub has_more: bool,
    /// The records that belong on this page and cannot be opened, by their ids.
    pub unreadable: Vec<Uuid>,
}

impl<T> Slice<T> {
    /// Nothing, and nothing after it.
    pub(crate) const fn empty() -> Self {
        Self { items: Vec::new(), last: None, has_more: false, unreadable: Vec::new() }
    }

    /// The id that the next page begins after, if there is one.
    pub fn next(&self) -> Option<Uuid> {
        self.last.filter(|_| self.has_more)
    }

    /// The same page of what was made of its items.
    pub fn map<U>(self, view: impl FnMut(T) -> U) -> Slice<U> {
        let items = self.items.into_iter().map(view).collect();
        Slice { items, last: self.last, has_more: self.has_more, unreadable: self.unreadable }
    }

    /// Moves items to the unreadable ones, as what belongs to them is.
    pub fn leave_out(&mut self, ids: &[Uuid], id: fn(&T) -> Uuid) {
        let gone = |item: &T| ids.contains(&id(item));
        self.unreadable.extend(self.items.iter().filter(|item| gone(item)).map(id));
        self.items.retain(|item| !gone(item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_at_its_cursor_or_at_the_end_of_its_range() {
        let cursor = Uuid::from_u128(7);
        let [early, late] = [1000, 2000].map(Ts::from_micros);
        for (before, until, at, beginning) in [
            (None, None, LATEST, (LATEST, Uuid::max())),
            (None, Some(late), LATEST, (late, Uuid::nil())),
            (Some(cursor), Some(late), early, (early, cursor)),
            (Some(cursor), Some(early), late, (early, Uuid::nil())),
            (Some(cursor), None, late, (late, cursor)),
        ] {
            let page = Page { before, created_until: until, ..Page::default() };
            assert_eq!(page.beginning(at), beginning);
        }
    }
}
