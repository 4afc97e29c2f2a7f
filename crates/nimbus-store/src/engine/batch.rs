//! Inserting many rows of one table: on PostgreSQL one statement for all of them, because there each statement costs
//! more than a row; on SQLite one after the other, because there it does not.

use std::{borrow::Cow, sync::OnceLock};

use super::{tx::Statement, value::Value};

/// An insert into one table, in the text of each engine.
#[derive(Debug)]
pub(crate) struct Insert {
    /// One row; its columns are the arguments.
    pub(crate) one: &'static str,
    /// As many rows as the arguments, which are columns, have values.
    pub(crate) many: &'static str,
    /// The insert whose rows go in the same statement, if they come right after this one's.
    pub(crate) with: Option<&'static With>,
}

/// An insert that goes with another one before it.
#[derive(Debug)]
pub(crate) struct With {
    many: &'static str,
    /// Both in one statement: the arguments of the one, then of the other.
    both: OnceLock<String>,
}

impl With {
    pub(crate) const fn new(next: &Insert) -> Self {
        Self { many: next.many, both: OnceLock::new() }
    }

    /// The text for both after `first`, which has so many arguments.
    fn after(&'static self, first: &str, arguments: usize) -> &'static str {
        self.both.get_or_init(|| format!("with first as ({first}) {}", renumbered(self.many, arguments)))
    }
}

/// A text whose arguments come after so many others.
fn renumbered(sql: &str, by: usize) -> String {
    let mut parts = sql.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let number = part[..digits].parse::<usize>().unwrap_or_default() + by;
        text += &format!("${number}{}", &part[digits..]);
    }
    text
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
            with: None,
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

/// The same statements in the same order, neighbours that insert into one table made one, and two such that go together.
pub(super) fn merge(statements: &[Statement]) -> Vec<Merged<'_>> {
    let same = |a: &Statement, b: &Statement| match (a.insert, b.insert) {
        (Some(a), Some(b)) => a.many == b.many,
        _ => false,
    };
    let mut merged = Vec::with_capacity(statements.len());
    let mut runs = statements.chunk_by(same).peekable();
    while let Some(run) = runs.next() {
        let Some((first, insert)) = run.first().and_then(|first| Some((first, first.insert?))) else {
            merged.extend(run.iter().map(alone));
            continue;
        };
        let follows = |next: &&[Statement]| {
            let next = next.first().and_then(|next| next.insert);
            insert.with.zip(next).is_some_and(|(with, next)| with.many == next.many)
        };
        if let (Some(with), Some(next)) = (insert.with, runs.next_if(follows)) {
            merged.push(Merged {
                sql: with.after(insert.many, first.args.len()),
                args: columns(run).chain(columns(next)).collect(),
                rows: run.len() + next.len(),
            });
        } else if run.len() == 1 {
            merged.push(alone(first));
        } else {
            merged.push(Merged { sql: insert.many, args: columns(run).collect(), rows: run.len() });
        }
    }
    merged
}

fn alone(statement: &Statement) -> Merged<'_> {
    Merged { sql: statement.sql, args: Cow::Borrowed(&statement.args), rows: 1 }
}

/// Rows turned into columns.
fn columns(rows: &[Statement]) -> impl Iterator<Item = Value> {
    let value = |row: &Statement, at| row.args.get(at).cloned().unwrap_or(Value::Null);
    let width = rows.first().map_or(0, |first| first.args.len());
    (0..width).map(move |at| Value::List(rows.iter().map(|row| value(row, at)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Insert = insert_into!("b": 1 "x" "bigint", 2 "y" "text");
    static WITH_SECOND: With = With::new(&SECOND);
    static FIRST: Insert = Insert { with: Some(&WITH_SECOND), ..insert_into!("a": 1 "x" "bigint") };

    fn first() -> Statement {
        Statement::row(&FIRST, vec![1i64.into()])
    }

    fn second() -> Statement {
        Statement::row(&SECOND, vec![2i64.into(), "y".into()])
    }

    fn sent(statements: &[Statement]) -> Vec<(&'static str, usize)> {
        merge(statements).iter().map(|merged| (merged.sql, merged.rows)).collect()
    }

    #[test]
    fn rows_of_two_tables_that_go_together_are_one_statement() {
        let together = [first(), second(), second()];
        let merged = merge(&together);
        assert_eq!(
            merged[0].sql,
            "with first as (insert into a (x) select * from unnest(cast($1 as bigint[]))) \
             insert into b (x, y) select * from unnest(cast($2 as bigint[]), cast($3 as text[]))"
        );
        assert_eq!((merged.len(), merged[0].rows, merged[0].args.len()), (1, 3, 3));
    }

    #[test]
    fn others_stay_apart() {
        let other = || Statement::new("select 1", Vec::new());
        assert_eq!(sent(&[first(), other(), second()]), [(FIRST.one, 1), ("select 1", 1), (SECOND.one, 1)]);
        assert_eq!(sent(&[second(), second(), first()]), [(SECOND.many, 2), (FIRST.one, 1)]);
        assert_eq!(sent(&[other(), other()]), [("select 1", 1), ("select 1", 1)]);
    }
}
