//! Webhook endpoints of clinics. Secrets, static headers and keys are sealed.

use nimbus_core::{
    access::Scopes,
    ids::{ClinicId, EndpointId, KeyId},
    phi::Phi,
    time::Ts,
    words,
};

use crate::{
    engine::{Columns, Engine, Tx, Value},
    error::{Error, Result},
    keys,
    page::{Page, Slice, page_end_any, page_where_any},
    rows::{changed_one, list_rows, read_opt, word},
    seal::{ClinicKeys, SealedAt},
    tenants::{Gate, clinic_passes},
};

words! {
    /// Which vocabulary an endpoint reads.
    pub enum Shape {
        Partner = "partner",
        Orders = "orders",
    }

    /// Whether an endpoint is sent its events. Paused and disabled ones accumulate them.
    pub enum EndpointStatus {
        Active = "active",
        Paused = "paused",
        Disabled = "disabled",
        Deleted = "deleted",
    }

    /// What becomes of the events behind a dead-lettered one of an ordered endpoint.
    pub enum AfterDeadLetter {
        Skip = "skip",
        Hold = "hold",
    }

    /// What signs `webhook-signature`: a shared secret (`v1`) or a key pair (`v1a`).
    pub enum Signing {
        Hmac = "hmac",
        Ed25519 = "ed25519",
    }

    /// How much an endpoint is told: all, or ids and status only.
    pub enum Payload {
        Full = "full",
        Thin = "thin",
    }
}

/// A webhook endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub id: EndpointId,
    pub clinic_id: ClinicId,
    pub shape: Shape,
    pub url: String,
    pub event_types: Vec<String>,
    pub description: Option<String>,
    pub signing: Signing,
    /// `whsec_…`: it signs `webhook-signature` with [`Signing::Hmac`], and the older header always.
    pub secret: Phi<String>,
    /// `whsk_…`, while it signs with [`Signing::Ed25519`].
    pub key_pair: Option<Phi<String>>,
    /// The public half of the pair, `whpk_…`.
    pub public_key: Option<String>,
    /// What signed before and signs too until its time, newest first.
    pub retiring: Vec<Retiring>,
    pub send_api_key: bool,
    /// The key that registered it.
    pub key_id: Option<KeyId>,
    /// Sent with every delivery. Values may be credentials.
    pub headers: Phi<Vec<(String, String)>>,
    /// Whether events of one ordering key are sent one after the other.
    pub ordered: bool,
    pub after_dead_letter: AfterDeadLetter,
    pub rate_limit_per_second: Option<u32>,
    pub payload: Payload,
    /// Seconds from each attempt to the next; the published schedule, if it has none of its own.
    pub retry_schedule: Option<Vec<u32>>,
    pub status: EndpointStatus,
    pub disabled_reason: Option<String>,
    /// Since when everything fails; wall time.
    pub failing_since: Option<Ts>,
    pub version: i64,
    pub created_at: Ts,
    pub updated_at: Ts,
    pub deleted_at: Option<Ts>,
}

impl Endpoint {
    /// What signs `webhook-signature` at `now` (wall time): the current key first.
    pub fn signing_keys(&self, now: Ts) -> Vec<Phi<String>> {
        let current = match self.signing {
            Signing::Hmac => Some(&self.secret),
            Signing::Ed25519 => self.key_pair.as_ref(),
        };
        let retiring = self.retiring.iter().filter(|retiring| retiring.until > now);
        current.into_iter().chain(retiring.map(|retiring| &retiring.key)).cloned().collect()
    }
}

/// A key that another one has taken the place of, `whsec_…` or `whsk_…`.
#[derive(Debug, Clone, PartialEq)]
pub struct Retiring {
    pub key: Phi<String>,
    /// Wall time.
    pub until: Ts,
}

/// What fan-out needs to know of an endpoint.
#[derive(Debug, Clone)]
pub struct Subscription {
    pub endpoint_id: EndpointId,
    pub shape: Shape,
    pub event_types: Vec<String>,
    /// Those of the key that registered it; all, if none did.
    pub scopes: Scopes,
    pub status: EndpointStatus,
    pub ordered: bool,
    pub after_dead_letter: AfterDeadLetter,
    pub version: i64,
}

/// What sending needs to know of an endpoint.
#[derive(Debug, Clone)]
pub struct Target {
    pub endpoint_id: EndpointId,
    pub clinic_id: ClinicId,
    pub shape: Shape,
    pub url: String,
    /// What the older signature is made by.
    pub secret: Phi<String>,
    /// What signs `webhook-signature`: the current key first, then those that still do.
    pub keys: Vec<Phi<String>>,
    pub headers: Phi<Vec<(String, String)>>,
    /// Only if it is to be sent and the key is neither revoked nor expired.
    pub api_key: Option<Phi<String>>,
    pub ordered: bool,
    pub after_dead_letter: AfterDeadLetter,
    pub rate_limit_per_second: Option<u32>,
    pub payload: Payload,
    pub retry_schedule: Option<Vec<u32>>,
    pub status: EndpointStatus,
    pub failing_since: Option<Ts>,
    /// Another one means that its owner has changed it.
    pub version: i64,
}

// The clinic stands first, as `read_rows` asks.
macro_rules! columns {
    () => {
        "clinic_id, id, shape, url, event_types, description, secret, previous_secret, previous_secret_until,
         send_api_key, key_id, headers, after_dead_letter, status, disabled_reason, failing_since, version,
         created_at, updated_at, deleted_at, ordered, rate_limit_per_second, payload, retry_schedule, signing,
         key_pair, public_key, retiring"
    };
}

const fn at(column: &'static str, id: EndpointId) -> SealedAt {
    SealedAt { table: "webhook_endpoints", column, row: id.0 }
}

fn text(bytes: Vec<u8>, column: &'static str) -> Result<Phi<String>> {
    String::from_utf8(bytes).map(Phi::new).map_err(|_| Error::Corrupt(column))
}

fn read_headers(
    keys: &ClinicKeys,
    id: EndpointId,
    sealed: Option<Vec<u8>>,
) -> Result<Phi<Vec<(String, String)>>> {
    let Some(sealed) = sealed else { return Ok(Phi::default()) };
    let plain = keys.open(at("headers", id), &sealed)?;
    serde_json::from_slice(&plain).map(Phi::new).map_err(|_| Error::Corrupt("webhook_endpoints.headers"))
}

/// Keys and the microseconds at which each retires, as they are sealed.
fn read_retiring(keys: &ClinicKeys, id: EndpointId, sealed: Option<Vec<u8>>) -> Result<Vec<Retiring>> {
    let Some(sealed) = sealed else { return Ok(Vec::new()) };
    let plain = keys.open(at("retiring", id), &sealed)?;
    let listed: Vec<(String, i64)> =
        serde_json::from_slice(&plain).map_err(|_| Error::Corrupt("webhook_endpoints.retiring"))?;
    let read = |(key, until)| Retiring { key: Phi::new(key), until: Ts::from_micros(until) };
    Ok(listed.into_iter().map(read).collect())
}

fn seal_retiring(keys: &ClinicKeys, id: EndpointId, retiring: &[Retiring]) -> Option<Vec<u8>> {
    let listed: Vec<(&str, i64)> =
        retiring.iter().map(|it| (it.key.expose().as_str(), it.until.micros())).collect();
    // A list of texts and numbers always has a JSON text.
    (!listed.is_empty())
        .then(|| keys.seal(at("retiring", id), &serde_json::to_vec(&listed).unwrap_or_default()))
}

fn split(event_types: &str) -> Vec<String> {
    event_types.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The seconds between attempts, separated by a space.
fn read_schedule(text: &str) -> Result<Vec<u32>> {
    let seconds = text.split(' ').map(str::parse).collect::<std::result::Result<_, _>>();
    seconds.map_err(|_| Error::Corrupt("webhook_endpoints.retry_schedule"))
}

fn schedule_text(seconds: &[u32]) -> String {
    seconds.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

fn read_rate(limit: Option<i64>) -> Result<Option<u32>> {
    let limit = limit.map(u32::try_from).transpose();
    limit.map_err(|_| Error::Corrupt("webhook_endpoints.rate_limit_per_second"))
}

fn read(columns: &mut Columns<'_>, clinic_id: ClinicId, keys: &ClinicKeys) -> Result<Endpoint> {
    let id: EndpointId = columns.take()?;
    let shape = word(&columns.take::<String>()?, Shape::parse, "webhook_endpoints.shape")?;
    let (url, event_types): (String, String) = (columns.take()?, columns.take()?);
    let description = columns.take()?;
    let secret: Vec<u8> = columns.take()?;
    let previous: Option<Vec<u8>> = columns.take()?;
    let open = |column, sealed: &[u8]| text(keys.open(at(column, id), sealed)?, "webhook_endpoints.secret");
    let previous = previous.map(|sealed| open("previous_secret", &sealed)).transpose()?;
    let mut endpoint = Endpoint {
        id,
        clinic_id,
        shape,
        url,
        event_types: split(&event_types),
        description,
        secret: open("secret", &secret)?,
        // Rows that were last written before there were several have their one here.
        retiring: match (previous, columns.take()?) {
            (Some(key), Some(until)) => vec![Retiring { key, until }],
            _ => Vec::new(),
        },
        send_api_key: columns.take()?,
        key_id: columns.take()?,
        headers: read_headers(keys, id, columns.take()?)?,
        after_dead_letter: word(
            &columns.take::<String>()?,
            AfterDeadLetter::parse,
            "webhook_endpoints.after_dead_letter",
        )?,
        status: word(&columns.take::<String>()?, EndpointStatus::parse, "webhook_endpoints.status")?,
        disabled_reason: columns.take()?,
        failing_since: columns.take()?,
        version: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
        deleted_at: columns.take()?,
        ordered: columns.take()?,
        rate_limit_per_second: read_rate(columns.take()?)?,
        payload: word(&columns.take::<String>()?, Payload::parse, "webhook_endpoints.payload")?,
        retry_schedule: columns.take::<Option<String>>()?.as_deref().map(read_schedule).transpose()?,
        signing: word(&columns.take::<String>()?, Signing::parse, "webhook_endpoints.signing")?,
        key_pair: columns.take::<Option<Vec<u8>>>()?.map(|sealed| open("key_pair", &sealed)).transpose()?,
        public_key: columns.take()?,
    };
    endpoint.retiring.extend(read_retiring(keys, id, columns.take()?)?);
    Ok(endpoint)
}

/// The same, and whether its clinic's partner passes a gate.
fn read_with_gate(
    columns: &mut Columns<'_>,
    clinic_id: ClinicId,
    keys: &ClinicKeys,
) -> Result<(Endpoint, bool)> {
    let endpoint = read(columns, clinic_id, keys)?;
    Ok((endpoint, columns.take()?))
}

/// The values of a row, in the order of the columns.
async fn values(tx: &mut Tx, endpoint: &Endpoint) -> Result<Vec<Value>> {
    let keys = tx.keys(endpoint.clinic_id).await?;
    let seal = |column, secret: &Phi<String>| keys.seal(at(column, endpoint.id), secret.expose().as_bytes());
    let headers = endpoint.headers.expose();
    let headers = match headers.is_empty() {
        true => None,
        // A list of pairs of texts always has a JSON text.
        false => {
            Some(keys.seal(at("headers", endpoint.id), &serde_json::to_vec(headers).unwrap_or_default()))
        }
    };
    Ok(vec![
        endpoint.clinic_id.into(),
        endpoint.id.into(),
        endpoint.shape.as_str().into(),
        endpoint.url.as_str().into(),
        endpoint.event_types.join(" ").into(),
        endpoint.description.clone().into(),
        seal("secret", &endpoint.secret).into(),
        None::<Vec<u8>>.into(),
        None::<Ts>.into(),
        endpoint.send_api_key.into(),
        endpoint.key_id.into(),
        headers.into(),
        endpoint.after_dead_letter.as_str().into(),
        endpoint.status.as_str().into(),
        endpoint.disabled_reason.clone().into(),
        endpoint.failing_since.into(),
        endpoint.version.into(),
        endpoint.created_at.into(),
        endpoint.updated_at.into(),
        endpoint.deleted_at.into(),
        endpoint.ordered.into(),
        endpoint.rate_limit_per_second.into(),
        endpoint.payload.as_str().into(),
        endpoint.retry_schedule.as_deref().map(schedule_text).into(),
        endpoint.signing.as_str().into(),
        endpoint.key_pair.as_ref().map(|pair| seal("key_pair", pair)).into(),
        endpoint.public_key.clone().into(),
        seal_retiring(&keys, endpoint.id, &endpoint.retiring).into(),
    ])
}

pub async fn endpoint_insert(tx: &mut Tx, endpoint: &Endpoint) -> Result<()> {
    let sql = concat!(
        "insert into webhook_endpoints (",
        columns!(),
        ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
            $22, $23, $24, $25, $26, $27, $28)"
    );
    let values = values(tx, endpoint).await?;
    tx.execute(sql, &values).await.map(drop)
}

/// One endpoint that is not deleted.
pub async fn endpoint_get(tx: &mut Tx, clinic: ClinicId, id: EndpointId) -> Result<Option<Endpoint>> {
    let sql = concat!(
        "select ",
        columns!(),
        " from webhook_endpoints where clinic_id = $1 and id = $2 and deleted_at is null"
    );
    let row = tx.query_opt(sql, &[clinic.into(), id.into()]).await?;
    read_opt(tx, row, read).await
}

/// The clinic's endpoint of a shape at a URL, if it is not deleted.
pub async fn endpoint_by_url(
    tx: &mut Tx,
    clinic: ClinicId,
    shape: Shape,
    url: &str,
) -> Result<Option<Endpoint>> {
    let sql = concat!(
        "select ",
        columns!(),
        " from webhook_endpoints where clinic_id = $1 and shape = $2 and url = $3 and deleted_at is null"
    );
    let row = tx.query_opt(sql, &[clinic.into(), shape.as_str().into(), url.into()]).await?;
    read_opt(tx, row, read).await
}

/// Writes an endpoint that is still at the version given.
///
/// # Errors
/// [`Error::Conflict`] if it has changed meanwhile.
pub async fn endpoint_update(tx: &mut Tx, endpoint: &Endpoint) -> Result<()> {
    let sql = "update webhook_endpoints
        set shape = $3, url = $4, event_types = $5, description = $6, secret = $7, previous_secret = $8,
            previous_secret_until = $9, send_api_key = $10, key_id = $11, headers = $12, after_dead_letter = $13,
            status = $14, disabled_reason = $15, failing_since = $16, created_at = $18, updated_at = $19,
            deleted_at = $20, ordered = $21, rate_limit_per_second = $22, payload = $23, retry_schedule = $24,
            signing = $25, key_pair = $26, public_key = $27, retiring = $28,
            version = version + 1
        where clinic_id = $1 and id = $2 and version = $17";
    let values = values(tx, endpoint).await?;
    changed_one(tx.execute(sql, &values).await?)
}

/// The endpoints of a clinic that are not deleted, of one shape or of both, newest first.
pub async fn endpoint_list(
    tx: &mut Tx,
    clinic: ClinicId,
    shape: Option<Shape>,
    status: Option<EndpointStatus>,
    page: &Page,
) -> Result<Slice<Endpoint>> {
    let sql = concat!(
        "select ",
        columns!(),
        " from webhook_endpoints
          where clinic_id = $7 and (shape = $8 or $8 is null) and (status = $9 or $9 is null)
            and deleted_at is null and ",
        page_where_any!(),
        page_end_any!()
    );
    let (shape, status) = (shape.map(Shape::as_str), status.map(EndpointStatus::as_str));
    let rows = tx.query(sql, &page.args_any([clinic.into(), shape.into(), status.into()])).await?;
    list_rows(tx, rows, page, read).await
}

/// The endpoints of every clinic that are not deleted, newest first, for staff.
pub async fn endpoint_list_any(
    tx: &mut Tx,
    status: Option<EndpointStatus>,
    page: &Page,
) -> Result<Slice<Endpoint>> {
    macro_rules! list {
        ($status:literal) => {
            concat!(
                "select ",
                columns!(),
                " from webhook_endpoints where ",
                $status,
                "deleted_at is null and ",
                page_where_any!(),
                page_end_any!()
            )
        };
    }
    let rows = match status {
        Some(status) => tx.query(list!("status = $7 and "), &page.args_any([status.as_str().into()])).await?,
        None => tx.query(list!(""), &page.args_any([])).await?,
    };
    list_rows(tx, rows, page, read).await
}

macro_rules! subscriptions {
    ($tail:literal) => {
        concat!(
            "select e.id, e.shape, e.event_types, k.scopes, e.status, e.ordered, e.after_dead_letter, e.version
            from webhook_endpoints e left join api_keys k on k.id = e.key_id
            where e.clinic_id = $1 and e.deleted_at is null
            order by e.id",
            $tail
        )
    };
}

/// Who is to be told of a clinic's events. Nothing is unsealed for it. Whoever calls [`endpoint_hold`] on one of them
/// waits for this transaction to end, and this waits for them. SQLite has one writer.
pub async fn subscriptions(tx: &mut Tx, clinic: ClinicId) -> Result<Vec<Subscription>> {
    let sql = match tx.engine() {
        Engine::Sqlite => subscriptions!(""),
        Engine::Postgres => subscriptions!(" for key share of e"),
    };
    let rows = tx.query(sql, &[clinic.into()]).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = row.columns();
        let (endpoint_id, shape): (EndpointId, String) = (columns.take()?, columns.take()?);
        let (event_types, scopes): (String, Option<String>) = (columns.take()?, columns.take()?);
        let scopes = match scopes {
            Some(scopes) => word(&scopes, Scopes::parse, "api_keys.scopes")?,
            None => Scopes::all(),
        };
        found.push(Subscription {
            endpoint_id,
            shape: word(&shape, Shape::parse, "webhook_endpoints.shape")?,
            event_types: split(&event_types),
            scopes,
            status: word(&columns.take::<String>()?, EndpointStatus::parse, "webhook_endpoints.status")?,
            ordered: columns.take()?,
            after_dead_letter: word(
                &columns.take::<String>()?,
                AfterDeadLetter::parse,
                "webhook_endpoints.after_dead_letter",
            )?,
            version: columns.take()?,
        });
    }
    Ok(found)
}

/// Waits for the transactions that are writing events by what they have read of an endpoint, and has later ones wait for
/// this one: what it does to the endpoint's deliveries leaves none out.
pub async fn endpoint_hold(tx: &mut Tx, clinic: ClinicId, id: EndpointId) -> Result<()> {
    match tx.engine() {
        Engine::Sqlite => Ok(()),
        Engine::Postgres => {
            let sql = "select 1 from webhook_endpoints where clinic_id = $1 and id = $2 for update";
            tx.query(sql, &[clinic.into(), id.into()]).await.map(drop)
        }
    }
}

/// Since when an endpoint fails, or that it works again. Its version stays: this is no change of its owner's.
pub async fn endpoint_failing(
    tx: &mut Tx,
    clinic: ClinicId,
    id: EndpointId,
    since: Option<Ts>,
) -> Result<()> {
    let sql = "update webhook_endpoints set failing_since = $3 where clinic_id = $1 and id = $2";
    tx.execute(sql, &[clinic.into(), id.into(), since.into()]).await.map(drop)
}

/// Everything that sending to an endpoint needs, at `now` (wall time); deleted ones too. One whose clinic's partner does
/// not pass the gate now is paused: what it is to be sent waits.
pub async fn endpoint_target(tx: &mut Tx, id: EndpointId, now: Ts, gate: Gate) -> Result<Option<Target>> {
    let sql = concat!(
        "select ",
        columns!(),
        ", ",
        clinic_passes!("webhook_endpoints.clinic_id", "$2", "$3"),
        " from webhook_endpoints where id = $1"
    );
    let row = tx.query_opt(sql, &[id.into(), gate.asks_agreement(), now.date().into()]).await?;
    let Some((endpoint, passes)) = read_opt(tx, row, read_with_gate).await? else { return Ok(None) };
    let api_key = match endpoint.key_id.filter(|_| endpoint.send_api_key) {
        Some(key) => keys::key_secret(tx, endpoint.clinic_id, key, now).await?,
        None => None,
    };
    let keys = endpoint.signing_keys(now);
    Ok(Some(Target {
        endpoint_id: endpoint.id,
        clinic_id: endpoint.clinic_id,
        shape: endpoint.shape,
        url: endpoint.url,
        secret: endpoint.secret,
        keys,
        headers: endpoint.headers,
        api_key,
        ordered: endpoint.ordered,
        after_dead_letter: endpoint.after_dead_letter,
        rate_limit_per_second: endpoint.rate_limit_per_second,
        payload: endpoint.payload,
        retry_schedule: endpoint.retry_schedule,
        status: match endpoint.status {
            EndpointStatus::Active if !passes => EndpointStatus::Paused,
            status => status,
        },
        failing_since: endpoint.failing_since,
        version: endpoint.version,
    }))
}

/// Public keys that are listed at once.
pub const PUBLIC_KEYS_MAX: i64 = 10_000;

/// Writes the public keys by which an endpoint's signatures can be checked, and when each that retires does; those that
/// are not among them are no longer listed.
pub async fn public_keys_write(
    tx: &mut Tx,
    clinic: ClinicId,
    id: EndpointId,
    public_keys: &[(String, Option<Ts>)],
) -> Result<()> {
    let sql = "delete from webhook_public_keys where clinic_id = $1 and endpoint_id = $2";
    tx.execute(sql, &[clinic.into(), id.into()]).await?;
    for (key, retires_at) in public_keys {
        let sql = "insert into webhook_public_keys (clinic_id, endpoint_id, public_key, retires_at)
            values ($1, $2, $3, $4)";
        tx.execute(sql, &[clinic.into(), id.into(), key.as_str().into(), (*retires_at).into()]).await?;
    }
    Ok(())
}

/// The public keys of all clinics' endpoints, or of one endpoint, that sign at `now` (wall time), at most
/// [`PUBLIC_KEYS_MAX`]. They are public: it reads across clinics.
pub async fn public_keys_any(tx: &mut Tx, id: Option<EndpointId>, now: Ts) -> Result<Vec<String>> {
    let sql = "select public_key from webhook_public_keys
        where (endpoint_id = $1 or $1 is null) and (retires_at is null or retires_at > $2)
        order by endpoint_id, public_key limit $3";
    let rows = tx.query(sql, &[id.into(), now.into(), PUBLIC_KEYS_MAX.into()]).await?;
    rows.iter().map(|row| row.columns().take()).collect()
}

/// How many endpoints of a clinic are not deleted.
pub async fn endpoints_live(tx: &mut Tx, clinic: ClinicId) -> Result<i64> {
    let sql = "select count(*) from webhook_endpoints where clinic_id = $1 and deleted_at is null";
    tx.query_one(sql, &[clinic.into()]).await?.columns().take()
}
