//! Looking things up in the audit log: by the chain, which is searched by clinic and subject, and by the times that
//! checkpoints have.

use nimbus_core::{ids::ClinicId, time::Ts};
use uuid::Uuid;

use super::{
    AuditRow, Link,
    chain::{chain_head, read_link},
    read_columns,
    rows::count,
};
use crate::{
    engine::{Row, Statement, Tx, Value},
    error::Result,
};

/// Links that are looked at in one statement, and for one page: what is rare is found over several pages.
const CHUNK: usize = 500;
const LOOKED_AT_MAX: usize = 10_000;

/// What is looked for. All that is given must be so.
#[derive(Debug, Clone, Default)]
pub struct Search {
    pub clinic_id: Option<ClinicId>,
    pub subject_id: Option<Uuid>,
    pub subject: Option<String>,
    pub actor: Option<String>,
    pub action: Option<String>,
    pub request_id: Option<String>,
    /// Of this time or later.
    pub from: Option<Ts>,
    /// Of before this time.
    pub until: Option<Ts>,
    /// Only links before this one.
    pub before: Option<i64>,
    pub limit: u32,
}

impl Search {
    fn is_met_by(&self, row: &AuditRow) -> bool {
        let is = |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|wanted| wanted == text);
        self.clinic_id.is_none_or(|clinic| row.clinic_id == Some(clinic))
            && self.subject_id.is_none_or(|subject| row.subject_id == Some(subject))
            && is(&self.subject, &row.subject)
            && is(&self.actor, &row.actor)
            && is(&self.action, &row.action)
            && self.request_id.as_ref().is_none_or(|id| row.request_id.as_ref() == Some(id))
            && self.from.is_none_or(|from| row.at >= from)
            && self.until.is_none_or(|until| row.at < until)
    }
}

/// A link, and the row that it is of, if that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    pub link: Link,
    pub row: Option<AuditRow>,
}

/// A page of what was found, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub items: Vec<(i64, AuditRow)>,
    /// Where to go on. There may be more even where this page has few rows or none.
    pub before: Option<i64>,
}

/// A statement over the links `l` of a condition, each with its row `a`, in an order; `$3` is how many.
macro_rules! linked {
    ($condition:literal, $order:literal) => {
        concat!(
            "select l.sequence, l.position, l.audit_id, l.hash, l.clinic_id, l.subject_id,
                a.id, a.clinic_id, a.at, a.actor_kind, a.actor, a.action, a.subject, a.subject_id, a.request_id,
                a.address, a.reason
            from (select sequence, position, audit_id, hash, clinic_id, subject_id from audit_links where ",
            $condition,
            " order by sequence ",
            $order,
            " limit $3) l
            left join audit a on a.position = l.position and a.id = l.audit_id
            order by l.sequence ",
            $order
        )
    };
}

fn read_linked(row: &Row) -> Result<Linked> {
    let mut columns = row.columns();
    let link = read_link(&mut columns)?;
    // The columns of a row that is not there are null, and cannot be read.
    Ok(Linked { link, row: read_columns(&mut columns).ok() })
}

/// Links after one and up to another with their rows, in order, at most so many.
pub async fn linked_after(tx: &mut Tx, after: i64, until: i64, limit: usize) -> Result<Vec<Linked>> {
    let sql = linked!("sequence > $1 and sequence <= $2", "");
    let rows = tx.query(sql, &[after.into(), until.into(), count(limit).into()]).await?;
    rows.iter().map(read_linked).collect()
}

/// The links among which rows of a time are: after the first and up to the second, and those that were not signed yet,
/// after the third, if they have any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub after: i64,
    pub until: i64,
    pub unsigned_after: Option<i64>,
}

/// Finds where rows of a time are, by what checkpoints say of theirs.
pub async fn chain_range(tx: &mut Tx, from: Option<Ts>, until: Option<Ts>) -> Result<Range> {
    let head = chain_head(tx).await?;
    let first = "select coalesce(max(sequence), 0) from audit_checkpoints where sequence < coalesce(
            (select min(sequence) from audit_checkpoints where latest_at >= $1), $2)";
    let last = "select coalesce(max(sequence), 0) from audit_checkpoints where earliest_at < $1";
    let signed = "select coalesce(max(sequence), 0) from audit_checkpoints";
    let beyond = Value::from(i64::MAX);
    let from = from.unwrap_or(crate::page::EARLIEST);
    let until = until.unwrap_or(crate::page::LATEST);
    let queries = [
        Statement::new(first, vec![from.into(), beyond]),
        Statement::new(last, vec![until.into()]),
        Statement::new(signed, Vec::new()),
    ];
    let mut numbers = Vec::with_capacity(3);
    for rows in tx.query_all(&queries).await? {
        numbers.push(rows.first().map(|row| row.columns().take::<i64>()).transpose()?.unwrap_or(0));
    }
    let [after, last, signed] = [numbers[0], numbers[1], numbers[2]];
    let has_unsigned = head.times.is_some_and(|(earliest, latest)| latest >= from && earliest < until);
    Ok(Range { after, until: last, unsigned_after: has_unsigned.then_some(signed) })
}

/// Looks for rows that are linked, newest first: by their subject, else by their clinic, else through all.
pub async fn audit_search(tx: &mut Tx, search: &Search) -> Result<Found> {
    let range = chain_range(tx, search.from, search.until).await?;
    let limit = usize::try_from(search.limit.clamp(1, 100)).unwrap_or(1);
    let mut before = search.before.unwrap_or(i64::MAX);
    let (mut items, mut looked_at) = (Vec::new(), 0);
    while looked_at < LOOKED_AT_MAX {
        // What lies between the unsigned rows and the range is left out.
        let lowest = match range.unsigned_after {
            Some(signed) if before > signed + 1 => signed,
            _ => {
                before = before.min(range.until + 1);
                range.after
            }
        };
        let chunk = chunk(tx, search, before, lowest).await?;
        let is_last = chunk.len() < CHUNK;
        looked_at += CHUNK;
        for Linked { link, row } in chunk {
            before = link.sequence;
            if let Some(row) = row.filter(|row| search.is_met_by(row)) {
                items.push((link.sequence, row));
                if items.len() == limit {
                    return Ok(Found { items, before: Some(before).filter(|before| *before > 1) });
                }
            }
        }
        if is_last && lowest == range.after {
            return Ok(Found { items, before: None });
        }
        if is_last {
            before = before.min(lowest + 1);
        }
    }
    Ok(Found { items, before: Some(before) })
}

/// The next links, newest first.
async fn chunk(tx: &mut Tx, search: &Search, before: i64, lowest: i64) -> Result<Vec<Linked>> {
    let range = [Value::from(before), lowest.into(), count(CHUNK).into()];
    let (sql, own) = match (search.subject_id, search.clinic_id) {
        (Some(subject), _) => {
            (linked!("sequence < $1 and sequence > $2 and subject_id = $4", "desc"), Some(subject))
        }
        (None, Some(clinic)) => {
            (linked!("sequence < $1 and sequence > $2 and clinic_id = $4", "desc"), Some(clinic.0))
        }
        (None, None) => (linked!("sequence < $1 and sequence > $2", "desc"), None),
    };
    let args: Vec<Value> = range.into_iter().chain(own.map(Value::from)).collect();
    tx.query(sql, &args).await?.iter().map(read_linked).collect()
}
