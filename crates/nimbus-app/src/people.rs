//! People whom several clinics of one partner share. Each clinic has a row of its own, sealed by its own key and
//! linked with the others; what is changed later at one clinic stays with that clinic.

mod patients;
mod practitioners;

use std::collections::HashMap;

use nimbus_core::{access::Scope, ids::ClinicId, time::Ts};
pub use nimbus_store::people::PersonClinic;
use nimbus_store::{
    Tx,
    page::Slice,
    people::{self as store, PersonKind, PersonLink},
    tenants,
};
use uuid::Uuid;

pub(crate) use self::practitioners::waiting_copies;
pub use self::{
    patients::{PatientAssigned, PatientThere, assign_patient, end_patient},
    practitioners::{PractitionerAssigned, PractitionerThere, assign_practitioner, end_practitioner},
};
use crate::{
    error::{Error, FieldError, Result},
    unit::Cx,
};

/// The most clinics that one request may name.
pub const MAX_CLINICS: usize = 25;

/// A clinic, and the field of the request that names it.
pub struct Named {
    pub field: String,
    pub clinic_id: ClinicId,
}

/// A person, and other clinics of the partner.
pub struct Assignment<Id> {
    pub id: Id,
    pub clinics: Vec<Named>,
}

/// A practitioner or a patient, with the clinics of the partner that they are in, the key's own first.
pub struct Seen<T> {
    pub person: T,
    pub clinics: Vec<PersonClinic>,
}

/// A row with its person's clinics.
pub(crate) async fn seen_one<T>(
    tx: &mut Tx,
    clinic: ClinicId,
    person: T,
    id: fn(&T) -> Uuid,
) -> Result<Seen<T>> {
    let mut seen = seen(tx, clinic, vec![person], id).await?;
    seen.pop().ok_or(Error::Internal("one row makes one"))
}

async fn seen<T>(tx: &mut Tx, clinic: ClinicId, people: Vec<T>, id: fn(&T) -> Uuid) -> Result<Vec<Seen<T>>> {
    let ids: Vec<Uuid> = people.iter().map(id).collect();
    let mut clinics: HashMap<Uuid, Vec<PersonClinic>> = HashMap::new();
    for (of, found) in store::person_clinics(tx, clinic, &ids).await? {
        clinics.entry(of).or_default().push(found);
    }
    let with_clinics = |person: T| {
        let id = id(&person);
        let alone = || vec![PersonClinic { clinic_id: clinic, id }];
        Seen { clinics: clinics.remove(&id).unwrap_or_else(alone), person }
    };
    Ok(people.into_iter().map(with_clinics).collect())
}

/// A page of rows, each with its person's clinics.
pub(crate) async fn seen_page<T>(
    tx: &mut Tx,
    clinic: ClinicId,
    page: Slice<T>,
    id: fn(&T) -> Uuid,
) -> Result<Slice<Seen<T>>> {
    let Slice { items, last, has_more, unreadable } = page;
    Ok(Slice { items: seen(tx, clinic, items, id).await?, last, has_more, unreadable })
}

/// The clinics that a request names, each once.
///
/// # Errors
/// All that are not another clinic of the partner, by the field that names them.
async fn other_clinics<'a>(tx: &mut Tx, cx: &Cx, scope: Scope, named: &'a [Named]) -> Result<Vec<&'a Named>> {
    let caller = cx.call.partner(scope)?;
    let (mut found, mut wrong): (Vec<&Named>, Vec<FieldError>) = (Vec::new(), Vec::new());
    for one in named {
        let clinic = tenants::clinic_get(tx, one.clinic_id).await?;
        match clinic.filter(|clinic| clinic.partner_id == caller.partner_id && clinic.deleted_at.is_none()) {
            None => wrong.push(FieldError::new(&one.field, "Clinic not found")),
            Some(clinic) if clinic.id == caller.clinic_id => {
                wrong.push(FieldError::new(&one.field, "must be another clinic than the API key's"));
            }
            Some(_) if found.iter().any(|other| other.clinic_id == one.clinic_id) => {}
            Some(_) => found.push(one),
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(Error::Invalid(wrong)) }
}

/// The person that a row is: the one it is linked to, or a new one that begins with it.
async fn person_of(tx: &mut Tx, kind: PersonKind, clinic: ClinicId, id: Uuid, now: Ts) -> Result<Uuid> {
    match store::person_link(tx, clinic, id).await? {
        Some(link) if link.is_live() => Ok(link.person_id),
        _ => {
            store::person_link_put(tx, kind, &new_link(clinic, id, id, false), now).await?;
            Ok(id)
        }
    }
}

const fn new_link(clinic_id: ClinicId, id: Uuid, person_id: Uuid, copied: bool) -> PersonLink {
    PersonLink { clinic_id, id, person_id, copied, ended_at: None, ended_from: None }
}

/// What a clinic has of a person that is to be assigned to it.
enum There {
    Nothing,
    /// It has the person, and the row is linked.
    Known(Uuid),
    /// An assignment that has ended.
    Ended(PersonLink),
}

/// Looks a person up in a clinic. `same` is the clinic's row of the same identity, which is linked if it was not:
/// the clinic registered them itself.
async fn look_up(
    tx: &mut Tx,
    kind: PersonKind,
    person: Uuid,
    clinic: ClinicId,
    same: Option<Uuid>,
    now: Ts,
) -> Result<There> {
    if let Some(link) = store::person_link_in(tx, person, clinic).await? {
        return Ok(if link.is_live() { There::Known(link.id) } else { There::Ended(link) });
    }
    let Some(id) = same else { return Ok(There::Nothing) };
    match store::person_link(tx, clinic, id).await? {
        Some(link) if link.is_live() => store::person_merge(tx, person, link.person_id).await?,
        Some(link) => return Ok(There::Ended(PersonLink { person_id: person, ..link })),
        None => store::person_link_put(tx, kind, &new_link(clinic, id, person, false), now).await?,
    }
    Ok(There::Known(id))
}

/// Makes an ended assignment live again.
async fn renew(tx: &mut Tx, kind: PersonKind, link: &PersonLink, now: Ts) -> Result<()> {
    let live = PersonLink { ended_at: None, ended_from: None, ..link.clone() };
    Ok(store::person_link_put(tx, kind, &live, now).await?)
}

/// The links of a person to these clinics.
///
/// # Errors
/// All clinics that the person was not assigned to. Where a person began is no assignment.
async fn assigned_links(
    tx: &mut Tx,
    clinic: ClinicId,
    id: Uuid,
    named: Vec<&Named>,
) -> Result<Vec<PersonLink>> {
    let own = store::person_link(tx, clinic, id).await?.filter(PersonLink::is_live);
    let links = match own {
        Some(own) => store::person_links(tx, own.person_id).await?,
        None => Vec::new(),
    };
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for one in named {
        match links.iter().find(|link| link.clinic_id == one.clinic_id && link.id != link.person_id) {
            Some(link) => found.push(link.clone()),
            None => wrong.push(FieldError::new(&one.field, "is not a clinic of an assignment")),
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(Error::Invalid(wrong)) }
}
