//! Signed links: a label, a barcode or a tracking page that opens without a key, for a while.
//!
//! A link says which page of which shipment of which clinic it opens and until when, and nothing about the patient.
//! It is bound to that by HMAC-SHA256 under a key derived from the master key, so that every process opens what any
//! of them signed and none need be stored.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nimbus_core::{
    event::ParcelLinks,
    ids::{ClinicId, ShipmentId},
    phi::Phi,
    time::Ts,
    words,
};
use nimbus_webhooks::schedule;
use uuid::Uuid;

/// How long labels and barcodes open, unless settings say otherwise.
pub const LABEL_HOURS: u32 = 72;
/// The longest that settings may choose, in hours: a label is of no use after it.
pub const LONGEST_LABEL_HOURS: u32 = 30 * 24;
/// How long a tracking page opens, in days: longer than any parcel is on its way.
const TRACKING_DAYS: i64 = 30;
const HOUR_SECONDS: i64 = 3600;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;
const VERSION: u8 = 1;
/// Version, kind, clinic, shipment, and the end in seconds since 1970.
const CLAIM_LEN: usize = 1 + 1 + 16 + 16 + 8;
/// The longest text that is looked at; a token has 99 characters.
const LONGEST_TOKEN: usize = 128;

words! {
    /// What a link opens.
    pub enum LinkKind {
        Label = "label",
        Barcode = "barcode",
        Tracking = "tracking",
    }
}

impl LinkKind {
    const fn code(self) -> u8 {
        match self {
            Self::Label => 1,
            Self::Barcode => 2,
            Self::Tracking => 3,
        }
    }
}

/// Whether labels that open for so many hours outlive the last retry of the event that brings their link.
pub const fn outlives_retries(hours: u32) -> bool {
    hours as i64 * HOUR_SECONDS * 1000 > schedule::longest_ms()
}

/// A link that holds: what it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    pub kind: LinkKind,
    pub clinic: ClinicId,
    pub shipment: ShipmentId,
}

/// Makes links and tells which hold.
pub struct Links {
    key: hmac::Key,
    /// Scheme and host, without a slash at the end.
    base: String,
    label_seconds: i64,
}

impl Links {
    pub(crate) fn new(key: &[u8; 32], base: &str, label_hours: u32) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            base: base.trim_end_matches('/').to_owned(),
            label_seconds: i64::from(label_hours) * HOUR_SECONDS,
        }
    }

    /// The links to a shipment's label and barcode.
    pub fn of_parcel(&self, clinic: ClinicId, shipment: ShipmentId, now: Ts) -> ParcelLinks {
        let until = self.end_of_label(now);
        let link = |kind, file: &str| {
            let token = self.sign(Opened { kind, clinic, shipment }, until);
            Phi::new(format!("{}/links/{token}/{file}", self.base))
        };
        ParcelLinks {
            label: link(LinkKind::Label, "label.pdf"),
            barcode: link(LinkKind::Barcode, "barcode.png"),
        }
    }

    /// The link to a shipment's tracking page.
    pub fn of_tracking(&self, clinic: ClinicId, shipment: ShipmentId, now: Ts) -> String {
        let until = rounded_up(now.seconds(), DAY_SECONDS) + TRACKING_DAYS * DAY_SECONDS;
        let token = self.sign(Opened { kind: LinkKind::Tracking, clinic, shipment }, until);
        format!("{}/track/{token}", self.base)
    }

    /// By the hour, so that a shipment which has not changed reads the same for that long.
    fn end_of_label(&self, now: Ts) -> i64 {
        rounded_up(now.seconds(), HOUR_SECONDS) + self.label_seconds
    }

    fn sign(&self, opened: Opened, until: i64) -> String {
        let mut token = Vec::with_capacity(CLAIM_LEN + 32);
        token.extend([VERSION, opened.kind.code()]);
        token.extend(opened.clinic.0.as_bytes());
        token.extend(opened.shipment.0.as_bytes());
        token.extend(until.to_be_bytes());
        let tag = hmac::sign(&self.key, &token);
        token.extend(tag.as_ref());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// What a token opens; `None` for one that is not ours, was changed, is of another kind or has run out: nobody is
    /// told which.
    pub fn open(&self, token: &str, kind: LinkKind, now: Ts) -> Option<Opened> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (claim, tag) = bytes.split_at_checked(CLAIM_LEN)?;
        hmac::verify(&self.key, claim, tag).ok()?;
        let (head, rest) = claim.split_at(2);
        let until = i64::from_be_bytes(rest[32..].try_into().ok()?);
        let opened = Opened {
            kind,
            clinic: ClinicId(Uuid::from_slice(&rest[..16]).ok()?),
            shipment: ShipmentId(Uuid::from_slice(&rest[16..32]).ok()?),
        };
        (head == [VERSION, kind.code()] && now.seconds() < until).then_some(opened)
    }
}

fn rounded_up(seconds: i64, unit: i64) -> i64 {
    seconds.div_euclid(unit) * unit + if seconds.rem_euclid(unit) == 0 { 0 } else { unit }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Ts = Ts::from_micros(1_736_937_000_000_000);

    fn links() -> Links {
        Links::new(&[7; 32], "https://api.example.com/", LABEL_HOURS)
    }

    fn ids() -> (ClinicId, ShipmentId) {
        (ClinicId(Uuid::from_u128(1)), ShipmentId(Uuid::from_u128(2)))
    }

    fn token() -> String {
        let (clinic, shipment) = ids();
        let link = links().of_parcel(clinic, shipment, AT).label.into_inner();
        let token = link.strip_prefix("https://api.example.com/links/").unwrap();
        token.strip_suffix("/label.pdf").unwrap().to_owned()
    }

    #[test]
    fn a_link_opens_what_it_was_made_for_until_it_runs_out() {
        let ((clinic, shipment), links, token) = (ids(), links(), token());
        let opened = Opened { kind: LinkKind::Label, clinic, shipment };
        assert_eq!(links.open(&token, LinkKind::Label, AT), Some(opened));
        assert_eq!(links.open(&token, LinkKind::Label, AT.plus_seconds(72 * 3600 - 1)), Some(opened));
        assert_eq!(links.open(&token, LinkKind::Label, AT.plus_seconds(73 * 3600)), None);
        for kind in [LinkKind::Barcode, LinkKind::Tracking] {
            assert_eq!(links.open(&token, kind, AT), None, "{kind}");
        }
    }

    #[test]
    fn a_changed_token_opens_nothing() {
        let (links, token) = (links(), token());
        let letters: Vec<char> = token.chars().collect();
        for at in 0..letters.len() {
            for other in ['A', 'B', '_'] {
                let mut changed = letters.clone();
                changed[at] = other;
                let changed: String = changed.into_iter().collect();
                if changed != token {
                    assert_eq!(links.open(&changed, LinkKind::Label, AT), None, "at {at}");
                }
            }
        }
        for length in 0..token.len() {
            assert_eq!(links.open(&token[..length], LinkKind::Label, AT), None);
        }
        for other in [format!("{token}A"), format!("{token}=="), "\u{141}".repeat(60), "A".repeat(5000)] {
            assert_eq!(links.open(&other, LinkKind::Label, AT), None);
        }
        assert_eq!(Links::new(&[8; 32], "", LABEL_HOURS).open(&token, LinkKind::Label, AT), None);
    }

    #[test]
    fn links_stay_the_same_within_the_hour() {
        let (clinic, shipment) = ids();
        let at = |seconds| links().of_parcel(clinic, shipment, AT.plus_seconds(seconds));
        // AT is half past the hour.
        assert_eq!(at(0), at(1799));
        assert_ne!(at(0), at(1801));
        let tracking = |seconds| links().of_tracking(clinic, shipment, AT.plus_seconds(seconds));
        assert_eq!(tracking(0), tracking(7200));
    }

    #[test]
    fn labels_open_longer_than_their_event_is_retried() {
        assert!(outlives_retries(LABEL_HOURS));
        assert!(outlives_retries(44) && !outlives_retries(43), "the schedule has become another");
    }
}
