//! Which tables a transaction changes. Builds with debug assertions keep it, so that whoever opens transactions can hold
//! them to a rule in every test.

use std::collections::BTreeSet;

/// Tables that a transaction has changed so far.
#[derive(Debug, Default)]
pub(super) struct Changed(BTreeSet<&'static str>);

impl Changed {
    /// Notes a statement that has changed something, or will at the commit.
    pub(super) fn note(&mut self, sql: &'static str) {
        self.0.extend(table(sql));
    }

    pub(super) fn tables(&self) -> &BTreeSet<&'static str> {
        &self.0
    }
}

/// The table that a statement changes, if it is not a query.
fn table(sql: &'static str) -> Option<&'static str> {
    let mut words =
        sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    loop {
        match words.next()? {
            "insert" | "delete" => return words.nth(1),
            "update" => return words.next(),
            "select" => return None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statements_table_is_found() {
        assert_eq!(table("insert into orders (id) values ($1)"), Some("orders"));
        assert_eq!(table("update orders set status = 'held' where id = $1"), Some("orders"));
        assert_eq!(table("\n  delete from holds where id = $1"), Some("holds"));
        assert_eq!(
            table("insert into keys (id) select id from others on conflict do update set id = 1"),
            Some("keys")
        );
        assert_eq!(table("select 1 from orders where status = 'update'"), None);
    }
}
