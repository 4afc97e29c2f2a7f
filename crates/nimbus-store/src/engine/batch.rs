//! Inserting many rows of one table: on PostgreSQL one statement for all of them, because there each statement costs
//! more than a row; on SQLite one after the other, because there it does not.

use std::borrow::Cow;

use super::{tx::Statement, value::Value};

/// An insert into one table, in the text of each engine.
#[derive(Debug)]
pub(crate) struct Insert {
    /// One row; its columns are the arguments.
    pub(crate) one: &'static str,
    /// As many rows as the arguments, which are columns, have values.
    pub(crate) many: &'static str,
}

/// Writes both texts of an [`Insert`] from its numbered columns and their types on PostgreSQL.
macro_rules! insert_into {
    ($table:literal: $n:literal $column:literal $type:literal $(, $ns:literal $columns:literal $types:literal)* $(,)?) => {
        $crate::engine::Insert {
            one: concat!(
                "insert into ", $table, " (", $column $(, ", ", $columns)*, ") values ($", $n $(, ", $", $ns)*, ")"
            ),
            many: concat!(
                "insert into ", $table, " (", $column $(, ", ", $columns)*, ") select * from unnest(cast($", $n,
                " as ", $type, "[])" $(, ", cast($", $ns, " as ", $types, "[])")*, ")"
            ),
        }
    };
}
pub(crate) use insert_into;

/// A statement as it goes to PostgreSQL, and how many of the caller's it stands for.
pub(super) struct Merged<'a> {
    pub(super) sql: &'static str,
    pub(super) args: Cow<'a, [Value]>,
    pub(super) rows: usize,
}

/// The same statements in the same order, neighbours that insert into one table made one.
pub(super) fn merge(statements: &[Statement]) -> Vec<Merged<'_>> {
    let same = |a: &Statement, b: &Statement| a.many.is_some() && a.many == b.many;
    let merged = statements.chunk_by(same).map(|run| match run {
        [first, _, ..] if let Some(many) = first.many => {
            let value = |row: &Statement, at| row.args.get(at).cloned().unwrap_or(Value::Null);
            let column = |at| Value::List(run.iter().map(|row| value(row, at)).collect());
            Merged { sql: many, args: (0..first.args.len()).map(column).collect(), rows: run.len() }
        }
        run => Merged {
            sql: run.first().map_or("", |it| it.sql),
            args: run.first().map_or(Cow::Borrowed(&[][..]), |it| Cow::Borrowed(it.args.as_slice())),
            rows: 1,
        },
    });
    merged.collect()
}
