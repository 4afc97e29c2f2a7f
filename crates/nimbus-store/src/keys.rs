//! Credentials: the API keys of clinics and the operations tokens of staff. Both authenticate by SHA-256.

use nimbus_core::{
    access::{Environment, Role, Scopes},
    ids::{ClinicId, KeyId, OpsTokenId},
    network::Networks,
    phi::Phi,
    rate::KeyRates,
    time::{Date, Ts},
};

use crate::{
    documents::open_text,
    engine::{Columns, Row, Tx},
    error::{Error, Result},
    page::{Page, Slice, page_end_any, page_where_made},
    rows::word,
    seal::SealedAt,
    tenants::{Clinic, Partner, clinic_columns, partner_columns, read_clinic, read_partner},
};

/// An API key, without what authenticates it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub clinic_id: ClinicId,
    pub name: String,
    pub environment: Environment,
    /// The beginning of the key's text, by which people tell keys apart.
    pub prefix: String,
    pub scopes: Scopes,
    pub created_at: Ts,
    pub expires_at: Option<Ts>,
    pub revoked_at: Option<Ts>,
    pub last_used_at: Option<Ts>,
    /// What an admin has given it.
    pub rates: KeyRates,
    /// Where it works from.
    pub networks: Networks,
    /// The key that takes its place.
    pub successor_id: Option<KeyId>,
}

/// A key that somebody presented, with all that decides whether it works. It may be revoked or expired, its
/// clinic deleted, its partner not approved: the caller judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    pub key: Key,
    pub clinic: Clinic,
    pub partner: Partner,
    pub baa_in_force: bool,
}

/// An operations token, without what authenticates it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpsToken {
    pub id: OpsTokenId,
    pub name: String,
    pub roles: Vec<Role>,
    /// The one clinic that it reaches, where its role is of one clinic.
    pub clinic_id: Option<ClinicId>,
    pub created_at: Ts,
    pub expires_at: Option<Ts>,
    pub revoked_at: Option<Ts>,
}

/// Columns of `api_keys k`; `hash` and `secret` are never listed.
macro_rules! key_columns {
    () => {
        "k.id, k.clinic_id, k.name, k.environment, k.prefix, k.scopes, k.created_at, k.expires_at, k.revoked_at,
         k.last_used_at, k.reads_per_minute, k.writes_per_minute, k.networks, k.successor_id"
    };
}

macro_rules! token_columns {
    () => {
        "id, name, roles, clinic_id, created_at, expires_at, revoked_at"
    };
}

fn read_key(columns: &mut Columns<'_>) -> Result<Key> {
    Ok(Key {
        id: columns.take()?,
        clinic_id: columns.take()?,
        name: columns.take()?,
        environment: word(&columns.take::<String>()?, Environment::parse, "api_keys.environment")?,
        prefix: columns.take()?,
        scopes: word(&columns.take::<String>()?, Scopes::parse, "api_keys.scopes")?,
        created_at: columns.take()?,
        expires_at: columns.take()?,
        revoked_at: columns.take()?,
        last_used_at: columns.take()?,
        rates: KeyRates { reads: rate(columns)?, writes: rate(columns)? },
        networks: word(&columns.take::<String>()?, Networks::parse, "api_keys.networks")?,
        successor_id: columns.take()?,
    })
}

fn rate(columns: &mut Columns<'_>) -> Result<Option<u32>> {
    let rate = columns.take::<Option<i64>>()?.map(u32::try_from);
    rate.transpose().map_err(|_| Error::Corrupt("api_keys: requests a minute"))
}

fn read_token(row: &Row) -> Result<OpsToken> {
    let mut columns = row.columns();
    Ok(OpsToken {
        id: columns.take()?,
        name: columns.take()?,
        roles: roles(&columns.take::<String>()?)?,
        clinic_id: columns.take()?,
        created_at: columns.take()?,
        expires_at: columns.take()?,
        revoked_at: columns.take()?,
    })
}

fn roles(text: &str) -> Result<Vec<Role>> {
    text.split_whitespace().map(Role::parse).collect::<Option<_>>().ok_or(Error::Corrupt("ops_tokens.roles"))
}

/// Where the text of a key is sealed.
pub(crate) const fn secret_at(id: KeyId) -> SealedAt {
    SealedAt { table: "api_keys", column: "secret", row: id.0 }
}

/// Adds a key. `hash` is the SHA-256 of `secret`, the key's whole text, which is stored sealed.
///
/// # Errors
/// `Conflict` if there is a key of this hash.
pub async fn key_insert(tx: &mut Tx, key: &Key, hash: &[u8; 32], secret: &str) -> Result<()> {
    let keys = tx.keys(key.clinic_id).await?;
    let sql =
        "insert into api_keys (id, clinic_id, name, environment, prefix, scopes, created_at, expires_at,
            revoked_at, last_used_at, reads_per_minute, writes_per_minute, networks, successor_id, hash, secret)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    let args = [
        key.id.into(),
        key.clinic_id.into(),
        key.name.as_str().into(),
        key.environment.as_str().into(),
        key.prefix.as_str().into(),
        key.scopes.to_text().into(),
        key.created_at.into(),
        key.expires_at.into(),
        key.revoked_at.into(),
        key.last_used_at.into(),
        key.rates.reads.into(),
        key.rates.writes.into(),
        key.networks.to_text().into(),
        key.successor_id.into(),
        hash.as_slice().into(),
        keys.seal(secret_at(key.id), secret.as_bytes()).into(),
    ];
    tx.execute(sql, &args).await?;
    Ok(())
}

/// The newest 1,000 keys of a clinic, newest first, the revoked and expired ones too.
pub async fn key_list(tx: &mut Tx, clinic: ClinicId) -> Result<Vec<Key>> {
    let sql = concat!(
        "select ",
        key_columns!(),
        " from api_keys k where k.clinic_id = $1 order by k.id desc limit 1000"
    );
    tx.query(sql, &[clinic.into()]).await?.iter().map(|row| read_key(&mut row.columns())).collect()
}

/// The keys of a clinic, newest first, the revoked and expired ones too. When a key was used last is no change of it.
pub async fn key_page(tx: &mut Tx, clinic: ClinicId, page: &Page) -> Result<Slice<Key>> {
    let sql = concat!(
        "select ",
        key_columns!(),
        " from api_keys k where k.clinic_id = $7 and ",
        page_where_made!(),
        page_end_any!()
    );
    let rows = tx.query(sql, &page.args_any([clinic.into()])).await?;
    let keys = rows.iter().map(|row| read_key(&mut row.columns())).collect::<Result<_>>()?;
    Ok(page.slice_plain(keys, |key: &Key| key.id.0))
}

/// Revokes a key; whether there was one that was not revoked.
pub async fn key_revoke(tx: &mut Tx, clinic: ClinicId, id: KeyId, now: Ts) -> Result<bool> {
    let sql = "update api_keys set revoked_at = $3 where clinic_id = $1 and id = $2 and revoked_at is null";
    Ok(tx.execute(sql, &[clinic.into(), id.into(), now.into()]).await? == 1)
}

/// A key, whatever has become of it.
pub async fn key_get(tx: &mut Tx, clinic: ClinicId, id: KeyId) -> Result<Option<Key>> {
    let sql = concat!("select ", key_columns!(), " from api_keys k where k.clinic_id = $1 and k.id = $2");
    let row = tx.query_opt(sql, &[clinic.into(), id.into()]).await?;
    row.map(|row| read_key(&mut row.columns())).transpose()
}

/// The clinic of a key. For staff: it reads across clinics.
pub async fn key_clinic_any(tx: &mut Tx, id: KeyId) -> Result<Option<ClinicId>> {
    let row = tx.query_opt("select clinic_id from api_keys where id = $1", &[id.into()]).await?;
    row.map(|row| row.columns().take()).transpose()
}

/// Sets what a key may use; whether there is one.
pub async fn key_set_rates(tx: &mut Tx, clinic: ClinicId, id: KeyId, rates: KeyRates) -> Result<bool> {
    let sql =
        "update api_keys set reads_per_minute = $3, writes_per_minute = $4 where clinic_id = $1 and id = $2";
    let args = [clinic.into(), id.into(), rates.reads.into(), rates.writes.into()];
    Ok(tx.execute(sql, &args).await? == 1)
}

/// Sets where a key works from; whether there is one.
pub async fn key_set_networks(tx: &mut Tx, clinic: ClinicId, id: KeyId, networks: &Networks) -> Result<bool> {
    let sql = "update api_keys set networks = $3 where clinic_id = $1 and id = $2";
    Ok(tx.execute(sql, &[clinic.into(), id.into(), networks.to_text().into()]).await? == 1)
}

/// Notes that a key was used. Time does not go back: nodes may tell it late.
pub async fn key_touch(tx: &mut Tx, id: KeyId, now: Ts) -> Result<()> {
    let sql =
        "update api_keys set last_used_at = $2 where id = $1 and (last_used_at is null or last_used_at < $2)";
    tx.execute(sql, &[id.into(), now.into()]).await?;
    Ok(())
}

/// Keys that followed each other, of which the last one in force is looked for.
const SUCCESSIONS_MAX: usize = 32;

/// The text of the key that is sent where this one was asked for: of its successor from that one's first use on, or
/// from when the key ends, whichever comes first; none if that one is revoked or expired.
pub async fn key_secret(tx: &mut Tx, clinic: ClinicId, id: KeyId, now: Ts) -> Result<Option<Phi<String>>> {
    let sql = "select k.secret, k.revoked_at, k.expires_at, k.successor_id, s.last_used_at
        from api_keys k left join api_keys s on s.clinic_id = k.clinic_id and s.id = k.successor_id
        where k.clinic_id = $1 and k.id = $2";
    let mut id = id;
    for _ in 0..SUCCESSIONS_MAX {
        let Some(row) = tx.query_opt(sql, &[clinic.into(), id.into()]).await? else { return Ok(None) };
        let mut columns = row.columns();
        let secret = columns.take()?;
        let (revoked_at, expires_at): (Option<Ts>, Option<Ts>) = (columns.take()?, columns.take()?);
        let (successor, used_at): (Option<KeyId>, Option<Ts>) = (columns.take()?, columns.take()?);
        let has_ended = revoked_at.is_some() || expires_at.is_some_and(|at| at <= now);
        match successor.filter(|_| has_ended || used_at.is_some()) {
            Some(successor) => id = successor,
            None if has_ended => return Ok(None),
            None => return open_text(&*tx.keys(clinic).await?, secret_at(id), secret),
        }
    }
    Ok(None)
}

/// Lets another key take the place of one, which then works until `ends_at`. Whether it could: the key is neither
/// revoked nor has a successor.
pub async fn key_succeed(
    tx: &mut Tx,
    clinic: ClinicId,
    id: KeyId,
    successor: KeyId,
    ends_at: Ts,
) -> Result<bool> {
    let sql = "update api_keys set successor_id = $3, expires_at = $4
        where clinic_id = $1 and id = $2 and successor_id is null and revoked_at is null";
    let args = [clinic.into(), id.into(), successor.into(), ends_at.into()];
    Ok(tx.execute(sql, &args).await? == 1)
}

/// The key of this hash with its clinic and partner; `today` (a day of UTC) is for the agreement in force.
pub async fn key_authenticate(tx: &mut Tx, hash: &[u8; 32], today: Date) -> Result<Option<Authenticated>> {
    let sql = concat!(
        "select ",
        key_columns!(),
        ", ",
        clinic_columns!(),
        ", ",
        partner_columns!(),
        ", exists (
            select 1 from baas b
            where b.partner_id = p.id and b.effective_on <= $2 and (b.ends_on is null or b.ends_on >= $2))
          from api_keys k
          join clinics c on c.id = k.clinic_id
          join partners p on p.id = c.partner_id
          where k.hash = $1"
    );
    let Some(row) = tx.query_opt(sql, &[hash.as_slice().into(), today.into()]).await? else {
        return Ok(None);
    };
    let mut columns = row.columns();
    Ok(Some(Authenticated {
        key: read_key(&mut columns)?,
        clinic: read_clinic(&mut columns)?,
        partner: read_partner(&mut columns)?,
        baa_in_force: columns.take()?,
    }))
}

/// Adds an operations token. `hash` is the SHA-256 of its whole text, which is stored nowhere.
///
/// # Errors
/// `Conflict` if there is a token of this hash.
pub async fn ops_token_insert(tx: &mut Tx, token: &OpsToken, hash: &[u8; 32]) -> Result<()> {
    let sql = "insert into ops_tokens (id, name, roles, clinic_id, created_at, expires_at, revoked_at, hash)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    let roles = token.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" ");
    let args = [
        token.id.into(),
        token.name.as_str().into(),
        roles.into(),
        token.clinic_id.into(),
        token.created_at.into(),
        token.expires_at.into(),
        token.revoked_at.into(),
        hash.as_slice().into(),
    ];
    tx.execute(sql, &args).await?;
    Ok(())
}

/// The token of this hash. It may be revoked or expired: the caller judges.
pub async fn ops_token_authenticate(tx: &mut Tx, hash: &[u8; 32]) -> Result<Option<OpsToken>> {
    let sql = concat!("select ", token_columns!(), " from ops_tokens where hash = $1");
    tx.query_opt(sql, &[hash.as_slice().into()]).await?.as_ref().map(read_token).transpose()
}

/// The newest 1,000 tokens, newest first, the revoked and expired ones too.
pub async fn ops_token_list(tx: &mut Tx) -> Result<Vec<OpsToken>> {
    let sql = concat!("select ", token_columns!(), " from ops_tokens order by id desc limit 1000");
    tx.query(sql, &[]).await?.iter().map(read_token).collect()
}

/// Revokes a token; whether there was one that was not revoked.
pub async fn ops_token_revoke(tx: &mut Tx, id: OpsTokenId, now: Ts) -> Result<bool> {
    let sql = "update ops_tokens set revoked_at = $2 where id = $1 and revoked_at is null";
    Ok(tx.execute(sql, &[id.into(), now.into()]).await? == 1)
}

/// Revokes the tokens that reach one clinic alone.
pub async fn ops_tokens_revoke_of(tx: &mut Tx, clinic: ClinicId, now: Ts) -> Result<()> {
    let sql = "update ops_tokens set revoked_at = $2 where clinic_id = $1 and revoked_at is null";
    tx.execute(sql, &[clinic.into(), now.into()]).await.map(drop)
}
