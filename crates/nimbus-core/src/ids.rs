//! Every identifier of the platform, listed in one place: a typed 128-bit time-ordered id with two texts.
//!
//! The partner and operations APIs write an id as a UUID, the orders API as a prefix and 22 characters of
//! base62; either text is read wherever an id is accepted.

use std::{fmt, str::FromStr};

use uuid::Uuid;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE62_LEN: usize = 22;

/// The text is neither a UUID nor this kind's prefix with 22 characters of base62.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id")]
pub struct InvalidId;

/// 22 characters of base62, most significant first, so that text order is id order.
pub fn base62(value: u128) -> String {
    let mut rest = value;
    let mut text = [b'0'; BASE62_LEN];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    text.iter().map(|&byte| char::from(byte)).collect()
}

/// Reads [`base62`] back; `None` for another length, another character or a value over 128 bits.
pub fn from_base62(text: &str) -> Option<u128> {
    if text.len() != BASE62_LEN {
        return None;
    }
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = ALPHABET.iter().position(|&a| a == byte)?;
        value.checked_mul(62)?.checked_add(digit as u128)
    })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The prefix of this kind in the orders API, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// The orders API's text: the prefix, an underscore, 22 characters of base62.
            pub fn prefixed(self) -> String {
                format!(concat!($prefix, "_{}"), base62(self.0.as_u128()))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            /// Reads either text of the id.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if let Some(rest) = text.strip_prefix(concat!($prefix, "_")) {
                    return from_base62(rest).map(|value| Self(Uuid::from_u128(value))).ok_or(InvalidId);
                }
                match text.len() {
                    36 => Uuid::parse_str(text).map(Self).map_err(|_| InvalidId),
                    _ => Err(InvalidId),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.as_hyphenated())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.as_hyphenated())
            }
        }

        impl From<Uuid> for $name {
            fn from(value: Uuid) -> Self {
                Self(value)
            }
        }

        impl From<$name> for Uuid {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    )*};
}

ids! {
    /// A partner: the company that integrates.
    PartnerId "prt",
    /// A clinic: the tenant. Every row of patient data belongs to one.
    ClinicId "cli",
    /// A business associate agreement on record.
    BaaId "baa",
    /// An API key of a clinic.
    KeyId "key",
    /// An operations token of a staff member or a machine.
    OpsTokenId "opt",
    /// What staff are told of a key or an agreement that ends soon.
    NoticeId "ntc",
    /// An account of a member of staff.
    UserId "usr",
    /// A session of an account.
    SessionId "ses",
    /// What an account is opened with.
    InvitationId "inv",
    /// A passkey of an account.
    PasskeyId "psk",
    /// What a passkey is to sign.
    ChallengeId "chl",
    /// Access to patient data for a reason and a while.
    BreakGlassId "bgl",
    /// A practitioner, as one clinic knows them.
    PractitionerId "prc",
    /// A patient, as one clinic knows them.
    PatientId "pat",
    /// A prescription: one drug, one sig, quantity and refills.
    PrescriptionId "rx",
    /// A medication order: one fulfilment.
    OrderId "ord",
    /// A medication request: one line of an order, a fill of one prescription.
    LineId "mrq",
    /// A hold on a line of an order.
    HoldId "hld",
    /// A shipment: one parcel.
    ShipmentId "shp",
    /// A label that is bought; also the name by which its provider knows it.
    LabelPurchaseId "lbl",
    /// A scan of a parcel.
    ScanId "scn",
    /// A decision by the rules that is on record.
    DecisionId "dec",
    /// A refill request.
    RefillId "ref",
    /// A webhook endpoint.
    EndpointId "whk",
    /// An event, as one vocabulary tells it.
    EventId "evt",
    /// The sending of one event to one endpoint.
    DeliveryId "dlv",
    /// Deliveries of an endpoint that are sent again.
    ReplayId "rpl",
    /// One attempt of a delivery.
    AttemptId "att",
    /// One row of a history.
    HistoryId "his",
    /// A licence of the pharmacy in one state.
    LicenseId "lic",
    /// A legal hold on what there is of a clinic.
    LegalHoldId "lgh",
    /// A lot of a drug in stock.
    LotId "lot",
    /// One movement of stock.
    MoveId "mov",
    /// One row of the audit log.
    AuditId "aud",
    /// One piece of timed work.
    JobId "job",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_read_back() {
        let id = OrderId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
        assert_eq!(id.prefixed().len(), "ord_".len() + 22);
        assert_eq!(id.prefixed().parse(), Ok(id));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(OrderId(Uuid::max()).prefixed().parse(), Ok(OrderId(Uuid::max())));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "ord_", "pat_0000000000000000000000", "ord_zzzzzzzzzzzzzzzzzzzzzz", "1", "{x}"] {
            assert_eq!(text.parse::<OrderId>(), Err(InvalidId), "{text}");
        }
    }

    #[test]
    fn text_order_is_id_order() {
        assert!(base62(1) < base62(62) && base62(62) < base62(u128::MAX));
    }
}
