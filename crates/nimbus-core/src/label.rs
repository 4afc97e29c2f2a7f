//! Labels that are bought: on record before they are asked for, attached to one parcel or given back.
//!
//! The parcel exists only once its label is attached. Whatever breaks off in between is found by the purchase's id,
//! which the provider knows the label by, and is then finished or voided: never half a shipment, never two labels
//! paid for one parcel.

use uuid::Uuid;

use crate::{
    ids::{ClinicId, LabelPurchaseId, ShipmentId},
    money::Cents,
    patient::Address,
    phi::Phi,
    refusal::Refusal,
    shipment::Packed,
    time::Ts,
    words,
};

words! {
    /// Who makes a label.
    pub enum LabelProvider {
        /// This platform, from its own numbers and rate table.
        BuiltIn = "builtin",
        ShipEngine = "shipengine",
    }

    /// How far a purchase is.
    pub enum PurchaseState {
        /// On record; it may have been asked for, and the answer may be lost.
        Requested = "requested",
        /// The provider has made it; no parcel bears it yet.
        Bought = "bought",
        /// A parcel bears it.
        Attached = "attached",
        /// It is to be given back; without a label on record, looked for first.
        VoidPending = "void_pending",
        Voided = "voided",
        /// Nothing was bought, or what was bought could not be given back.
        Failed = "failed",
    }

    /// What staff can do about a purchase that has not come to a good end.
    pub enum NextStep {
        /// It is being found out whether the label was made; then the parcel appears, or the lines are free.
        Wait = "wait",
        /// The label is being given back. If that does not end, it is to be given back with the provider by hand.
        BeingGivenBack = "being_given_back",
        /// Nothing was bought, and the lines wait: what the failure names is to be corrected, or another service chosen.
        MakeAgain = "make_again",
        /// It was paid for, no parcel bears it, and the provider did not take it back.
        ClaimRefund = "claim_refund",
    }
}

impl PurchaseState {
    /// Whether its lines wait for it, so that no other label may be bought for them.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Requested | Self::Bought)
    }

    /// Whether a purchase may go from here to `next`.
    pub const fn can_become(self, next: Self) -> bool {
        match self {
            Self::Requested => matches!(next, Self::Bought | Self::VoidPending | Self::Failed),
            Self::Bought => matches!(next, Self::Attached | Self::VoidPending),
            Self::Attached => matches!(next, Self::VoidPending),
            Self::VoidPending => matches!(next, Self::Voided | Self::Failed),
            Self::Voided | Self::Failed => false,
        }
    }
}

/// What the parcel is to hold, as staff asked for it.
#[derive(Clone, PartialEq, Eq)]
pub struct LabelPlan {
    /// At least one.
    pub packed: Vec<Packed>,
    /// Staff's note for the partner.
    pub notes: Option<String>,
    /// In ounces.
    pub weight_oz: u32,
    /// What is printed on it; the parcel goes nowhere else.
    pub address: Address,
    /// What the reply is to warn of.
    pub warnings: Vec<String>,
}

/// The request that asked for a label under an idempotency key: its reply is kept under that key once there is a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Whose key it is.
    pub owner: Uuid,
    pub key: String,
    /// Of the method, the path and the body.
    pub fingerprint: [u8; 32],
}

/// A label as its provider made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoughtLabel {
    /// The provider's name for it; the built-in maker has none.
    pub label_id: Option<String>,
    pub tracking_number: String,
    /// What the provider charges; `None` where no rate is known.
    pub cost: Option<Cents>,
    /// The provider's own PDF. The built-in maker draws labels when they are read.
    pub document: Option<Phi<Vec<u8>>>,
}

/// The purchase of a label, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelPurchase {
    pub id: LabelPurchaseId,
    pub clinic_id: ClinicId,
    /// The parcel that it is for; it exists once the label is attached.
    pub shipment_id: ShipmentId,
    pub provider: LabelProvider,
    pub state: PurchaseState,
    pub carrier_id: String,
    pub service_id: String,
    /// Where the request had an idempotency key.
    pub asked: Option<Asked>,
    pub plan: Phi<LabelPlan>,
    pub label: Option<BoughtLabel>,
    /// Why it failed last, as a code.
    pub failure: Option<String>,
    /// How often the provider was asked since the last change of state.
    pub attempts: i64,
    /// Until then, in wall time, whoever asks the provider is left alone.
    pub busy_until: Ts,
    pub version: i64,
    pub created_at: Ts,
    pub updated_at: Ts,
}

impl LabelPurchase {
    /// Moves on.
    ///
    /// # Errors
    /// When it cannot go there from where it is.
    pub fn become_(&mut self, next: PurchaseState, now: Ts) -> Result<(), Refusal> {
        if !self.state.can_become(next) {
            return Err(Refusal::transition(self.state.as_str(), next.as_str()));
        }
        self.state = next;
        self.attempts = 0;
        self.failure = None;
        self.updated_at = now;
        Ok(())
    }

    /// What staff can do about it; `None` once it has come to a good end.
    pub fn next_step(&self) -> Option<NextStep> {
        match self.state {
            PurchaseState::Requested | PurchaseState::Bought => Some(NextStep::Wait),
            PurchaseState::VoidPending => Some(NextStep::BeingGivenBack),
            PurchaseState::Failed if self.label.is_some() => Some(NextStep::ClaimRefund),
            PurchaseState::Failed => Some(NextStep::MakeAgain),
            PurchaseState::Attached | PurchaseState::Voided => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PurchaseState as State;

    #[test]
    fn every_way_ends_and_none_goes_back() {
        for &from in State::ALL {
            assert!(!from.can_become(State::Requested), "{from}");
            assert!(!from.can_become(from), "{from}");
        }
        for last in [State::Voided, State::Failed] {
            assert!(State::ALL.iter().all(|&next| !last.can_become(next)), "{last}");
        }
    }

    #[test]
    fn what_was_bought_is_attached_or_given_back() {
        assert!(State::Requested.can_become(State::VoidPending), "it may be bought all the same");
        for from in [State::Bought, State::Attached] {
            assert!(from.can_become(State::VoidPending) && !from.can_become(State::Failed), "{from}");
        }
    }
}
