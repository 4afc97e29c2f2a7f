//! Magic values: what a sandbox does with certain numbers, names and places, so that every path can be walked
//! without a human. The one list behind the behaviour, `/sandbox/fixtures` and the guide.
//!
//! Production knows none of them: whoever asks here has first asked which environment it is.

use crate::{practitioner::PractitionerStatus, words};

words! {
    /// NPIs that decide what becomes of a new practitioner.
    pub enum MagicNpi {
        ActiveAtOnce = "1234567893",
        StaysPending = "1999999992",
        RegistryMismatch = "1999999919",
    }

    /// DEA numbers.
    pub enum MagicDea {
        Valid = "BT1234563",
        ChecksumError = "BT1234564",
    }

    /// A patient's surname, in any letter case, decides what the simulated pharmacy and carrier do with the order.
    pub enum MagicSurname {
        HoldAddress = "Hold-Address",
        HoldPriorAuth = "Hold-PriorAuth",
        HoldStock = "Hold-Stock",
        RejectInteraction = "Reject-Interaction",
        Duplicate = "Duplicate",
        ParcelException = "Parcel-Exception",
        ParcelReturned = "Parcel-Returned",
        ParcelLost = "Parcel-Lost",
        ParcelStuck = "Parcel-Stuck",
    }

    /// Drugs of a sandbox's formulary for which the gates are as strict as in production.
    pub enum MagicDrug {
        TestC3 = "Test C3",
        TestCold = "Test Cold",
        TestCopy503A = "Test Copy503A",
    }

    /// Ship-to states for which the gates are as strict as in production.
    pub enum MagicState {
        Alaska = "AK",
        Hawaii = "HI",
    }

    /// Tracking numbers, with valid check digits, of parcels whose way is known.
    pub enum MagicTracking {
        Delivered = "1ZNIMBUS0300000016",
        Exception = "1ZNIMBUS0300000025",
        Returned = "1ZNIMBUS0300000034",
        Lost = "1ZNIMBUS0300000043",
        Stuck = "1ZNIMBUS0300000052",
    }

    /// What a magic value stands in the place of.
    pub enum FixtureKind {
        Npi = "npi",
        DeaNumber = "dea_number",
        PatientLastName = "patient_last_name",
        Medication = "medication",
        ShipToState = "ship_to_state",
        TrackingNumber = "tracking_number",
    }
}

impl MagicNpi {
    /// What it does, in a sentence.
    pub const fn effect(self) -> &'static str {
        match self {
            Self::ActiveAtOnce => {
                "A practitioner registered with it is active at once, and practitioner:activated is sent."
            }
            Self::StaysPending => {
                "A practitioner registered with it stays pending until staff activate it; orders wait on hold."
            }
            Self::RegistryMismatch => {
                "The registry knows it under another name: the practitioner is inactive, with a warning, and \
                 orders by it are refused."
            }
        }
    }
}

impl MagicNpi {
    /// What onboarding says at once of a practitioner with it, and what the partner is warned of.
    pub const fn verdict(self) -> Option<(PractitionerStatus, Option<&'static str>)> {
        match self {
            Self::ActiveAtOnce => Some((PractitionerStatus::Active, None)),
            Self::StaysPending => None,
            Self::RegistryMismatch => Some((
                PractitionerStatus::Inactive,
                Some("npi: the registry knows it under another name; the practitioner is inactive"),
            )),
        }
    }
}

impl MagicDea {
    /// What it does, in a sentence.
    pub const fn effect(self) -> &'static str {
        match self {
            Self::Valid => "Its check digit holds, and it is accepted.",
            Self::ChecksumError => "Its check digit fails, and the request is refused at dea_number.",
        }
    }
}

impl MagicSurname {
    /// The branch that a surname asks for.
    pub fn of(last_name: &str) -> Option<Self> {
        let asked = last_name.trim();
        Self::ALL.iter().copied().find(|magic| magic.as_str().eq_ignore_ascii_case(asked))
    }

    /// The way of a parcel to this patient.
    pub const fn parcel(self) -> MagicTracking {
        match self {
            Self::ParcelException => MagicTracking::Exception,
            Self::ParcelReturned => MagicTracking::Returned,
            Self::ParcelLost => MagicTracking::Lost,
            Self::ParcelStuck => MagicTracking::Stuck,
            Self::HoldAddress
            | Self::HoldPriorAuth
            | Self::HoldStock
            | Self::RejectInteraction
            | Self::Duplicate => MagicTracking::Delivered,
        }
    }

    /// What it does, in a sentence.
    pub const fn effect(self) -> &'static str {
        match self {
            Self::HoldAddress => {
                "The simulated pharmacy holds the order for its address before it is verified; you resolve the hold."
            }
            Self::HoldPriorAuth => {
                "The simulated pharmacy holds the order for a prior authorization before it is submitted, and \
                 releases it a step later."
            }
            Self::HoldStock => {
                "The simulated pharmacy holds the order as out of stock before it is filled, and releases it a step \
                 later."
            }
            Self::RejectInteraction => {
                "The simulated pharmacy rejects the order before it is submitted, for a drug interaction."
            }
            Self::Duplicate => {
                "Registering the patient is refused as DUPLICATE_PATIENT, naming one there is."
            }
            Self::ParcelException => {
                "The parcel gets the tracking number of an exception: one scan under way, then an exception."
            }
            Self::ParcelReturned => {
                "The parcel gets the tracking number of a return: a delivery is attempted, then it is returned."
            }
            Self::ParcelLost => {
                "The parcel gets the tracking number of a loss: one scan under way, then it is lost."
            }
            Self::ParcelStuck => {
                "The parcel gets the tracking number of a stuck one: one scan under way, then none."
            }
        }
    }
}

impl MagicDrug {
    /// The magic drug of a name, in any letter case.
    pub fn of(medication: &str) -> Option<Self> {
        let asked = medication.trim();
        Self::ALL.iter().copied().find(|magic| magic.as_str().eq_ignore_ascii_case(asked))
    }

    /// What it does, in a sentence.
    pub const fn effect(self) -> &'static str {
        match self {
            Self::TestC3 => {
                "A C-III drug: the line is held until staff bind the record of a valid prescription to it, and \
                 while its prescriber has no DEA number."
            }
            Self::TestCold => {
                "A refrigerated drug: a service that is too slow for it is refused, naming those that would do."
            }
            Self::TestCopy503A => {
                "A compounded drug: without a coded or written reason_for_compounding the order is refused."
            }
        }
    }
}

impl MagicState {
    /// What it does, in a sentence.
    pub const fn effect(self) -> &'static str {
        match self {
            Self::Alaska => "The pharmacy has no licence there: lines shipped to it are held.",
            Self::Hawaii => {
                "UPS and FedEx offer no ground service there, so that an order by it is refused, and the gates are as \
                 strict as in production."
            }
        }
    }
}

impl MagicTracking {
    /// What it does, in a sentence.
    pub const fn effect(self) -> &'static str {
        match self {
            Self::Delivered => "The simulated carrier scans it under way, out for delivery, delivered.",
            Self::Exception => {
                "The simulated carrier scans it under way, then reports an exception and no more."
            }
            Self::Returned => "The simulated carrier attempts to deliver it, then returns it.",
            Self::Lost => "The simulated carrier scans it under way, then reports it lost.",
            Self::Stuck => "The simulated carrier scans it under way once, and never again.",
        }
    }
}

/// Whether a sandbox's gates are as strict as production's for this drug and this ship-to state.
pub fn wants_strict_gates(medication: &str, ship_to_state: &str) -> bool {
    MagicDrug::of(medication).is_some() || MagicState::parse(ship_to_state).is_some()
}

/// One magic value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixture {
    pub kind: FixtureKind,
    pub value: &'static str,
    /// A sentence.
    pub effect: &'static str,
}

/// Every magic value, in the order in which they are to be shown.
pub fn fixtures() -> Vec<Fixture> {
    let fixture = |kind, value, effect| Fixture { kind, value, effect };
    let mut all = Vec::new();
    all.extend(MagicNpi::ALL.iter().map(|m| fixture(FixtureKind::Npi, m.as_str(), m.effect())));
    all.extend(MagicDea::ALL.iter().map(|m| fixture(FixtureKind::DeaNumber, m.as_str(), m.effect())));
    all.extend(
        MagicSurname::ALL.iter().map(|m| fixture(FixtureKind::PatientLastName, m.as_str(), m.effect())),
    );
    all.extend(MagicDrug::ALL.iter().map(|m| fixture(FixtureKind::Medication, m.as_str(), m.effect())));
    all.extend(MagicState::ALL.iter().map(|m| fixture(FixtureKind::ShipToState, m.as_str(), m.effect())));
    all.extend(
        MagicTracking::ALL.iter().map(|m| fixture(FixtureKind::TrackingNumber, m.as_str(), m.effect())),
    );
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        identifiers::{Dea, Npi, TrackingFormat, TrackingNumber},
        us::State,
    };

    #[test]
    fn numbers_are_what_they_claim_to_be() {
        for npi in MagicNpi::ALL {
            assert!(Npi::parse(npi.as_str()).is_ok(), "{npi}");
        }
        assert!(Dea::parse(MagicDea::Valid.as_str()).is_ok());
        assert!(Dea::parse(MagicDea::ChecksumError.as_str()).is_err());
        for number in MagicTracking::ALL {
            let formats = TrackingNumber::parse(number.as_str()).map(|number| number.formats());
            assert_eq!(formats, Ok(vec![TrackingFormat::Ups1Z]), "{number}");
        }
        for state in MagicState::ALL {
            assert!(State::parse(state.as_str()).is_ok(), "{state}");
        }
    }

    #[test]
    fn names_are_read_whole_and_in_any_letter_case() {
        assert_eq!(MagicSurname::of(" hold-address "), Some(MagicSurname::HoldAddress));
        assert_eq!(MagicSurname::of("Holden"), None);
        assert_eq!(MagicDrug::of("TEST COLD"), Some(MagicDrug::TestCold));
        assert_eq!(MagicDrug::of("Test Colder"), None);
    }

    #[test]
    fn strict_gates_are_asked_for_by_drug_or_by_state() {
        assert!(wants_strict_gates("Test C3", "TX"));
        assert!(wants_strict_gates("Tretinoin 0.05% Cream", "AK"));
        assert!(!wants_strict_gates("Tretinoin 0.05% Cream", "TX"));
    }

    #[test]
    fn each_value_is_listed_once_with_a_sentence() {
        let all = fixtures();
        let distinct: BTreeSet<_> = all.iter().map(|fixture| (fixture.kind, fixture.value)).collect();
        assert_eq!(distinct.len(), all.len());
        for kind in FixtureKind::ALL {
            assert!(all.iter().any(|fixture| fixture.kind == *kind), "{kind}");
        }
        assert!(all.iter().all(|fixture| fixture.effect.ends_with('.')));
    }
}
