//! The formulary at work: what a clinic may order, and what drug a prescriber means.

mod clinics;
mod file;

pub use clinics::{Add, ClinicFormulary, NewDrug, Orderable, add, list, remove};
pub use file::{Problem, Problems, parse, shipped};

use nimbus_core::{
    formulary::{ClinicList, Drug, DrugFacts, Formulary, Found},
    ids::ClinicId,
    prescription::{Prescription, PrescriptionDetail},
};
use nimbus_store::{Tx, clinic_drugs};

use crate::{App, error::Result, unit::Cx};

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

/// What is known now of drugs that were recognised: of the formulary, and of one clinic's own.
pub(crate) struct Drugs<'a> {
    formulary: &'a Formulary,
    own: Vec<Drug>,
}

impl<'a> Drugs<'a> {
    /// Those of prescriptions of one clinic.
    pub(crate) async fn of(
        tx: &mut Tx,
        cx: &'a Cx,
        clinic: ClinicId,
        prescriptions: &[Prescription],
    ) -> Result<Self> {
        let formulary = cx.app.formulary();
        let mut ids = prescriptions.iter().filter_map(|it| it.drug_id.as_ref());
        let own = match ids.any(|id| formulary.get(id.expose()).is_none()) {
            true => clinic_drugs::clinic_list(tx, clinic).await?.own,
            false => Vec::new(),
        };
        Ok(Self { formulary, own })
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Drug> {
        self.formulary.get(id).or_else(|| self.own.iter().find(|own| own.id == id))
    }

    pub(crate) fn of_prescription(&self, prescription: &Prescription) -> Option<&Drug> {
        self.get(prescription.drug_id.as_ref()?.expose())
    }
}
