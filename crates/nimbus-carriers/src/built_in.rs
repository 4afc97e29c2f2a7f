//! The built-in label maker: tracking numbers in each carrier's own form, from a running number.
//!
//! A serial is taken from a counter within the transaction that uses it, so no number is ever given twice. The
//! numbers are the carrier's only if the account is: whoever ships with them registers it there.

use nimbus_core::identifiers::tracking::{TrackingFormat, TrackingNumber};

/// The accounts under which numbers are given: `None` where the pharmacy has none with the carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// The six letters or digits of a UPS shipper number.
    ups: Option<String>,
    /// Up to four digits that begin a FedEx number.
    fedex: Option<String>,
    /// The nine digits of a USPS Mailer ID.
    usps: Option<String>,
    /// Up to six letters or digits after `AMS` in an Ameriship number.
    ameriship: Option<String>,
}

/// A sandbox's accounts, which are nobody's, in the order of [`ACCOUNT_FORMS`].
pub const EXAMPLES: [&str; 4] = ["NIMBUS", "7900", "999999999", "NIMBUS"];
/// What is given in the place of an account that the pharmacy does not have.
pub const NO_ACCOUNT: &str = "none";

impl Default for Accounts {
    /// A sandbox's accounts, which are nobody's.
    fn default() -> Self {
        let [ups, fedex, usps, ameriship] = EXAMPLES.map(|example| Some(example.to_owned()));
        Self { ups, fedex, usps, ameriship }
    }
}

/// Why a number cannot be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    #[error("there is no such carrier or service")]
    Service,
    #[error("the pharmacy has no account with the carrier")]
    NoAccount,
    #[error("the account's numbers are used up")]
    Exhausted,
}

/// Which account of a carrier has which form.
pub const ACCOUNT_FORMS: [(&str, &str); 4] = [
    ("ups", "six letters or digits"),
    ("fedex", "one to four digits"),
    ("usps", "nine digits"),
    ("ameriship", "one to six letters or digits"),
];

impl Accounts {
    /// Takes the place of the accounts that are given, each an account or [`NO_ACCOUNT`]; `Err` has the name and the
    /// form of one that is wrong.
    pub fn with(mut self, given: [Option<&str>; 4]) -> Result<Self, (&'static str, &'static str)> {
        let alphanumeric = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let slots = [&mut self.ups, &mut self.fedex, &mut self.usps, &mut self.ameriship];
        for (place, (slot, text)) in slots.into_iter().zip(given).enumerate() {
            let Some(text) = text else { continue };
            if text.eq_ignore_ascii_case(NO_ACCOUNT) {
                *slot = None;
                continue;
            }
            let text = text.to_ascii_uppercase();
            let holds = match place {
                0 => text.len() == 6 && alphanumeric(&text),
                1 => (1..=4).contains(&text.len()) && digits(&text),
                2 => text.len() == 9 && digits(&text),
                _ => (1..=6).contains(&text.len()) && alphanumeric(&text),
            };
            if !holds {
                return Err(ACCOUNT_FORMS[place]);
            }
            *slot = Some(text);
        }
        Ok(self)
    }

    /// The number of the parcel with this serial, which must be given once only.
    ///
    /// # Errors
    /// For a service that there is not, for a carrier without an account, and when the serial has more digits than the carrier's form leaves.
    pub fn number(
        &self,
        carrier_id: &str,
        service_id: &str,
        serial: i64,
    ) -> Result<TrackingNumber, NumberError> {
        use TrackingFormat::{FedEx12, Unknown, Ups1Z, UspsImpb};
        crate::service_of(carrier_id, service_id).ok_or(NumberError::Service)?;
        let serial_of = |width: usize| {
            let text = format!("{serial:0width$}");
            if serial > 0 && text.len() == width { Ok(text) } else { Err(NumberError::Exhausted) }
        };
        let account = match carrier_id {
            "se-11226" => &self.ups,
            "se-3818360" => &self.fedex,
            "se-11225" => &self.usps,
            _ => &self.ameriship,
        };
        let account = account.as_deref().ok_or(NumberError::NoAccount)?;
        let (format, text) = match carrier_id {
            "se-11226" => (Ups1Z, format!("1Z{account}{}{}", ups_class(service_id), serial_of(7)?)),
            "se-3818360" => (FedEx12, format!("{account}{}", serial_of(11 - account.len())?)),
            "se-11225" => (UspsImpb, format!("94{}{account}{}", usps_class(service_id), serial_of(7)?)),
            _ => (Unknown, format!("AMS{account}{}", serial_of(9)?)),
        };
        if format == Unknown {
            let text = format!("{text}{}", ameriship_check(serial));
            return TrackingNumber::parse(&text).map_err(|_| NumberError::Exhausted);
        }
        TrackingNumber::complete(format, &text).ok_or(NumberError::Exhausted)
    }
}

/// The two digits of a UPS number that say the service.
fn ups_class(service_id: &str) -> &'static str {
    match service_id {
        "ups_next_day_air" => "01",
        "ups_2nd_day_air" => "02",
        _ => "03",
    }
}

/// The three digits of an IMpb that say the service (USPS Publication 199, service type codes).
fn usps_class(service_id: &str) -> &'static str {
    match service_id {
        "usps_priority_mail_express" => "701",
        "usps_priority_mail" => "055",
        _ => "001",
    }
}

/// GS1's check digit over the serial.
fn ameriship_check(serial: i64) -> i64 {
    let digits = std::iter::successors(Some(serial), |rest| Some(rest / 10)).take_while(|rest| *rest > 0);
    let sum: i64 =
        digits.map(|rest| rest % 10).enumerate().map(|(i, d)| if i % 2 == 0 { 3 * d } else { d }).sum();
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::services::{CARRIERS, bears};

    #[test]
    fn each_service_has_numbers_of_its_carriers_form() {
        let accounts = Accounts::default();
        for carrier in CARRIERS {
            for service in carrier.services {
                let number = accounts.number(carrier.id, service.id, 1234).unwrap();
                assert!(bears(carrier.id, &number), "{} {}", service.id, number.as_str());
                let known = number.formats() != [TrackingFormat::Unknown];
                assert_eq!(known, carrier.id != "ameriship", "{}", number.as_str());
            }
        }
        let of = |carrier, service| accounts.number(carrier, service, 1).unwrap().as_str().to_owned();
        assert_eq!(of("se-11226", "ups_ground"), "1ZNIMBUS0300000016");
        assert_eq!(of("se-3818360", "fedex_2day").len(), 12);
        assert_eq!(of("se-11225", "usps_priority_mail").len(), 22);
        assert_eq!(of("ameriship", "ameriship_ground"), "AMSNIMBUS0000000017");
    }

    #[test]
    fn nothing_is_given_beyond_the_form_or_for_no_service() {
        let accounts = Accounts::default();
        let number = |serial| accounts.number("se-11226", "ups_ground", serial).map(|it| it.as_str().len());
        assert_eq!(number(9_999_999), Ok(18));
        assert_eq!(number(10_000_000), Err(NumberError::Exhausted));
        assert_eq!(number(0), Err(NumberError::Exhausted));
        assert_eq!(accounts.number("se-11226", "fedex_2day", 1), Err(NumberError::Service));
    }

    #[test]
    fn accounts_have_their_carriers_form() {
        let with = |given| Accounts::default().with(given).map_err(|(name, _)| name);
        assert!(with([Some("a1b2c3"), Some("12"), Some("123456789"), Some("x")]).is_ok());
        assert_eq!(with([Some("A1B2C"), None, None, None]), Err("ups"));
        assert_eq!(with([None, Some("12345"), None, None]), Err("fedex"));
        assert_eq!(with([None, None, Some("12345678X"), None]), Err("usps"));
        assert_eq!(with([None, None, None, Some("")]), Err("ameriship"));
    }

    #[test]
    fn without_an_account_no_number_is_given() {
        let accounts = Accounts::default().with([Some("A1B2C3"), Some("none"), None, Some("NONE")]).unwrap();
        let number = |carrier, service| accounts.number(carrier, service, 1).map(|it| it.as_str().to_owned());
        assert!(number("se-11226", "ups_ground").is_ok_and(|number| number.starts_with("1ZA1B2C3")));
        assert_eq!(number("se-3818360", "fedex_2day"), Err(NumberError::NoAccount));
        assert!(number("se-11225", "usps_priority_mail").is_ok());
        assert_eq!(number("ameriship", "ameriship_ground"), Err(NumberError::NoAccount));
    }

    proptest! {
        #[test]
        fn serials_never_share_a_number(serials in proptest::collection::hash_set(1i64..9_999_999, 2..20)) {
            let accounts = Accounts::default();
            for carrier in CARRIERS {
                let service = carrier.services[0].id;
                let numbers: HashSet<String> = serials
                    .iter()
                    .map(|serial| accounts.number(carrier.id, service, *serial).unwrap().as_str().to_owned())
                    .collect();
                prop_assert_eq!(numbers.len(), serials.len());
            }
        }
    }
}
