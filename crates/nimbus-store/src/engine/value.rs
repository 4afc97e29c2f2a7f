//! Arguments of statements: plain values that either engine can bind.

use std::{error::Error as StdError, fmt};

use bytes::BytesMut;
use jiff::civil::Date;
use nimbus_core::{ids, time::Ts};
use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};
use uuid::Uuid;

/// 2000-01-01 in PostgreSQL's wire formats, counted from 1970.
pub(super) const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;
pub(super) const POSTGRES_EPOCH: Date = jiff::civil::date(2000, 1, 1);

/// One argument. On SQLite: a UUID is a 16-byte blob, a time an integer, a day and JSON are text.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Binds to a column of any type.
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    Uuid(Uuid),
    /// Microseconds since 1970 in UTC: `timestamptz` on PostgreSQL.
    Ts(i64),
    Date(Date),
    /// A JSON text: `jsonb` or `json` on PostgreSQL.
    Json(String),
    /// A column of many rows: an array on PostgreSQL; SQLite has none.
    List(Vec<Self>),
}

impl fmt::Debug for Value {
    /// The kind only: an argument may be patient data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool",
            Self::Int(_) => "Int",
            Self::Text(_) => "Text",
            Self::Bytes(_) => "Bytes",
            Self::Uuid(_) => "Uuid",
            Self::Ts(_) => "Ts",
            Self::Date(_) => "Date",
            Self::Json(_) => "Json",
            Self::List(_) => "List",
        })
    }
}

macro_rules! from {
    ($($type:ty, $value:ident => $made:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        }
    )*};
}

from! {
    bool, v => Value::Bool(v);
    i64, v => Value::Int(v);
    i32, v => Value::Int(i64::from(v));
    u16, v => Value::Int(i64::from(v));
    u32, v => Value::Int(i64::from(v));
    &str, v => Value::Text(v.to_owned());
    &String, v => Value::Text(v.clone());
    String, v => Value::Text(v);
    Vec<u8>, v => Value::Bytes(v);
    &[u8], v => Value::Bytes(v.to_vec());
    Uuid, v => Value::Uuid(v);
    Ts, v => Value::Ts(v.micros());
    Date, v => Value::Date(v);
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Runs a macro over every id type; a type missing here fails to compile where it is first bound.
macro_rules! each_id {
    ($apply:ident) => {
        $apply! {
            PartnerId ClinicId BaaId KeyId OpsTokenId PractitionerId PatientId PrescriptionId OrderId LineId
            HoldId ShipmentId ScanId RefillId EndpointId EventId DeliveryId AttemptId HistoryId AuditId JobId
            LabelPurchaseId LegalHoldId LicenseId LotId MoveId DecisionId ReplayId NoticeId UserId SessionId InvitationId PasskeyId
            ChallengeId BreakGlassId
        }
    };
}
pub(super) use each_id;

macro_rules! from_ids {
    ($($id:ident)*) => {$(
        impl From<ids::$id> for Value {
            fn from(id: ids::$id) -> Self {
                Self::Uuid(id.0)
            }
        }
    )*};
}
each_id!(from_ids);

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Bool(v) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*v))),
            Self::Int(v) | Self::Ts(v) => ToSqlOutput::Borrowed(ValueRef::Integer(*v)),
            Self::Text(v) | Self::Json(v) => ToSqlOutput::Borrowed(ValueRef::Text(v.as_bytes())),
            Self::Bytes(v) => ToSqlOutput::Borrowed(ValueRef::Blob(v)),
            Self::Uuid(v) => ToSqlOutput::Borrowed(ValueRef::Blob(v.as_bytes())),
            Self::Date(v) => ToSqlOutput::Owned(rusqlite::types::Value::Text(v.to_string())),
            Self::List(_) => {
                return Err(rusqlite::Error::ToSqlConversionFailure("a list does not bind".into()));
            }
        })
    }
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let unfit = || Err(format!("an argument of kind {self:?} does not bind to {ty}").into());
        match (self, ty) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Bool(v), &Type::BOOL) => v.to_sql(ty, out),
            (Self::Int(v), &Type::INT8) => v.to_sql(ty, out),
            (Self::Int(v), &Type::INT4) => i32::try_from(*v)?.to_sql(ty, out),
            (Self::Int(v), &Type::INT2) => i16::try_from(*v)?.to_sql(ty, out),
            (Self::Text(v), &Type::TEXT | &Type::VARCHAR | &Type::BPCHAR | &Type::NAME | &Type::UNKNOWN) => {
                v.to_sql(ty, out)
            }
            (Self::Json(v), &Type::JSONB) => {
                // jsonb's binary form is its version, 1, and the text.
                out.extend_from_slice(&[1]);
                out.extend_from_slice(v.as_bytes());
                Ok(IsNull::No)
            }
            (Self::Json(v), &Type::JSON | &Type::TEXT) => v.to_sql(ty, out),
            (Self::Bytes(v), &Type::BYTEA) => v.to_sql(ty, out),
            (Self::Uuid(v), &Type::UUID) => v.to_sql(ty, out),
            (Self::Ts(v), &Type::TIMESTAMPTZ) => {
                v.saturating_sub(POSTGRES_EPOCH_MICROS).to_sql(&Type::INT8, out)
            }
            (Self::Ts(v), &Type::INT8) => v.to_sql(ty, out),
            (Self::Date(v), &Type::DATE) => POSTGRES_EPOCH.until(*v)?.get_days().to_sql(&Type::INT4, out),
            (Self::List(v), ty) if matches!(ty.kind(), Kind::Array(_)) => v.to_sql(ty, out),
            _ => unfit(),
        }
    }

    /// Any: the check is in `to_sql`, where the kind is known, and a null binds to all.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
