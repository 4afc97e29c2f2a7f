//! What signs an endpoint's deliveries: secrets and key pairs, how they follow each other, and the public keys that
//! anybody may read.

use nimbus_core::{ids::EndpointId, phi::Phi, time::Ts};
use nimbus_store::{
    Tx,
    endpoints::{self as store, Endpoint, Retiring, Signing},
};
pub use nimbus_webhooks::signing::PublicKey;
use nimbus_webhooks::signing::{SigningPair, SigningSecret};

use crate::{
    App,
    clock::wall,
    error::{Error, Result},
};

/// After a rotation, or another scheme, what signed before signs too for so long, if nothing else is asked for.
pub(crate) const OVERLAP_HOURS: u32 = 24;
/// The longest overlap that can be asked for.
pub const MAX_OVERLAP_HOURS: u32 = 168;
/// The most signatures of one delivery: of the current key and of those that retire, of which the oldest is dropped.
const MAX_KEYS: usize = 5;

pub(crate) fn new_secret() -> Phi<String> {
    Phi::new(SigningSecret::generate().as_str().to_owned())
}

fn set_pair(endpoint: &mut Endpoint, pair: Option<&SigningPair>) {
    endpoint.key_pair = pair.map(|pair| Phi::new(pair.as_str().to_owned()));
    endpoint.public_key = pair.map(|pair| pair.public().to_string());
}

/// Gives a new endpoint the key pair that its scheme needs.
pub(crate) fn first_pair(endpoint: &mut Endpoint) {
    if endpoint.signing == Signing::Ed25519 {
        set_pair(endpoint, Some(&SigningPair::generate()));
    }
}

/// Gives an endpoint a new secret and, where it signs by one, a new key pair. What signed before signs too until then;
/// no overlap ends everything before at once.
pub(crate) fn rotate(endpoint: &mut Endpoint, overlap_hours: u32, now: Ts) {
    let until = now.plus_seconds(i64::from(overlap_hours) * 3600);
    let secret = std::mem::replace(&mut endpoint.secret, new_secret());
    let replaced = match endpoint.signing {
        Signing::Hmac => Some(secret),
        Signing::Ed25519 => endpoint.key_pair.take(),
    };
    first_pair(endpoint);
    if overlap_hours == 0 {
        endpoint.retiring.clear();
    } else {
        retire(endpoint, replaced, until, now);
    }
}

/// Has an endpoint sign by another scheme. Both sign for the usual overlap.
pub(crate) fn switch(endpoint: &mut Endpoint, signing: Signing, now: Ts) {
    if endpoint.signing == signing {
        return;
    }
    let replaced = match signing {
        Signing::Ed25519 => Some(endpoint.secret.clone()),
        Signing::Hmac => endpoint.key_pair.take(),
    };
    endpoint.signing = signing;
    set_pair(endpoint, None);
    first_pair(endpoint);
    if signing == Signing::Hmac {
        // It retired when the other scheme was chosen, and is the current one again.
        let Endpoint { retiring, secret, .. } = &mut *endpoint;
        retiring.retain(|retiring| retiring.key != *secret);
    }
    retire(endpoint, replaced, now.plus_seconds(i64::from(OVERLAP_HOURS) * 3600), now);
}

fn retire(endpoint: &mut Endpoint, replaced: Option<Phi<String>>, until: Ts, now: Ts) {
    let retiring = &mut endpoint.retiring;
    retiring.retain(|retiring| retiring.until > now);
    if let Some(key) = replaced {
        retiring.insert(0, Retiring { key, until });
    }
    retiring.truncate(MAX_KEYS - 1);
}

/// Lists the public keys of an endpoint whose keys have changed. A deleted one's retire: what was sent is still
/// checked.
pub(crate) async fn publish(tx: &mut Tx, endpoint: &Endpoint, now: Ts) -> Result<()> {
    let retired_at = endpoint.deleted_at.map(|_| now.plus_seconds(i64::from(OVERLAP_HOURS) * 3600));
    let current = endpoint.public_key.iter().map(|key| (key.clone(), retired_at));
    let retiring = endpoint.retiring.iter().filter(|it| it.until > now).filter_map(|it| {
        let pair = SigningPair::parse(it.key.expose()).ok()?;
        Some((pair.public().to_string(), Some(it.until)))
    });
    let listed: Vec<_> = current.chain(retiring).collect();
    Ok(store::public_keys_write(tx, endpoint.clinic_id, endpoint.id, &listed).await?)
}

/// The public keys of all endpoints, or of one, that sign now.
pub async fn public_keys(app: &App, endpoint: Option<EndpointId>) -> Result<Vec<PublicKey>> {
    let now = wall();
    let listed = app.db().read(move |tx| {
        Box::pin(async move { Ok::<_, Error>(store::public_keys_any(tx, endpoint, now).await?) })
    });
    let parse =
        |text: &String| PublicKey::parse(text).map_err(|_| Error::Internal("a public key has another form"));
    listed.await?.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use nimbus_core::ids::ClinicId;
    use nimbus_store::endpoints::{AfterDeadLetter, EndpointStatus, Payload, Shape};
    use uuid::Uuid;

    use super::*;

    const NOW: Ts = Ts::from_micros(1_800_000_000_000_000);
    const HOUR: i64 = 3600;

    fn endpoint(signing: Signing) -> Endpoint {
        let mut endpoint = Endpoint {
            id: EndpointId(Uuid::nil()),
            clinic_id: ClinicId(Uuid::nil()),
            shape: Shape::Partner,
            url: String::new(),
            event_types: Vec::new(),
            description: None,
            signing,
            secret: new_secret(),
            key_pair: None,
            public_key: None,
            retiring: Vec::new(),
            send_api_key: true,
            key_id: None,
            headers: Phi::default(),
            ordered: false,
            after_dead_letter: AfterDeadLetter::Skip,
            rate_limit_per_second: None,
            payload: Payload::Full,
            retry_schedule: None,
            status: EndpointStatus::Active,
            disabled_reason: None,
            failing_since: None,
            version: 1,
            created_at: NOW,
            updated_at: NOW,
            deleted_at: None,
        };
        first_pair(&mut endpoint);
        endpoint
    }

    fn at(hours: i64) -> Ts {
        NOW.plus_seconds(hours * HOUR)
    }

    #[test]
    fn rotating_twice_keeps_both_until_each_retires() {
        let mut endpoint = endpoint(Signing::Hmac);
        let first = endpoint.secret.clone();
        rotate(&mut endpoint, 24, NOW);
        let second = endpoint.secret.clone();
        rotate(&mut endpoint, 168, at(12));
        let third = endpoint.secret.clone();
        assert!(endpoint.signing_keys(at(23)) == [third.clone(), second.clone(), first]);
        assert!(endpoint.signing_keys(at(24)) == [third.clone(), second.clone()]);
        assert!(endpoint.signing_keys(at(179)) == [third.clone(), second]);
        assert!(endpoint.signing_keys(at(180)) == [third]);
    }

    #[test]
    fn at_most_five_sign_and_no_overlap_ends_them_all() {
        let mut endpoint = endpoint(Signing::Hmac);
        let mut made = vec![endpoint.secret.clone()];
        for _ in 0..6 {
            rotate(&mut endpoint, 24, NOW);
            made.insert(0, endpoint.secret.clone());
        }
        assert!(endpoint.signing_keys(NOW) == made[..5]);
        rotate(&mut endpoint, 0, NOW);
        assert!(endpoint.signing_keys(NOW) == [endpoint.secret.clone()]);
    }

    #[test]
    fn both_schemes_sign_while_an_endpoint_changes_over() {
        let mut endpoint = endpoint(Signing::Hmac);
        let secret = endpoint.secret.clone();
        switch(&mut endpoint, Signing::Hmac, NOW);
        assert!(endpoint.retiring.is_empty() && endpoint.key_pair.is_none());
        switch(&mut endpoint, Signing::Ed25519, NOW);
        let pair = endpoint.key_pair.clone().unwrap();
        assert!(endpoint.secret == secret, "the older header stays as it is");
        assert!(endpoint.signing_keys(at(23)) == [pair.clone(), secret.clone()]);
        assert!(endpoint.signing_keys(at(24)) == [pair.clone()]);
        let parsed = SigningPair::parse(pair.expose()).unwrap();
        assert_eq!(endpoint.public_key, Some(parsed.public().to_string()));

        switch(&mut endpoint, Signing::Hmac, at(1));
        assert!(endpoint.signing_keys(at(2)) == [secret.clone(), pair], "no key signs twice");
        assert!(endpoint.signing_keys(at(25)) == [secret]);
        assert_eq!((endpoint.public_key, endpoint.key_pair.is_none()), (None, true));
    }

    #[test]
    fn a_rotation_renews_the_pair_too() {
        let mut endpoint = endpoint(Signing::Ed25519);
        let (secret, pair) = (endpoint.secret.clone(), endpoint.key_pair.clone().unwrap());
        rotate(&mut endpoint, 24, NOW);
        let new = endpoint.key_pair.clone().unwrap();
        assert!(endpoint.secret != secret && new != pair);
        assert!(endpoint.signing_keys(NOW) == [new, pair]);
    }
}
