//! Who makes labels: this platform from its own numbers and rates, or ShipEngine. One interface, chosen by
//! configuration.

use nimbus_core::{
    label::{BoughtLabel, LabelProvider},
    money::Cents,
    patient::Address,
    phi::Phi,
    time::Date,
    us::State,
};

use crate::{
    built_in::Accounts,
    labels::{Pharmacy, Signature},
    rates::RateTable,
    services::Carrier,
    shipengine::ShipEngine,
};

/// What shipping needs to know of this deployment.
#[derive(Debug)]
pub struct Shipping {
    pub provider: Provider,
    pub rates: RateTable,
    pub accounts: Accounts,
    /// Where parcels come from.
    pub pharmacy: Pharmacy,
    /// The state in the pharmacy's address.
    pub from: State,
}

impl Default for Shipping {
    /// Without network: the built-in maker with the example's prices, from an address that is nobody's.
    fn default() -> Self {
        Self {
            provider: Provider::BuiltIn,
            rates: RateTable::example().clone(),
            accounts: Accounts::default(),
            pharmacy: Pharmacy {
                name: "Nimbus Pharmacy".to_owned(),
                line_1: "100 Example Way".to_owned(),
                line_2: None,
                city: "Austin".to_owned(),
                state: State::Tx.code().to_owned(),
                postal_code: "78701".to_owned(),
                phone: "(512) 555-0100".to_owned(),
            },
            from: State::Tx,
        }
    }
}

/// Who makes labels. The built-in maker's are made within the transaction of their parcel; only others are asked.
#[derive(Debug)]
pub enum Provider {
    BuiltIn,
    ShipEngine(Box<ShipEngine>),
}

/// What a label is found by, and must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// The name by which it is found again: at most 50 characters, of this label alone.
    pub external_id: String,
    pub carrier_id: String,
    pub service_id: String,
}

/// The label that is wanted.
#[derive(Debug, Clone)]
pub struct LabelRequest {
    pub sought: Sought,
    pub ships_on: Date,
    pub recipient: Phi<Recipient>,
    /// In ounces.
    pub weight_oz: u32,
    pub signature: Signature,
}

/// Whom a parcel goes to.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient {
    pub name: String,
    pub phone: Option<String>,
    pub address: Address,
}

/// What came of looking for a label by its external id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Nothing,
    Voided,
    Label(BoughtLabel),
}

/// Why a provider did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// What came of it is not known.
    #[error("the provider did not answer within the deadline")]
    Timeout,
    #[error("the provider could not be reached")]
    Unreachable,
    #[error("the provider answered {0}")]
    Status(u16),
    #[error("the provider's answer cannot be read: {0}")]
    Garbage(&'static str),
    /// The answer is about another label than the one that was asked for.
    #[error("the provider answered with another parcel's label")]
    NotOurs,
    /// Nothing was done; the seconds until it may be asked again.
    #[error("the provider admits no more requests for {0} s")]
    Busy(u32),
    /// Nothing was done. The code is the provider's, and says nothing of the parcel.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// It made a label that no parcel of ours can bear; it is to be given back.
    #[error("the provider made a label that is not the one asked for: {reason}")]
    Unusable { label: Box<BoughtLabel>, reason: &'static str },
}

impl ProviderError {
    /// A word for what is kept on record.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Status(_) => "status",
            Self::Garbage(_) => "garbage",
            Self::NotOurs => "not_ours",
            Self::Busy(_) => "busy",
            Self::Refused(_) => "refused",
            Self::Unusable { .. } => "unusable",
        }
    }
}

/// What a service costs, as the provider says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRate {
    pub service_id: String,
    pub price: Cents,
}

/// Where a parcel would go, as far as its price depends on it.
#[derive(Debug, Clone)]
pub struct Destination {
    pub city: String,
    pub state: State,
    pub postal_code: String,
}

impl Shipping {
    /// Who makes the labels of a carrier. ShipEngine has no account with Ameriship.
    pub fn maker(&self, carrier_id: &str) -> LabelProvider {
        match self.asked(carrier_id) {
            Some(_) => LabelProvider::ShipEngine,
            None => LabelProvider::BuiltIn,
        }
    }

    /// Who is to be asked over the network for a carrier's labels and prices; `None` if nobody is.
    pub fn asked(&self, carrier_id: &str) -> Option<&ShipEngine> {
        match &self.provider {
            Provider::ShipEngine(client) if carrier_id.starts_with("se-") => Some(client),
            Provider::BuiltIn | Provider::ShipEngine(_) => None,
        }
    }

    /// What each service of a carrier costs to a place, in the carrier's order. The provider's own prices stand before
    /// the table's; services that the table does not send there are not offered.
    pub async fn quote(&self, carrier: &Carrier, to: &Phi<Destination>, weight_oz: u32) -> Vec<LiveRate> {
        let quotes = self.rates.quotes(carrier, self.from, to.expose().state, weight_oz);
        let live = match self.asked(carrier.id) {
            None => Vec::new(),
            Some(client) => match client.estimate(&self.pharmacy, carrier.id, to, weight_oz).await {
                Ok(live) => live,
                Err(error) => {
                    tracing::warn!(%error, carrier_id = carrier.id, "the table's prices are shown");
                    Vec::new()
                }
            },
        };
        let priced = quotes.into_iter().map(|quote| {
            let live = live.iter().find(|rate| rate.service_id == quote.service.id);
            LiveRate {
                service_id: quote.service.id.to_owned(),
                price: live.map_or(quote.price, |rate| rate.price),
            }
        });
        priced.collect()
    }
}
