//! The valid original of a prescription: what makes a controlled line that came by API one that may be filled.

use crate::{
    access::By,
    ids::{ClinicId, PrescriptionId},
    phi::Phi,
    time::Ts,
    words,
};

words! {
    /// What an original is.
    pub enum OriginalKind {
        /// An electronic prescription whose digital signature was verified and whose record is archived (21 CFR
        /// 1311.205, 1311.210).
        Electronic = "electronic",
        /// On paper, signed by hand by the prescriber (21 CFR 1306.05).
        Written = "written",
    }
}

/// The record of an original that staff hold in their hands.
#[derive(Debug, Clone)]
pub struct Original {
    pub clinic_id: ClinicId,
    pub prescription_id: PrescriptionId,
    pub kind: OriginalKind,
    /// Where it is filed: a message's id, a paper's number.
    pub reference: Phi<String>,
    pub note: Option<Phi<String>>,
    pub received_at: Ts,
    pub bound_by: By,
    pub bound_at: Ts,
}
