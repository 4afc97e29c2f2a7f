//! Passkeys in JSON as browsers read and write it (W3C Web Authentication Level 3, 5.1.7 to 5.1.9): in camelCase, with
//! bytes in base64url without padding.

use std::{borrow::Cow, ops::RangeInclusive};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nimbus_app::staff::passkeys::{
    Added, Asked, AskedOf, OFFERED, Passkey,
    ceremony::{Assertion, Registration},
};
use nimbus_core::staff::CHALLENGE_MINUTES;
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{Schema, Type},
    },
};
use uuid::Uuid;

use crate::{
    checks::one_of,
    fields::{Checked, Fields},
    wire::Time,
    words,
};

/// The kind of every credential that there is.
pub(crate) const KINDS: &[&str] = &["public-key"];
/// What people see whom a passkey is for.
const PARTY_NAME: &str = "Nimbus";
const TIMEOUT_MS: i64 = CHALLENGE_MINUTES * 60 * 1000;

/// A passkey of one's own.
#[derive(Serialize, ToSchema)]
pub struct PasskeyView {
    pub passkey_id: Uuid,
    /// What its owner calls it.
    #[schema(example = "Laptop")]
    pub name: String,
    pub created_at: Time,
    pub last_used_at: Option<Time>,
    /// Whether it is copied to other devices of its owner, as it said last.
    pub backed_up: bool,
    /// When its count of signatures last failed to grow: somebody else has likely copied it. Remove it.
    pub likely_copied_at: Option<Time>,
}

impl From<&Passkey> for PasskeyView {
    fn from(passkey: &Passkey) -> Self {
        Self {
            passkey_id: passkey.id.0,
            name: passkey.name.clone(),
            created_at: Time(passkey.created_at),
            last_used_at: passkey.used_at.map(Time),
            backed_up: passkey.backed_up,
            likely_copied_at: passkey.copied_at.map(Time),
        }
    }
}

/// A passkey that was added.
#[derive(Serialize, ToSchema)]
pub struct AddedPasskey {
    pub passkey: PasskeyView,
    /// Ten, where the account had none; they are shown this once.
    #[schema(example = json!(["7K3M-Q2ZX-94TD-0VWB"]))]
    pub recovery_codes: Vec<String>,
}

impl From<Added> for AddedPasskey {
    fn from(added: Added) -> Self {
        Self { passkey: PasskeyView::from(&added.passkey), recovery_codes: added.recovery_codes }
    }
}

/// Whom a passkey is for.
#[derive(Serialize, ToSchema)]
pub struct PasskeyParty {
    /// The name of the host.
    #[schema(example = "api-sandbox.nimbus-os.com")]
    pub id: String,
    #[schema(example = "Nimbus")]
    pub name: &'static str,
}

/// Whose a passkey is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyOwner {
    /// What the passkey knows its owner by: the bytes of the account's id.
    #[schema(example = "AZRo8jscfV6aYE8eKzxNFg")]
    pub id: String,
    #[schema(example = "jane.okafor@example.com")]
    pub name: String,
    #[schema(example = "Jane Okafor")]
    pub display_name: String,
}

/// What a passkey may sign by.
#[derive(Serialize, ToSchema)]
pub struct PasskeyAlgorithm {
    #[serde(rename = "type")]
    #[schema(value_type = words::CredentialKind)]
    pub kind: &'static str,
    /// Of COSE: -8 is EdDSA, -7 ES256, -257 RS256.
    #[schema(example = -7)]
    pub alg: i64,
}

/// A credential by its id.
#[derive(Serialize, ToSchema)]
pub struct PasskeyDescriptor {
    #[serde(rename = "type")]
    #[schema(value_type = words::CredentialKind)]
    pub kind: &'static str,
    #[schema(example = "RV7zTiBDqH2z1K_rObvLbMMt-TR8eJqGXs3KEpy-9Yw")]
    pub id: String,
}

/// Which authenticators do: those that verify whose they are and keep the passkey by themselves.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyAuthenticator {
    #[schema(example = "required")]
    pub resident_key: &'static str,
    #[schema(example = true)]
    pub require_resident_key: bool,
    #[schema(example = "required")]
    pub user_verification: &'static str,
}

/// For `PublicKeyCredential.parseCreationOptionsFromJSON()`, as it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyCreationOptions {
    pub rp: PasskeyParty,
    pub user: PasskeyOwner,
    /// It is good once, for five minutes.
    #[schema(example = "eGnCt3LUtY66k3jPjynibPk1qnffDaifqZwL3Ap29-U")]
    pub challenge: String,
    pub pub_key_cred_params: Vec<PasskeyAlgorithm>,
    /// In milliseconds.
    #[schema(example = 300_000)]
    pub timeout: i64,
    /// The passkeys that the account has.
    pub exclude_credentials: Vec<PasskeyDescriptor>,
    pub authenticator_selection: PasskeyAuthenticator,
    /// What kind of authenticator it is, is not asked.
    #[schema(example = "none")]
    pub attestation: &'static str,
}

impl From<&AskedOf> for PasskeyCreationOptions {
    fn from(AskedOf { user, asked }: &AskedOf) -> Self {
        Self {
            rp: PasskeyParty { id: asked.party.id.clone(), name: PARTY_NAME },
            user: PasskeyOwner {
                id: URL_SAFE_NO_PAD.encode(user.id.0.as_bytes()),
                name: user.email.clone(),
                display_name: user.name.clone(),
            },
            challenge: URL_SAFE_NO_PAD.encode(asked.challenge),
            pub_key_cred_params: OFFERED.map(|alg| PasskeyAlgorithm { kind: KINDS[0], alg }).into(),
            timeout: TIMEOUT_MS,
            exclude_credentials: descriptors(&asked.known),
            authenticator_selection: PasskeyAuthenticator {
                resident_key: "required",
                require_resident_key: true,
                user_verification: "required",
            },
            attestation: "none",
        }
    }
}

/// For `PublicKeyCredential.parseRequestOptionsFromJSON()`, as it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyRequestOptions {
    /// It is good once, for five minutes.
    #[schema(example = "RHihCxNSNI3RYME1Ow1Gm12xnrkcJ_ffpv7Tn-Jq8gs")]
    pub challenge: String,
    /// In milliseconds.
    #[schema(example = 300_000)]
    pub timeout: i64,
    /// The name of the host.
    #[schema(example = "api-sandbox.nimbus-os.com")]
    pub rp_id: String,
    /// The passkeys that do; any, if there are none: the passkey tells whose it is.
    pub allow_credentials: Vec<PasskeyDescriptor>,
    #[schema(example = "required")]
    pub user_verification: &'static str,
}

impl From<&Asked> for PasskeyRequestOptions {
    fn from(asked: &Asked) -> Self {
        Self {
            challenge: URL_SAFE_NO_PAD.encode(asked.challenge),
            timeout: TIMEOUT_MS,
            rp_id: asked.party.id.clone(),
            allow_credentials: descriptors(&asked.known),
            user_verification: "required",
        }
    }
}

fn descriptors(known: &[Vec<u8>]) -> Vec<PasskeyDescriptor> {
    known.iter().map(|id| PasskeyDescriptor { kind: KINDS[0], id: URL_SAFE_NO_PAD.encode(id) }).collect()
}

/// What `toJSON()` of a credential that was created answers; members that are not named here are passed over.
#[derive(ToSchema)]
pub struct PasskeyRegistration {
    #[schema(value_type = CredentialId)]
    pub id: String,
    #[schema(rename = "type", value_type = words::CredentialKind)]
    pub kind: String,
    pub response: PasskeyAttestation,
}

/// What was created.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct PasskeyAttestation {
    #[schema(rename = "clientDataJSON", value_type = CreatedClientData)]
    pub client_data: String,
    #[schema(rename = "attestationObject", value_type = AttestationBytes)]
    pub attestation: String,
}

/// What `toJSON()` of a credential that was got answers; members that are not named here are passed over.
#[derive(ToSchema)]
pub struct PasskeyAssertion {
    #[schema(value_type = CredentialId)]
    pub id: String,
    #[schema(rename = "type", value_type = words::CredentialKind)]
    pub kind: String,
    pub response: PasskeySignature,
}

/// What was signed, and the signature.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct PasskeySignature {
    #[schema(rename = "clientDataJSON", value_type = ClientData)]
    pub client_data: String,
    #[schema(value_type = AuthenticatorData)]
    pub authenticator_data: String,
    #[schema(value_type = SignatureBytes)]
    pub signature: String,
    /// Whose it is. A sign-in needs it.
    #[schema(value_type = Option<UserHandle>)]
    pub user_handle: Option<String>,
}

/// Groups of four, and of what is left the last letter without bits that stand for nothing (RFC 4648, section 5).
const BASE64URL: &str = "^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$";

/// Bytes in base64url: of so many letters, with an example.
macro_rules! base64url {
    ($($name:ident: $letters:expr, $example:expr;)*) => {$(
        pub(crate) struct $name;

        impl $name {
            const LETTERS: RangeInclusive<usize> = $letters;
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(BASE64URL));
                let (least, most) = (*Self::LETTERS.start(), *Self::LETTERS.end());
                text.min_length(Some(least)).max_length(Some(most)).examples([$example]).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*};
}

base64url! {
    CredentialId: 22..=1364, "RV7zTiBDqH2z1K_rObvLbMMt-TR8eJqGXs3KEpy-9Yw";
    CreatedClientData: 2..=8192, "eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIiwiY2hhbGxlbmdlIjoiZUduQ3QzTFV0WTY2azNqUGp5bmliUGsxcW5mZkRhaWZxWndMM0FwMjktVSIsIm9yaWdpbiI6Imh0dHBzOi8vYXBpLXNhbmRib3gubmltYnVzLW9zLmNvbSIsImNyb3NzT3JpZ2luIjpmYWxzZX0";
    ClientData: 2..=8192, "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiUkhpaEN4TlNOSTNSWU1FMU93MUdtMTJ4bnJrY0pfZmZwdjdUbi1KcThncyIsIm9yaWdpbiI6Imh0dHBzOi8vYXBpLXNhbmRib3gubmltYnVzLW9zLmNvbSIsImNyb3NzT3JpZ2luIjpmYWxzZX0";
    AttestationBytes: 2..=32768, "o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YVikv6vDdDKViwYzYNOtZGHJxHNa5_jt1GWSpeDwFFKy5LVdAAAAAN-FDgnbavvfq1Fpd5FQbPwAIEVe804gQ6h9s9Sv6zm7y2zDLfk0fHiahl7NyhKcvvWMpQECAyYgASFYIOsVHIF2siXMZRVZ_s8Hr0UP2FgCBGZWs0wY9s8ZOEPFIlggknuKpCeivhuINNIzotNPYfE7_UQRnDJdWJbhg_7khPI";
    AuthenticatorData: 2..=4096, "v6vDdDKViwYzYNOtZGHJxHNa5_jt1GWSpeDwFFKy5LUdAAAAAA";
    SignatureBytes: 2..=1024, "MEQCIDMQuUMZA8QB8b4r3I0jpAB2gtu93PhGmUlHt_Rl2vhAAiBOlN0ABHsxYGGzuZdyt-_ZWZSoPvWEs7a4Jeo1UCUbZg";
    UserHandle: 2..=86, "AZRo8jscfV6aYE8eKzxNFg";
}

/// Bytes in base64url, so many letters of it.
fn bytes(letters: RangeInclusive<usize>) -> impl Fn(&Value) -> Checked<Vec<u8>> {
    move |value| {
        let text = value.as_str().ok_or("must be text")?;
        if !letters.contains(&text.len()) {
            return Err(format!("must have {} to {} characters", letters.start(), letters.end()).into());
        }
        URL_SAFE_NO_PAD.decode(text).map_err(|_| "must be base64url without padding".into())
    }
}

fn read_credential_id(f: &mut Fields<'_>) -> Option<Vec<u8>> {
    let id = f.required("id", bytes(CredentialId::LETTERS));
    f.required("type", one_of(KINDS, |word| word))?;
    id
}

pub(super) fn read_registration(f: &mut Fields<'_>) -> Option<Registration> {
    let credential_id = read_credential_id(f);
    let response = f.required_object("response", read_attestation);
    let (client_data, attestation) = response?;
    Some(Registration { credential_id: credential_id?, client_data, attestation })
}

fn read_attestation(f: &mut Fields<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let client_data = f.required("clientDataJSON", bytes(CreatedClientData::LETTERS));
    let attestation = f.required("attestationObject", bytes(AttestationBytes::LETTERS));
    Some((client_data?, attestation?))
}

pub(super) fn read_assertion(f: &mut Fields<'_>) -> Option<Assertion> {
    let credential_id = read_credential_id(f);
    let signed = f.required_object("response", read_signature);
    Some(Assertion { credential_id: credential_id?, ..signed? })
}

/// All but the credential's id, which stands beside it.
fn read_signature(f: &mut Fields<'_>) -> Option<Assertion> {
    let client_data = f.required("clientDataJSON", bytes(ClientData::LETTERS));
    let authenticator_data = f.required("authenticatorData", bytes(AuthenticatorData::LETTERS));
    let signature = f.required("signature", bytes(SignatureBytes::LETTERS));
    let user_handle = f.optional("userHandle", bytes(UserHandle::LETTERS));
    Some(Assertion {
        credential_id: Vec::new(),
        client_data: client_data?,
        authenticator_data: authenticator_data?,
        signature: signature?,
        user_handle,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<PasskeyRegistration, _>(read_registration);
        assert_described::<PasskeyAttestation, _>(read_attestation);
        assert_described::<PasskeyAssertion, _>(read_assertion);
        assert_described::<PasskeySignature, _>(read_signature);
    }

    #[test]
    fn bytes_are_written_in_one_way() {
        let read = bytes(2..=8);
        assert_eq!(read(&json!("_-8")).unwrap(), [0xff, 0xef]);
        for wrong in ["", "A", "AAAAAAAAAA", "+/8", "_-8=", "_-9", "AB", "ABCDE", "a b", "é"] {
            assert!(read(&json!(wrong)).is_err(), "{wrong}");
        }
        assert!(read(&json!(7)).is_err());
    }
}
