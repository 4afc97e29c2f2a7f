//! The gates at work: what they look at is gathered, and what they find is refused, held, or warned of.

pub(crate) mod label;

use std::collections::HashSet;

use nimbus_carriers::{CARRIERS, Carrier, Service, rates, service_of};
use nimbus_core::{
    access::Environment,
    gates::{self, Blame, Case, Finding, Gate, Stage, Way},
    ids::{LineId, PrescriptionId},
    order::{Cause, DeliverySpeed, Line, Order, Shipping, Stop},
    patient::PatientProfile,
    prescription::{DrugSchedule, Prescription},
    rules::LicenseCategory,
    sandbox_magic::wants_strict_gates,
    us::State,
};
use nimbus_store::{Tx, licenses, originals, patients, practitioners, prescriptions};

use crate::{
    error::{Detail, Error, RefusalCode, Result},
    formulary::Drugs,
    unit::Cx,
};

/// What the formulary says of a drug that it did not recognise when it was ordered.
const UNKNOWN_DRUG: &str = "the drug is not in the formulary";

/// The message of every refusal of a service.
pub(crate) const NOT_AVAILABLE: &str = "Service not available";

/// Something that one gate found about one line.
pub(crate) struct Found {
    /// The line's place in its order.
    pub(crate) index: usize,
    pub(crate) line_id: LineId,
    /// Whether it stops the line; else it is a warning.
    pub(crate) is_strict: bool,
    pub(crate) finding: Finding,
}

/// What is asked about an order.
pub(crate) struct Check<'a> {
    pub(crate) stage: Stage,
    pub(crate) order: &'a Order,
    pub(crate) prescriptions: &'a [Prescription],
    /// At intake: what the formulary said of each line's drug.
    pub(crate) doubts: &'a [Option<&'static str>],
    /// Where it has been read already.
    pub(crate) patient: Option<&'a PatientProfile>,
    /// At the label: the service chosen, if that is what is check.
    pub(crate) service: Option<&'a Service>,
    /// A gate that is asked although its hold was released before, of one line.
    pub(crate) again: Option<(LineId, Gate)>,
}

impl<'a> Check<'a> {
    pub(crate) const fn new(stage: Stage, order: &'a Order, prescriptions: &'a [Prescription]) -> Self {
        Self { stage, order, prescriptions, doubts: &[], patient: None, service: None, again: None }
    }
}

/// Whether gates stop a line, or warn: strict in production, and in a sandbox where a magic value asks for it.
fn is_strict(cx: &Cx, order: &Order, prescription: &Prescription) -> bool {
    let (drug, state) = (&prescription.detail.expose().medication, &order.shipping_address.expose().state);
    cx.app.environment() == Environment::Production || wants_strict_gates(drug, state)
}

/// What the gates stop of an order that is on file, before a step of the pharmacy's work.
pub(crate) async fn stops_before_work(tx: &mut Tx, cx: &Cx, order: &Order) -> Result<Vec<Stop>> {
    let prescriptions = prescriptions::prescription_of_order(tx, order.clinic_id, order.id).await?;
    stops_of(tx, cx, order, &prescriptions).await
}

/// What the gates stop of an order with these prescriptions.
pub(crate) async fn stops_of(
    tx: &mut Tx,
    cx: &Cx,
    order: &Order,
    prescriptions: &[Prescription],
) -> Result<Vec<Stop>> {
    Ok(stops(&ask_where_strict(tx, cx, Check::new(Stage::Work, order, prescriptions)).await?))
}

/// As [`ask`], but an order of which nothing is strict is not asked: nobody would be told.
pub(crate) async fn ask_where_strict(tx: &mut Tx, cx: &Cx, check: Check<'_>) -> Result<Vec<Found>> {
    match check.prescriptions.iter().any(|it| is_strict(cx, check.order, it)) {
        true => ask(tx, cx, check).await,
        false => Ok(Vec::new()),
    }
}

/// Asks every gate about every line that is to be filled.
pub(crate) async fn ask(tx: &mut Tx, cx: &Cx, check: Check<'_>) -> Result<Vec<Found>> {
    let order = check.order;
    let patient = match check.patient {
        Some(_) => None,
        None => patients::patient_get(tx, order.clinic_id, order.patient_id).await?,
    };
    let Some(patient) = check.patient.or_else(|| patient.as_ref().map(|it| it.profile.expose())) else {
        return Err(Error::Internal("an order has no patient"));
    };
    let licenses = licenses_of(tx, cx, order).await?;
    let controlled: Vec<PrescriptionId> = check
        .prescriptions
        .iter()
        .filter(|it| it.schedule != DrugSchedule::Unscheduled)
        .map(|it| it.id)
        .collect();
    let (bound, has_dea) = match controlled.is_empty() {
        true => (Vec::new(), true),
        false => {
            (originals::originals_bound(tx, order.clinic_id, &controlled).await?, has_dea(tx, order).await?)
        }
    };
    let drugs = Drugs::of(tx, cx, order.clinic_id, check.prescriptions).await?;
    let pack = cx.app.rules().on(cx.today);
    let way = way(cx, order, check.service);
    let mut found = Vec::new();
    for (index, line) in order.lines.iter().enumerate() {
        let prescription = check.prescriptions.iter().find(|it| it.id == line.prescription_id);
        let Some(prescription) = prescription.filter(|_| is_to_be_filled(line)) else { continue };
        let is_strict = is_strict(cx, order, prescription);
        let unknown = prescription.drug_id.is_none().then_some(UNKNOWN_DRUG);
        let mut settled = settled(order, line);
        settled.retain(|gate| check.again != Some((line.id, *gate)));
        let findings = gates::evaluate(&Case {
            rules: &pack.gates,
            stage: check.stage,
            prescription,
            quantity: line.quantity,
            days_supply: line.days_supply,
            drug: drugs.of_prescription(prescription),
            doubt: check.doubts.get(index).copied().unwrap_or(unknown),
            is_cold: order.refrigerated || prescription.refrigerated,
            way,
            address: order.shipping_address.expose(),
            patient,
            has_dea,
            licenses: &licenses,
            has_original: bound.contains(&prescription.id),
            settled: &settled,
        });
        let found_here = |finding| Found { index, line_id: line.id, is_strict, finding };
        found.extend(findings.into_iter().map(found_here));
    }
    Ok(found)
}

fn is_to_be_filled(line: &Line) -> bool {
    line.status.is_live() && line.standing().is_before_shipped()
}

/// The gates that a release has decided for a line.
fn settled(order: &Order, line: &Line) -> Vec<Gate> {
    let released = order.holds.iter().filter(|hold| hold.line_id == line.id && hold.released_at.is_some());
    let causes = released.filter_map(|hold| hold.cause.as_ref());
    causes.filter(|cause| Gate::is_settled_by(cause)).map(|cause| cause.gate).collect()
}

async fn has_dea(tx: &mut Tx, order: &Order) -> Result<bool> {
    let found = practitioners::practitioner_get(tx, order.clinic_id, order.practitioner_id).await?;
    Ok(found.is_some_and(|found| found.profile.expose().dea_number.is_some()))
}

/// What the pharmacy's licences let it send to where the order goes.
async fn licenses_of(tx: &mut Tx, cx: &Cx, order: &Order) -> Result<Vec<LicenseCategory>> {
    match State::parse(&order.shipping_address.expose().state) {
        Ok(state) => Ok(licenses::license_categories(tx, state, cx.today).await?),
        Err(_) => Ok(Vec::new()),
    }
}

/// How long the parcel is on its way: by the service of the label, else by what the order asks for.
fn way(cx: &Cx, order: &Order, service: Option<&Service>) -> Way {
    if let Some(service) = service {
        return way_on_label(cx, order, service);
    }
    let transit_days = match &order.shipping {
        Shipping::Service { carrier_id, service_id } => {
            service_of(carrier_id, service_id).map(|service| way_by(cx, order, service).transit_days)
        }
        Shipping::Speed(DeliverySpeed::NextDay) => Some(1),
        Shipping::Speed(DeliverySpeed::BusinessDay) => None,
    };
    // Without a service it may be the slowest.
    let slowest = CARRIERS.iter().flat_map(|carrier| carrier.services).map(|it| it.transit_days).max();
    Way {
        transit_days: transit_days.or(slowest).unwrap_or(u32::MAX),
        spans_weekend: false,
        spans_holiday: false,
    }
}

/// How a parcel to where the order goes travels by a service, if its label is made now.
pub(crate) fn way_by(cx: &Cx, order: &Order, service: &Service) -> rates::Way {
    let config = cx.app.config();
    let (shipping, to) = (&config.shipping, State::parse(&order.shipping_address.expose().state).ok());
    shipping.rates.promised_way(service, shipping.from, to, cx.now.datetime_in(&config.pharmacy_zone))
}

/// The same as the gates look at it.
fn way_on_label(cx: &Cx, order: &Order, service: &Service) -> Way {
    let way = way_by(cx, order, service);
    let (spans_weekend, spans_holiday) = (way.transit.spans_weekend, way.transit.spans_holiday);
    Way { transit_days: way.transit_days, spans_weekend, spans_holiday }
}

/// What holds lines: everything strict that was found.
pub(crate) fn stops(found: &[Found]) -> Vec<Stop> {
    let strict = found.iter().filter(|it| it.is_strict);
    let stop = |it: &Found| Stop {
        line_id: it.line_id,
        reason: it.finding.reason,
        cause: Cause {
            gate: it.finding.gate,
            message: it.finding.message.clone(),
            citation: Some(it.finding.citation.clone()),
            fields: it.finding.fields.clone(),
            refused: None,
        },
    };
    strict.map(stop).collect()
}

/// How a surface calls a line of the order, in front of a field of it; nothing where it has no lines.
pub(crate) type LineName = fn(usize) -> Option<String>;

/// The field that is to blame, as the request calls it.
fn field(found: &Found, line: LineName) -> String {
    match found.finding.blame {
        Blame::Service => "service_id".to_owned(),
        Blame::Address => "shipping_address".to_owned(),
        Blame::Patient => "patient_id".to_owned(),
        Blame::Practitioner => "practitioner_id".to_owned(),
        Blame::Line(field) => match line(found.index) {
            Some(name) => format!("{name}.{field}"),
            None => "prescription_id".to_owned(),
        },
    }
}

/// Sentences about what was found and stops nothing.
pub(crate) fn warnings(found: &[Found], line: LineName) -> Vec<String> {
    let mut told = HashSet::new();
    // What the formulary does not know is warned of when it is looked up.
    let mild = found.iter().filter(|it| !it.is_strict && it.finding.gate != Gate::Drug);
    let warning = |it: &Found| format!("{}: {}", field(it, line), it.finding.message);
    mild.map(warning).filter(|warning| told.insert(warning.clone())).collect()
}

/// Refuses an order that is not taken as it is: by no gate, where its service does not go to its state; else by what
/// the gates found.
pub(crate) fn must_be_taken(cx: &Cx, order: &Order, found: &[Found], line: LineName) -> Result<()> {
    let days = cx.app.rules().on(cx.today).gates.temperature.max_transit_days;
    let is_fast = |service: &Service| way_by(cx, order, service).transit_days <= days;
    must_be_served(cx, order, |service| !order.refrigerated || is_fast(service))?;
    let refused: Vec<&Found> =
        found.iter().filter(|it| it.is_strict && it.finding.is_refused_at_intake).collect();
    refuse(&refused, line, services_that(|service| is_served(cx, order, service) && is_fast(service)))
}

/// Refuses a service that does not go to where the order goes, in a sandbox too: nobody could send the parcel so.
/// Only a new order is asked; when its address changes later, whoever makes the label chooses a service that does.
fn must_be_served(cx: &Cx, order: &Order, would_do_too: impl Fn(&Service) -> bool) -> Result<()> {
    let Shipping::Service { carrier_id, service_id } = &order.shipping else { return Ok(()) };
    match service_of(carrier_id, service_id) {
        Some(service) if !is_served(cx, order, service) => {}
        _ => return Ok(()),
    }
    let detail = Detail {
        field: Some("service_id".to_owned()),
        reason: Some("not_served".to_owned()),
        message: "The service does not go to the state of the shipping address.".to_owned(),
        facts: Vec::new(),
    };
    let lawful = services_that(|service| is_served(cx, order, service) && would_do_too(service));
    let details = std::iter::once(detail).chain(lawful.into_iter().map(would_do)).collect();
    Err(Error::refused(RefusalCode::ServiceNotAvailable, NOT_AVAILABLE, details))
}

/// Whether a service goes to the state of the order, by the table of rates. An address in no state is another matter.
pub(crate) fn is_served(cx: &Cx, order: &Order, service: &Service) -> bool {
    let shipping = &cx.app.config().shipping;
    let to = State::parse(&order.shipping_address.expose().state);
    to.map_or(true, |to| shipping.rates.serves(service, shipping.from, to))
}

fn services_that(would_do: impl Fn(&Service) -> bool) -> Vec<(&'static Carrier, &'static Service)> {
    let all =
        CARRIERS.iter().flat_map(|carrier| carrier.services.iter().map(move |service| (carrier, service)));
    all.filter(|(_, service)| would_do(service)).collect()
}

fn refuse(refused: &[&Found], line: LineName, lawful: Vec<(&Carrier, &Service)>) -> Result<()> {
    let Some(first) = refused.first() else { return Ok(()) };
    let (code, message) = match first.finding.gate {
        Gate::Temperature => (RefusalCode::ServiceNotAvailable, NOT_AVAILABLE.to_owned()),
        _ => (RefusalCode::OrderRejected, first.finding.message.clone()),
    };
    let mut details: Vec<Detail> = Vec::new();
    for found in refused {
        let detail = Detail {
            field: Some(field(found, line)),
            reason: Some(found.finding.gate.as_str().to_owned()),
            message: found.finding.message.clone(),
            facts: vec![("citation", found.finding.citation.clone())],
        };
        if !details.contains(&detail) {
            details.push(detail);
        }
    }
    let is_slow = |it: &&Found| it.finding.gate == Gate::Temperature && it.finding.blame == Blame::Service;
    if refused.iter().any(is_slow) {
        details.extend(lawful.into_iter().map(would_do));
    }
    Err(Error::refused(code, message, details))
}

/// A service that would do, as a refusal lists it.
fn would_do((carrier, service): (&Carrier, &Service)) -> Detail {
    Detail {
        field: Some("service_id".to_owned()),
        reason: Some("would_do".to_owned()),
        message: service.name.to_owned(),
        facts: vec![("carrier_id", carrier.id.to_owned()), ("service_id", service.id.to_owned())],
    }
}
