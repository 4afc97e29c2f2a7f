//! Packs on record: a digest of each version, so that no pack is changed under a name by which it has decided.

use aws_lc_rs::digest::{Context, SHA256};
use nimbus_core::access::SystemActor;
use nimbus_store::{
    Tx,
    rules_packs::{
        PackOnRecord, rules_pack_has_decided, rules_pack_insert, rules_pack_list, rules_pack_replace,
    },
    tenants::clinic_clock_furthest,
};
use toml::{Table, Value};

use super::{Problem, Problems, Source, collect, read_one};
use crate::{App, actor::Call, error::Result as AppResult, unit::Cx};

/// What a pack's file says, in short, and where it names its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pack: PackOnRecord,
    file: String,
    line: usize,
}

/// The marks of packs.
///
/// # Errors
/// Everything that is wrong with one of them by itself.
pub fn marks(sources: &[Source]) -> Result<Vec<Mark>, Problems> {
    collect(sources.iter().map(|source| {
        let read = read_one(source)?;
        let pack = PackOnRecord {
            version: read.pack.version,
            digest: digest_of(&source.text),
            effective_from: read.pack.effective_from,
        };
        Ok(Mark { pack, file: source.file.clone(), line: read.version_line })
    }))
}

/// The packs that say something else than on record, of those that may have decided by now. Nothing is written.
pub async fn changed(app: &App, marks: Vec<Mark>) -> AppResult<Vec<Problem>> {
    let call = Call::system(SystemActor::CommandLine);
    app.read(&call, marks, |tx, cx, marks| {
        Box::pin(async move { Ok((changed_in(tx, cx, marks).await?, Vec::new())) })
    })
    .await
}

/// Puts the packs that a server starts with on record, unless one of them was changed: then nothing is written, and
/// these are the [`changed`] ones.
pub async fn keep(app: &App, marks: Vec<Mark>) -> AppResult<Vec<Problem>> {
    let call = Call::system(SystemActor::CommandLine);
    app.act(&call, marks, |tx, cx, marks| Box::pin(keep_in(tx, cx, marks))).await
}

async fn keep_in(tx: &mut Tx, cx: &Cx, marks: &[Mark]) -> AppResult<Vec<Problem>> {
    let problems = changed_in(tx, cx, marks).await?;
    if !problems.is_empty() {
        return Ok(problems);
    }
    for mark in marks {
        if rules_pack_insert(tx, &mark.pack, cx.wall).await? {
            continue;
        }
        // Another server may have put it there since.
        let problems = changed_in(tx, cx, std::slice::from_ref(mark)).await?;
        if !problems.is_empty() {
            return Ok(problems);
        }
        rules_pack_replace(tx, &mark.pack, cx.wall).await?;
    }
    Ok(problems)
}

async fn changed_in(tx: &mut Tx, cx: &Cx, marks: &[Mark]) -> AppResult<Vec<Problem>> {
    let on_record = rules_pack_list(tx).await?;
    let mut problems = Vec::new();
    for mark in marks {
        let before = on_record.iter().find(|pack| pack.version == mark.pack.version);
        let Some(before) = before.filter(|before| before.digest != mark.pack.digest) else { continue };
        if may_have_decided(tx, cx, before).await? {
            problems.push(mark.problem());
        }
    }
    Ok(problems)
}

/// A pack that has begun may have, by the clock that is furthest, and one that has not where it is the first of all.
async fn may_have_decided(tx: &mut Tx, cx: &Cx, pack: &PackOnRecord) -> AppResult<bool> {
    let latest = cx.ahead(clinic_clock_furthest(tx).await?).today;
    Ok(pack.effective_from <= latest || rules_pack_has_decided(tx, &pack.version).await?)
}

impl Mark {
    fn problem(&self) -> Problem {
        let reason = format!(
            "the pack {} is on record with other rules, and may have decided by them: put them back, and what is new \
             into a pack of another version",
            self.pack.version
        );
        Problem { file: self.file.clone(), line: self.line, reason }
    }
}

/// SHA-256 of the values of a document that could be read: comments, layout and the order of keys make no difference.
fn digest_of(text: &str) -> [u8; 32] {
    let table = text.parse::<Table>().unwrap_or_default();
    let mut context = Context::new(&SHA256);
    write(&Value::Table(table), &mut context);
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// Each value by its kind and length, so that no two documents are written alike.
fn write(value: &Value, into: &mut Context) {
    match value {
        Value::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            write_head('t', entries.len(), into);
            for (key, value) in entries {
                write_text('k', key, into);
                write(value, into);
            }
        }
        Value::Array(items) => {
            write_head('a', items.len(), into);
            items.iter().for_each(|item| write(item, into));
        }
        Value::String(text) => write_text('s', text, into),
        Value::Integer(number) => write_text('i', &number.to_string(), into),
        Value::Float(number) => write_text('f', &number.to_string(), into),
        Value::Boolean(boolean) => write_text('b', &boolean.to_string(), into),
        Value::Datetime(moment) => write_text('d', &moment.to_string(), into),
    }
}

fn write_text(kind: char, text: &str, into: &mut Context) {
    write_head(kind, text.len(), into);
    into.update(text.as_bytes());
}

fn write_head(kind: char, length: usize, into: &mut Context) {
    into.update(format!("{kind}{length}:").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::shipped_sources;

    #[test]
    fn a_digest_is_of_what_a_pack_says() {
        let shipped = shipped_sources().remove(0).text;
        let digest = digest_of(&shipped);
        let layout =
            shipped.replace("percent = 75", "# of a fill\npercent   =   75").replace("\n\n", "\n\n\n");
        assert_eq!(digest_of(&layout), digest);
        assert_eq!(digest_of("b = 2\na = 1\n"), digest_of("a = 1\nb = 2\n"));
        for (from, to) in [("percent = 75", "percent = 76"), ("has left the", "left the"), ("CFR", "USC")] {
            assert!(shipped.contains(from), "{from}");
            assert_ne!(digest_of(&shipped.replacen(from, to, 1)), digest, "{to}");
        }
        for (one, other) in [
            ("a = 1", "a = \"1\""),
            ("a = [\"b\", \"c\"]", "a = [\"bc\"]"),
            ("a = [[], []]", "a = [[[]]]"),
            ("a = \"b\"", "a = \"\"\nb = \"\""),
        ] {
            assert_ne!(digest_of(one), digest_of(other), "{one} {other}");
        }
    }
}
