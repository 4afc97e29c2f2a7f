//! People of several clinics, and signatures.

use nimbus_core::{
    ids::{ClinicId, PractitionerId},
    phi::Phi,
    practitioner::ImageKind,
};
use nimbus_store::{
    Db, Result, Tx,
    people::{
        PersonClinic, PersonKind, PersonLink, person_clinics, person_link, person_link_end, person_link_in,
        person_link_put, person_links, person_merge,
    },
    practitioners::{practitioner_get, practitioner_insert},
    signatures::{Signature, signature_delete, signature_get, signature_put},
    two_engines,
};
use uuid::Uuid;

use crate::support::{assert_conflict, assert_sealed, clinic, id, now, practitioner};

const KIND: PersonKind = PersonKind::Practitioner;

fn link(clinic: ClinicId, id: Uuid, person: Uuid) -> PersonLink {
    PersonLink {
        clinic_id: clinic,
        id,
        person_id: person,
        copied: id != person,
        ended_at: None,
        ended_from: None,
    }
}

/// Clinics of one partner.
async fn clinics<const N: usize>(tx: &mut Tx) -> Result<[ClinicId; N]> {
    let mut made = [ClinicId(Uuid::nil()); N];
    for one in &mut made {
        *one = clinic(tx).await?;
    }
    let sql = "update clinics set partner_id = (select partner_id from clinics where id = $2) where id = $1";
    for one in made {
        tx.execute(sql, &[one.into(), made[0].into()]).await?;
    }
    Ok(made)
}

two_engines! {
    async fn links(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(linked(tx))).await.unwrap();
    }

    async fn a_person_is_once_in_a_clinic(db: Db) {
        let twice = db.write(|tx: &mut Tx| Box::pin(async move {
            let [clinic] = clinics(tx).await?;
            let person = Uuid::now_v7();
            person_link_put(tx, KIND, &link(clinic, person, person), now()).await?;
            person_link_put(tx, KIND, &link(clinic, Uuid::now_v7(), person), now()).await
        })).await;
        assert_conflict(twice);
    }

    async fn signatures(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(signed(tx))).await.unwrap();
    }
}

async fn linked(tx: &mut Tx) -> Result<()> {
    let [a, b, c] = clinics(tx).await?;
    let [one, two, three, other] = [(); 4].map(|()| Uuid::now_v7());
    for (clinic, id) in [(a, one), (b, two)] {
        person_link_put(tx, KIND, &link(clinic, id, one), now()).await?;
    }
    assert_eq!(person_link(tx, b, two).await?, Some(link(b, two, one)));
    assert_eq!(person_link_in(tx, one, b).await?, Some(link(b, two, one)));
    assert_eq!(person_link(tx, a, two).await?, None, "a link is its clinic's");
    let shown = |clinic_id, id| PersonClinic { clinic_id, id };
    let both = [(two, shown(b, two)), (two, shown(a, one))];
    assert_eq!(person_clinics(tx, b, &[two, other]).await?, both);

    person_link_end(tx, b, two, Some("active"), now()).await?;
    assert_conflict(person_link_end(tx, b, two, None, now()).await);
    assert_eq!(person_clinics(tx, a, &[one]).await?, [(one, shown(a, one))]);
    assert!(person_clinics(tx, b, &[two]).await?.is_empty());
    let ended = person_link(tx, b, two).await?.unwrap();
    assert_eq!((ended.is_live(), ended.ended_from.as_deref()), (false, Some("active")));
    person_link_put(tx, KIND, &link(b, two, one), now()).await?;

    // Another person in b and c turns out to be the same: only the row in c is new.
    for (clinic, id) in [(b, other), (c, three)] {
        person_link_put(tx, KIND, &link(clinic, id, other), now()).await?;
    }
    person_merge(tx, one, other).await?;
    let mut links: Vec<Uuid> = person_links(tx, one).await?.into_iter().map(|link| link.id).collect();
    links.sort_unstable();
    assert_eq!(links, [one, two, three]);
    assert_eq!(person_link(tx, b, other).await?, None);

    // A clinic of another partner is never shown, and one that is gone no longer.
    let stranger = clinic(tx).await?;
    person_link_put(tx, KIND, &link(stranger, Uuid::now_v7(), one), now()).await?;
    assert_eq!(person_clinics(tx, a, &[one]).await?.len(), 3);
    tx.execute("update clinics set deleted_at = $2 where id = $1", &[c.into(), now().into()]).await?;
    assert_eq!(person_clinics(tx, a, &[one]).await?.len(), 2);

    // More ids than one statement has places for.
    let mut ids: Vec<Uuid> = (0..60).map(|_| Uuid::now_v7()).collect();
    ids.push(one);
    assert_eq!(person_clinics(tx, a, &ids).await?.len(), 2);
    Ok(())
}

async fn signed(tx: &mut Tx) -> Result<()> {
    let (here, other) = (clinic(tx).await?, clinic(tx).await?);
    let person = practitioner(here);
    practitioner_insert(tx, &person, None).await?;
    let mut signature = Signature { kind: ImageKind::Svg, image: Phi::new(b"<svg>a hand</svg>".to_vec()) };
    assert!(signature_get(tx, here, person.id).await?.is_none());
    for kind in [ImageKind::Svg, ImageKind::Png] {
        signature.kind = kind;
        signature_put(tx, here, person.id, &signature, now()).await?;
        let read = signature_get(tx, here, person.id).await?.unwrap();
        assert!(read.kind == kind && read.image == signature.image);
    }
    assert_sealed(tx, "select image from signatures where practitioner_id = $1", person.id.0, "a hand").await;
    assert!(practitioner_get(tx, here, person.id).await?.unwrap().has_signature);
    assert!(signature_get(tx, other, person.id).await?.is_none());
    assert!(!signature_delete(tx, other, person.id).await?);
    assert!(!signature_delete(tx, here, id::<PractitionerId>()).await?);
    assert!(signature_delete(tx, here, person.id).await?);
    assert!(!practitioner_get(tx, here, person.id).await?.unwrap().has_signature);
    Ok(())
}
