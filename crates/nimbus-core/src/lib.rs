//! The rules of the pharmacy, pure: ids, identifiers, status machines, refill eligibility and events.
//!
//! Nothing here reads a clock, a database or a socket; `now` and randomness are arguments.

pub mod access;
pub mod contact;
pub mod decision;
pub mod eligibility;
pub mod event;
pub mod formulary;
pub mod gates;
pub mod history;
pub mod identifiers;
pub mod ids;
pub mod inventory;
pub mod label;
pub mod license;
pub mod money;
pub mod network;
pub mod order;
pub mod original;
pub mod patient;
pub mod phi;
pub mod practitioner;
pub mod prescription;
pub mod quantity;
pub mod rate;
pub mod refill;
pub mod refusal;
pub mod rules;
pub mod sandbox_magic;
pub mod shipment;
pub mod simulation;
pub mod staff;
pub mod time;
pub mod us;

/// Closed sets of words: each enum, its text, and the way back.
#[macro_export]
macro_rules! words {
    ($($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every member, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word as it is stored and written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The member of this word, if there is one.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}
