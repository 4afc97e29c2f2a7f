//! Identifiers with rules of their own: NPI, DEA, NDC and tracking numbers, each parsed once at the edge.

pub mod dea;
pub mod ndc;
pub mod npi;
pub mod tracking;

pub use dea::{Dea, DeaError};
pub use ndc::{Ndc, NdcError};
pub use npi::{Npi, NpiError};
pub use tracking::{TrackingError, TrackingFormat, TrackingNumber};

/// The values of exactly `N` ASCII digits, `None` for any other text.
fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes: [u8; N] = text.as_bytes().try_into().ok()?;
    bytes.iter().all(u8::is_ascii_digit).then(|| bytes.map(|byte| byte - b'0'))
}
