//! The database of one run: a folder for SQLite, a database made and dropped on a PostgreSQL server.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rusqlite::{Connection, OpenFlags};

use crate::{Failure, options::Engine};

/// Every table but the partitioned parents, whose rows are their partitions'.
const POSTGRES_ROWS: &str = "select format('select count(*) from %I.%I', n.nspname, c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname = 'public' \\gexec
";

pub(crate) enum Database {
    Sqlite {
        path: PathBuf,
    },
    Postgres {
        server: String,
        name: String,
        /// The URL of the database `name`.
        url: String,
    },
}

impl Database {
    /// An empty one; `folder` is the server's data folder.
    pub(crate) fn fresh(engine: &Engine, folder: &Path) -> Result<Self, Failure> {
        let server = match engine {
            Engine::Sqlite => return Ok(Self::Sqlite { path: folder.join("nimbus.db") }),
            Engine::Postgres(server) => server.clone(),
        };
        let name = format!("nimbus_bench_{}", std::process::id());
        let url = with_database(&server, &name).ok_or("--database-url must be postgres://host/database")?;
        psql(&server, &format!("drop database if exists {name} with (force);\n"))?;
        let locale = "template template0 lc_collate 'C' lc_ctype 'C' encoding 'UTF8'";
        psql(&server, &format!("create database {name} {locale};\n"))?;
        Ok(Self::Postgres { server, name, url })
    }

    pub(crate) fn url(&self) -> Option<&str> {
        match self {
            Self::Sqlite { .. } => None,
            Self::Postgres { url, .. } => Some(url),
        }
    }

    /// The rows of all tables.
    pub(crate) fn count_rows(&self) -> Result<u64, Failure> {
        match self {
            Self::Sqlite { path } => sqlite_rows(path),
            Self::Postgres { url, .. } => {
                psql(url, POSTGRES_ROWS)?.lines().try_fold(0, |sum, line| Ok(sum + line.parse::<u64>()?))
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::Postgres { server, name, .. } = self
            && let Err(failure) = psql(server, &format!("drop database if exists {name} with (force);\n"))
        {
            eprintln!("the database {name} is left: {failure}");
        }
    }
}

fn sqlite_rows(path: &Path) -> Result<u64, Failure> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut tables = db.prepare("select name from sqlite_schema where type = 'table'")?;
    let names = tables.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut sum = 0;
    for name in names {
        let rows: i64 = db.query_row(&format!("select count(*) from \"{name}\""), [], |row| row.get(0))?;
        sum += u64::try_from(rows)?;
    }
    Ok(sum)
}

/// The same server's database `name`.
fn with_database(url: &str, name: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let authority = rest.split('/').next()?;
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{scheme}://{authority}/{name}{query}"))
}

/// Runs a script; answers its rows, one a line, without headings.
pub(crate) fn psql(url: &str, script: &str) -> Result<String, Failure> {
    let mut child = Command::new("psql")
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("psql: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(script.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("psql: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_url_is_replaced() {
        let check =
            |url, expect: Option<&str>| assert_eq!(with_database(url, "b").as_deref(), expect, "{url}");
        check("postgres://u:p@h:5432/a?sslmode=disable", Some("postgres://u:p@h:5432/b?sslmode=disable"));
        check("postgres://h", Some("postgres://h/b"));
        check("host=h", None);
    }
}
