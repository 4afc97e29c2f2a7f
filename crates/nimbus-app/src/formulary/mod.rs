//! The formulary at work: what a clinic may order, and what drug a prescriber means.

mod clinics;
mod file;

pub use clinics::{Add, ClinicFormulary, NewDrug, Orderable, add, list, remove};
pub use file::{Problem, Problems, parse, shipped};

use nimbus_core::{
    formulary::{ClinicList, DrugFacts, Found},
    prescription::PrescriptionDetail,
};

use crate::App;

/// What the formulary says of one line of an order.
#[derive(Debug, Clone)]
pub(crate) struct Recognised {
    pub(crate) facts: DrugFacts,
    /// Why it cannot be filled as it is written; `None` if the drug was recognised and the clinic may order it.
    pub(crate) doubt: Option<&'static str>,
}

/// Looks up the drug of a line for a clinic whose list is this.
pub(crate) fn recognise(app: &App, list: &ClinicList, detail: &PrescriptionDetail) -> Recognised {
    let found: Found = app.formulary().find(detail, list);
    Recognised { facts: found.facts(&detail.medication), doubt: found.doubt() }
}
