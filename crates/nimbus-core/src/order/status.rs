//! The canonical status machine of orders and of their lines.

use crate::{gates::Field, words};

words! {
    /// Where a fill stands. Orders and medication requests share the machine; only a line is ever `profiled`.
    pub enum FillStatus {
        Received = "received",
        Verified = "verified",
        Submitted = "submitted",
        Acknowledged = "acknowledged",
        Filling = "filling",
        Filled = "filled",
        Shipped = "shipped",
        Delivered = "delivered",
        OnHold = "on_hold",
        Rejected = "rejected",
        Cancelled = "cancelled",
        Returned = "returned",
        Lost = "lost",
        /// Kept on file and not filled (`do_not_fill`).
        Profiled = "profiled",
    }
}

impl FillStatus {
    /// Whether a line in this state still counts for its order.
    pub const fn is_live(self) -> bool {
        !matches!(self, Self::Profiled | Self::Rejected | Self::Cancelled)
    }

    /// Whether the drug has left the pharmacy.
    pub const fn has_shipped(self) -> bool {
        matches!(self, Self::Shipped | Self::Delivered | Self::Returned | Self::Lost)
    }

    /// How far along: the order's status is that of its least advanced live line.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Received => 0,
            Self::Verified => 1,
            Self::Submitted => 2,
            Self::Acknowledged => 3,
            Self::Filling => 4,
            Self::Filled => 5,
            Self::Shipped => 6,
            Self::Returned | Self::Lost => 7,
            Self::Delivered => 8,
            Self::OnHold | Self::Rejected | Self::Cancelled | Self::Profiled => u8::MAX,
        }
    }

    /// Whether a line may be put on hold, or cancelled by staff: any live state before `shipped`.
    pub const fn is_before_shipped(self) -> bool {
        self.rank() < Self::Shipped.rank()
    }

    /// Whether a partner's cancel takes effect at once, and staff may still reject.
    pub const fn is_before_filling(self) -> bool {
        self.rank() < Self::Filling.rank()
    }

    /// The word of partner API reads: canonical, but `received` reads `pending`.
    pub const fn read_word(self) -> &'static str {
        match self {
            Self::Received => "pending",
            other => other.as_str(),
        }
    }

    /// The status a partner API word names in a filter.
    pub fn from_read_word(word: &str) -> Option<Self> {
        match word {
            "pending" => Some(Self::Received),
            "received" => None,
            other => Self::parse(other),
        }
    }

    /// The word of `medication:updated` payloads (status-model, projections).
    pub const fn event_word(self) -> &'static str {
        match self {
            Self::Received => "pending",
            Self::Verified => "validated",
            Self::Filling => "acknowledged",
            other => other.as_str(),
        }
    }

    /// The word of the orders API (status-model, projections). It is asked of an order's standing, which is a
    /// held state only for a line that never stood anywhere else.
    pub const fn orders_word(self) -> &'static str {
        match self {
            Self::Received | Self::Verified | Self::OnHold => "pending",
            Self::Submitted | Self::Acknowledged | Self::Filling | Self::Filled => "processing",
            Self::Shipped | Self::Returned | Self::Lost => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled | Self::Rejected | Self::Profiled => "cancelled",
        }
    }
}

words! {
    /// Why a line is held.
    pub enum HoldReason {
        Address = "address",
        Clarification = "clarification",
        PriorAuthorization = "prior_authorization",
        OutOfStock = "out_of_stock",
        PrescriberOutreach = "prescriber_outreach",
        RefillTooSoon = "refill_too_soon",
        AwaitingValidPrescription = "awaiting_valid_prescription",
        PractitionerNotActive = "practitioner_not_active",
        License = "license",
        Temperature = "temperature",
    }
}

impl HoldReason {
    /// What it means, in a sentence for the partner, where no gate says it more exactly.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Address => "The parcel cannot be sent to the address as it stands.",
            Self::Clarification => "The pharmacy has a question about the prescription.",
            Self::PriorAuthorization => "The payer has not authorised the drug yet.",
            Self::OutOfStock => "The pharmacy does not have the drug in stock.",
            Self::PrescriberOutreach => "The pharmacy has a question for the prescriber.",
            Self::RefillTooSoon => "The fill before is not used up yet.",
            Self::AwaitingValidPrescription => {
                "A request by API is no valid prescription of a controlled drug (21 CFR 1306, 1311)."
            }
            Self::PractitionerNotActive => "The practitioner is not active.",
            Self::License => "The pharmacy has no licence for this fill in the destination state.",
            Self::Temperature => "The parcel cannot stay cold on the way that was chosen.",
        }
    }

    /// What a partner sends to resolve it, where no gate says it more exactly.
    pub const fn fields(self) -> &'static [Field] {
        match self {
            Self::Address => &[Field::ShippingAddress],
            Self::Clarification => &[Field::Note],
            _ => &[],
        }
    }

    /// Whether a partner resolves it by API.
    pub const fn is_partners(self) -> bool {
        matches!(self, Self::Address | Self::Clarification)
    }

    /// How it is resolved, in a sentence for the partner.
    pub const fn how(self) -> &'static str {
        match self {
            Self::Address => "Send a complete shipping address.",
            Self::Clarification => "Answer the pharmacy's question about the prescription.",
            Self::PriorAuthorization => "The payer must authorise the drug; the pharmacy follows it up.",
            Self::OutOfStock => "The pharmacy releases it when stock arrives.",
            Self::PrescriberOutreach => "The pharmacy is waiting for an answer of the prescriber.",
            Self::RefillTooSoon => "The pharmacy releases it when the refill is due.",
            Self::AwaitingValidPrescription => {
                "A valid electronic or written original must reach the pharmacy (21 CFR 1306, 1311)."
            }
            Self::PractitionerNotActive => "It goes on by itself when the practitioner is activated.",
            Self::License => {
                "It goes on by itself when the pharmacy has the licence in the destination state."
            }
            Self::Temperature => "Choose a service fast enough for a refrigerated parcel.",
        }
    }
}

/// The order's status, read off each line's `(status, standing)`: the least advanced live line, a held line
/// ranking as the state it left; `on_hold` only when all live lines are; with none live, `rejected` if every
/// line is, else `cancelled`.
pub fn order_status(lines: impl Iterator<Item = (FillStatus, FillStatus)> + Clone) -> FillStatus {
    let live = lines.clone().filter(|(status, _)| status.is_live());
    match live.clone().min_by_key(|(_, standing)| standing.rank()) {
        None if lines.clone().all(|(status, _)| status == FillStatus::Rejected) => FillStatus::Rejected,
        None => FillStatus::Cancelled,
        Some(_) if live.clone().all(|(status, _)| status == FillStatus::OnHold) => FillStatus::OnHold,
        Some((_, standing)) => standing,
    }
}
