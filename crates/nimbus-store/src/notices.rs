//! Notices: keys and agreements that end soon, told once for each step before their end.

use nimbus_core::{
    ids::{ClinicId, KeyId, NoticeId, PartnerId},
    time::{Date, Ts},
    words,
};
use uuid::Uuid;

use crate::{
    engine::{Row, Tx},
    error::Result,
    page::{Page, Slice},
    rows::word,
    tenants::{Baa, baa_columns, read_baa},
};

words! {
    /// What ends.
    pub enum NoticeKind {
        Key = "key",
        Agreement = "baa",
    }
}

/// Something that ends soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    pub kind: NoticeKind,
    /// The key, or the agreement.
    pub subject_id: Uuid,
    pub partner_id: PartnerId,
    pub clinic_id: Option<ClinicId>,
    /// When it no longer works; wall time.
    pub ends_at: Ts,
}

/// What was told of it, and how it stands by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub id: NoticeId,
    pub ending: Ending,
    pub partner_name: String,
    /// Of a key.
    pub key_name: Option<String>,
    pub key_prefix: Option<String>,
    /// So many days before the end, at most.
    pub days: i64,
    pub created_at: Ts,
    /// A key that still ends then, with nothing in its place.
    pub is_key_open: bool,
    /// The last day of an agreement, as it is now.
    pub baa_ends_on: Option<Date>,
}

/// Keys that end within a time and of which that was not told for so many days, the first to end first, at most so many.
/// One that is revoked or has a successor ends because somebody wants it.
pub async fn keys_ending(
    tx: &mut Tx,
    (after, until): (Ts, Ts),
    days: i64,
    limit: i64,
) -> Result<Vec<Ending>> {
    let sql = "select k.id, k.clinic_id, c.partner_id, k.expires_at
        from api_keys k join clinics c on c.id = k.clinic_id
        where k.expires_at > $1 and k.expires_at <= $2 and k.expires_at is not null and k.revoked_at is null
            and k.successor_id is null and c.deleted_at is null
            and not exists (select 1 from notices n
                where n.subject_id = k.id and n.ends_at = k.expires_at and n.days = $3)
        order by k.expires_at, k.id limit $4";
    let read = |row: &Row| {
        let mut columns = row.columns();
        let (id, clinic): (KeyId, ClinicId) = (columns.take()?, columns.take()?);
        Ok(Ending {
            kind: NoticeKind::Key,
            subject_id: id.0,
            clinic_id: Some(clinic),
            partner_id: columns.take()?,
            ends_at: columns.take()?,
        })
    };
    let args = [after.into(), until.into(), days.into(), limit.into()];
    tx.query(sql, &args).await?.iter().map(read).collect()
}

/// The agreements that end on one of these days, the first to end first, 1,000 at most: a partner has few.
pub async fn baas_ending(tx: &mut Tx, from: Date, until: Date) -> Result<Vec<Baa>> {
    let sql = concat!(
        "select ",
        baa_columns!(),
        " from baas where ends_on >= $1 and ends_on <= $2 and ends_on is not null order by ends_on, id limit 1000"
    );
    tx.query(sql, &[from.into(), until.into()]).await?.iter().map(read_baa).collect()
}

/// Tells of something, unless that was done; whether it was not.
pub async fn notice_insert(tx: &mut Tx, id: NoticeId, ending: &Ending, days: i64, now: Ts) -> Result<bool> {
    let sql = "insert into notices (id, kind, subject_id, partner_id, clinic_id, days, ends_at, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (subject_id, ends_at, days) do nothing";
    let args = [
        id.into(),
        ending.kind.as_str().into(),
        ending.subject_id.into(),
        ending.partner_id.into(),
        ending.clinic_id.into(),
        days.into(),
        ending.ends_at.into(),
        now.into(),
    ];
    Ok(tx.execute(sql, &args).await? == 1)
}

/// What was told, newest first.
pub async fn notice_page(tx: &mut Tx, kind: Option<NoticeKind>, page: &Page) -> Result<Slice<Notice>> {
    let sql = "select n.id, n.kind, n.subject_id, n.partner_id, n.clinic_id, n.ends_at, p.name, k.name, k.prefix,
            n.days, n.created_at, coalesce(
                k.revoked_at is null and k.successor_id is null and k.expires_at = n.ends_at, false), b.ends_on
        from notices n join partners p on p.id = n.partner_id
            left join api_keys k on k.clinic_id = n.clinic_id and k.id = n.subject_id
            left join baas b on b.partner_id = n.partner_id and b.id = n.subject_id
        where n.id < $2 and (n.created_at >= $3 and n.created_at < $4 and n.created_at >= $5
                and n.created_at < $6) is true
            and (n.kind = $7 or $7 is null)
        order by n.id desc limit $1";
    let rows = tx.query(sql, &page.args_any([kind.map(NoticeKind::as_str).into()])).await?;
    Ok(page.slice_plain(rows.iter().map(read).collect::<Result<_>>()?, |notice| notice.id.0))
}

fn read(row: &Row) -> Result<Notice> {
    let mut columns = row.columns();
    let id = columns.take()?;
    let kind = word(&columns.take::<String>()?, NoticeKind::parse, "notices.kind")?;
    let ending = Ending {
        kind,
        subject_id: columns.take()?,
        partner_id: columns.take()?,
        clinic_id: columns.take()?,
        ends_at: columns.take()?,
    };
    Ok(Notice {
        id,
        ending,
        partner_name: columns.take()?,
        key_name: columns.take()?,
        key_prefix: columns.take()?,
        days: columns.take()?,
        created_at: columns.take()?,
        is_key_open: columns.take()?,
        baa_ends_on: columns.take()?,
    })
}
