//! Holds that a partner resolves, and how an order goes on when its holds are gone.

use nimbus_core::{
    access::{Scope, SystemActor},
    formulary::ClinicList,
    gates::{Answer, Blame, Field, Finding, Gate, Stage},
    ids::{HoldId, LineId, OrderId, PractitionerId},
    order::{Hold, HoldReason, Line, Lines, Order, RefusedAct, refused_before, resolve_holds},
    phi::Phi,
    practitioner::Practitioner,
    prescription::Prescription,
    rules::RefillCase,
};
use nimbus_store::{Tx, clinic_drugs, orders as store, originals, patients, prescriptions};

use crate::{
    App,
    actor::Call,
    consequences::order_changed,
    error::{Detail, Error, FieldError, RefusalCode, Result},
    formulary::{Recognised, recognise},
    gates::{self, Check},
    orders::NOT_FOUND,
    outbox::Changes,
    pharmacy::{StaffAct, decide},
    unit::{Cx, Render, Reply},
};

pub struct Resolve {
    pub order: OrderId,
    pub hold: HoldId,
    pub answer: Answer,
}

/// A partner resolves a hold of its own with what was missing. The line goes back to the state that it left, and a
/// step that the hold had refused is tried again.
pub async fn resolve(app: &App, call: &Call, command: Resolve, render: Render<Order>) -> Result<Reply> {
    call.partner(Scope::OrdersWrite)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(resolve_in(tx, cx, command))).await
}

async fn resolve_in(tx: &mut Tx, cx: &Cx, command: &Resolve) -> Result<Order> {
    let clinic = cx.call.partner(Scope::OrdersWrite)?.clinic_id;
    let before = store::order_get(tx, clinic, command.order).await?.ok_or(NOT_FOUND)?;
    let hold = before.holds.iter().find(|hold| hold.id == command.hold).ok_or(Error::NotFound("Hold"))?;
    must_be_answered_here(hold, before.practitioner_id)?;
    let line = before.line(hold.line_id).ok_or(Error::NotFound("Hold"))?;
    let bound = originals::originals_of_order(tx, clinic, before.id).await?;
    let has_original = bound.contains(&line.prescription_id);
    must_answer(&before, line, has_original, hold, &command.answer)?;

    let mut answered = before.clone();
    apply(tx, cx, &mut answered, hold.line_id, &command.answer).await?;
    let mut changes = Changes::default();
    if command.answer.given().iter().any(|field| field.is_of_patient()) {
        changes.audit.push(cx.audit(Some(clinic), "patient.update", "patient", Some(before.patient_id.0)));
    }
    must_satisfy(tx, cx, &answered, hold, &command.answer).await?;
    let resolved: Vec<HoldId> = match hold.reason {
        // The address is the order's: so is the answer, and a licence that another state lacked.
        HoldReason::Address => {
            let same = before.open_holds().filter(|open| open.reason == HoldReason::Address);
            same.map(|open| open.id).chain(licensed(tx, cx, &answered).await?).collect()
        }
        _ => vec![hold.id],
    };
    let act = cx.act(command.answer.note.clone(), None);
    let mut after = changes.take(resolve_holds(&answered, &resolved, &act)?);
    if !command.answer.given().into_iter().any(Field::is_of_therapy) {
        after = go_on(tx, cx, &before, after, &mut changes).await?;
    }
    order_changed(tx, cx, &before, &mut after, &mut changes).await?;
    changes.audit.push(cx.audit(Some(clinic), "order.resolve_hold", "order", Some(after.id.0)));
    changes.write(tx, cx).await?;
    Ok(after)
}

/// A hold that is released, or that the pharmacy or a change of the practitioner resolves, is not changed by an answer.
fn must_be_answered_here(hold: &Hold, practitioner: PractitionerId) -> Result<()> {
    let mut facts = vec![("hold_reason", hold.reason.as_str().to_owned())];
    let (reason, message) = if hold.released_at.is_some() {
        ("hold_released", "The hold is released already.")
    } else if hold.is_of_practitioner() {
        facts.push(("practitioner_id", practitioner.to_string()));
        ("resolved_at_practitioner", hold.how())
    } else if !hold.is_partners() {
        ("resolved_by_pharmacy", "The pharmacy resolves this hold.")
    } else {
        return Ok(());
    };
    let detail = Detail { field: None, reason: Some(reason.to_owned()), message: message.to_owned(), facts };
    Err(Error::refused(RefusalCode::InvalidStatusTransition, message, vec![detail]))
}

/// The answer has what the hold asks for, and nothing that it cannot change any more.
fn must_answer(order: &Order, line: &Line, has_original: bool, hold: &Hold, answer: &Answer) -> Result<()> {
    let given = answer.given();
    let mut errors: Vec<FieldError> = Vec::new();
    match hold.reason {
        HoldReason::Address => match &answer.shipping_address {
            None => errors.push(FieldError::new("shipping_address", "is required")),
            Some(address) if address == order.shipping_address.expose() => {
                errors.push(FieldError::new("shipping_address", "is the address that the hold is about"));
            }
            Some(_) => {}
        },
        _ => errors.extend(lacks(hold, &given)),
    }
    let fixed = is_fixed(order, line);
    for field in given {
        let why = match (hold.reason, field) {
            (_, Field::Note) | (HoldReason::Address, Field::ShippingAddress) => continue,
            (HoldReason::Address, _) | (_, Field::ShippingAddress) => "is not what this hold asks for",
            (_, Field::Medication | Field::Ndc) if !asks_for(hold, field) => {
                "cannot be another drug: cancel the medication request and order it anew"
            }
            (_, field) if field.is_of_patient() && !asks_for(hold, field) => "is not what this hold asks for",
            (_, field) if field.is_of_therapy() && has_original => {
                "cannot be changed: it is what the original of the prescription says"
            }
            (_, field) if field.is_of_prescription() => match fixed {
                Some(why) => why,
                None => continue,
            },
            _ => continue,
        };
        errors.push(FieldError::new(field.as_str(), why));
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
}

/// The gates are asked again, by what was answered: the one that placed the hold, and every one that stops what was
/// sent.
async fn must_satisfy(tx: &mut Tx, cx: &Cx, order: &Order, hold: &Hold, answer: &Answer) -> Result<()> {
    let lines = prescriptions::prescription_of_order(tx, order.clinic_id, order.id).await?;
    let gate = hold.cause.as_ref().map(|cause| cause.gate);
    let again = gate.map(|gate| (hold.line_id, gate));
    let asked = Check { again, ..Check::new(Stage::Work, order, &lines) };
    let given = answer.given();
    let mut errors: Vec<FieldError> = Vec::new();
    for found in gates::ask(tx, cx, asked).await? {
        let Finding { message, blame, fields, .. } = found.finding;
        let of_address = hold.reason == HoldReason::Address && found.is_strict && blame == Blame::Address;
        let of_line = hold.reason != HoldReason::Address && found.line_id == hold.line_id;
        let asked_here = Some(found.finding.gate) == gate && fields == hold.fields();
        let sent = found.is_strict && fields.iter().any(|field| given.contains(field));
        let field = if of_address && found.finding.gate == Gate::Temperature {
            Field::ShippingAddress
        } else if of_line && (asked_here || sent) && fields != [Field::Note] {
            *fields.iter().find(|field| given.contains(field)).or(fields.first()).unwrap_or(&Field::Note)
        } else {
            continue;
        };
        errors.push(FieldError::new(field.as_str(), message));
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
}

fn asks_for(hold: &Hold, field: Field) -> bool {
    hold.cause.as_ref().is_some_and(|cause| cause.fields.contains(&field))
}

/// A clarification needs one of the fields that it names; one of staff takes whatever answers it.
fn lacks(hold: &Hold, given: &[Field]) -> Option<FieldError> {
    let named: &[Field] = hold.cause.as_ref().map_or(&[], |cause| &cause.fields);
    let answers = |field: &Field| named.is_empty() || named.contains(field);
    if given.iter().any(answers) {
        return None;
    }
    let first = named.first().map_or(Field::Note, |field| *field);
    let message = match named {
        [] => "is required, or another field that answers the question".to_owned(),
        [_] => "is required".to_owned(),
        [_, others @ ..] => {
            let others: Vec<&str> = others.iter().map(|field| field.as_str()).collect();
            format!("is required, or {}", others.join(", "))
        }
    };
    Some(FieldError::new(first.as_str(), message))
}

/// Why what is prescribed cannot be changed by an answer any more.
fn is_fixed(order: &Order, line: &Line) -> Option<&'static str> {
    if !line.standing().is_before_filling() {
        return Some("cannot be changed while the line is being filled");
    }
    if order.refill_id.is_some() || order.refills_consumed > 0 || order.replaces.is_some() {
        return Some("cannot be changed by a later fill: order the drug anew");
    }
    None
}

/// Writes the answer where it belongs: the order, the prescription with its line, the patient.
async fn apply(tx: &mut Tx, cx: &Cx, order: &mut Order, line: LineId, answer: &Answer) -> Result<()> {
    let given = answer.given();
    if let Some(address) = &answer.shipping_address {
        order.shipping_address = Phi::new(address.clone());
    }
    if given.iter().any(|field| field.is_of_prescription()) {
        let Some(line) = order.lines.iter_mut().find(|it| it.id == line) else { return Ok(()) };
        let found = prescriptions::prescription_get(tx, order.clinic_id, line.prescription_id).await?;
        let mut prescription = found.ok_or(Error::NotFound("Prescription"))?;
        answer.apply(&mut prescription);
        if answer.medication.is_some() || answer.ndc.is_some() {
            let list = clinic_drugs::clinic_list(tx, order.clinic_id).await?;
            recognised_again(cx, &list, &mut prescription);
        }
        order.refrigerated |= prescription.refrigerated;
        prescription.updated_at = cx.now;
        prescriptions::prescription_update(tx, &prescription).await?;
        (line.quantity, line.days_supply) = (prescription.quantity, prescription.days_supply);
        line.updated_at = cx.now;
        if given.iter().any(|field| field.is_of_therapy()) {
            line.verify_anew();
        }
    }
    if given.iter().any(|field| field.is_of_patient()) {
        let found = patients::patient_get(tx, order.clinic_id, order.patient_id).await?;
        let mut patient = found.ok_or(Error::NotFound("Patient"))?;
        let profile = patient.profile.expose_mut();
        if answer.animal_owner_name.is_some() {
            profile.animal_owner_name.clone_from(&answer.animal_owner_name);
        }
        if answer.weight.is_some() {
            profile.weight.clone_from(&answer.weight);
            profile.weight_recorded_date = Some(cx.today);
        }
        patient.updated_at = cx.now;
        patients::patient_update(tx, &patient).await?;
    }
    Ok(())
}

/// What the formulary makes of a drug that was named anew; refills and expiry follow its schedule.
fn recognised_again(cx: &Cx, list: &ClinicList, prescription: &mut Prescription) {
    let Recognised { facts, doubt } = recognise(&cx.app, list, prescription.detail.expose());
    // A drug that the clinic may not order stays unknown, and the gate says so.
    prescription.drug_id = facts.drug_id.filter(|_| doubt.is_none()).map(Phi::new);
    prescription.schedule = facts.schedule;
    prescription.refrigerated = facts.refrigerated;
    prescription.compounded = facts.compounded;
    let (state, species) = (prescription.issued_state, prescription.issued_species);
    let case = RefillCase { state, schedule: facts.schedule, species };
    let refills = &cx.app.rules().on(prescription.date_issued).refills;
    prescription.refills_authorized = prescription.refills_authorized.min(refills.limit(&case).0);
    prescription.expires_on =
        prescription.expires_on.min(refills.expires_on(&case, prescription.date_issued).0);
}

/// Tries again what holds had refused, on the lines that nothing holds any more. What is refused for another reason
/// by now waits for staff.
pub(crate) async fn go_on(
    tx: &mut Tx,
    cx: &Cx,
    before: &Order,
    mut order: Order,
    changes: &mut Changes,
) -> Result<Order> {
    for (refused, step) in [(RefusedAct::Verify, StaffAct::Verify), (RefusedAct::Submit, StaffAct::Submit)] {
        let lines = refused_before(before, &order, refused);
        if lines.is_empty() {
            continue;
        }
        let act = cx.as_system(SystemActor::Gates).act(None, None);
        match decide(tx, cx, &order, step, Lines::These(&lines), &act).await {
            Ok(decision) => order = changes.take(decision),
            Err(Error::Refused { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(order)
}

/// The open holds of the licence gate whose line it lets pass by now. One of staff is theirs to release.
pub(crate) async fn licensed(tx: &mut Tx, cx: &Cx, order: &Order) -> Result<Vec<HoldId>> {
    let by_gate = |hold: &&Hold| hold.cause.as_ref().is_some_and(|cause| cause.gate == Gate::License);
    if !order.open_holds().any(|hold| by_gate(&hold)) {
        return Ok(Vec::new());
    }
    let lines = prescriptions::prescription_of_order(tx, order.clinic_id, order.id).await?;
    let found = gates::ask(tx, cx, Check::new(Stage::Work, order, &lines)).await?;
    let is_stopped =
        |line: LineId| found.iter().any(|it| it.line_id == line && it.finding.gate == Gate::License);
    let licensed = order.open_holds().filter(by_gate).filter(|hold| !is_stopped(hold.line_id));
    Ok(licensed.map(|hold| hold.id).collect())
}

/// Lets the lines go on that waited for a practitioner's registration, now that it is on file.
pub(crate) async fn release_registered(tx: &mut Tx, cx: &Cx, practitioner: &Practitioner) -> Result<Changes> {
    let (clinic, id) = (practitioner.clinic_id, practitioner.id);
    let mut changes = Changes::default();
    for order in store::orders_held_for_registration(tx, clinic, id).await? {
        let Some(before) = store::order_get(tx, clinic, order).await? else { continue };
        let waits = |hold: &&Hold| hold.cause.as_ref().is_some_and(|cause| cause.gate == Gate::Practitioner);
        let holds: Vec<HoldId> = before.open_holds().filter(waits).map(|hold| hold.id).collect();
        let free = changes.take(resolve_holds(&before, &holds, &cx.act(None, None))?);
        let mut after = go_on(tx, cx, &before, free, &mut changes).await?;
        order_changed(tx, cx, &before, &mut after, &mut changes).await?;
    }
    Ok(changes)
}
