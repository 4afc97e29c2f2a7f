//! Passkeys: one's own, signing in with one, and proving anew who one is.

use axum::extract::State;
use nimbus_app::staff::passkeys::{self, NewPasskey, SignIn, ceremony::Assertion};
use nimbus_core::staff::CONFIRMED_MINUTES;
use utoipa::ToSchema;

use super::{
    begun,
    factors::Confirmed,
    passkey_types::{
        AddedPasskey, PasskeyAssertion, PasskeyCreationOptions, PasskeyRegistration, PasskeyRequestOptions,
        PasskeyView, read_assertion, read_registration,
    },
    told,
    types::SignInView,
};
use crate::{
    Web,
    body::Incoming,
    checks::text,
    cookies::Cookie,
    failure::Answer,
    fields::Fields,
    partner_api::envelope::{self, Nothing, Success},
};

/// One's own, newest first: ten at most.
#[utoipa::path(get, path = "/staff/passkeys", tag = "Staff", operation_id = "listPasskeys",
    security(("StaffSession" = [])),
    responses((status = 200, description = "The passkeys", body = Success<Vec<PasskeyView>>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.session(&request).await?;
    let found = passkeys::list(&web.app, &call).await?;
    Ok(envelope::found(found.iter().map(PasskeyView::from).collect::<Vec<_>>()))
}

/// What a browser makes a passkey with: `navigator.credentials.create({publicKey:
/// PublicKeyCredential.parseCreationOptionsFromJSON(data)})`. Another start takes the place of this one.
#[utoipa::path(post, path = "/staff/passkeys/start", tag = "Staff", operation_id = "startPasskey",
    security(("StaffSession" = [])),
    responses((status = 200, description = "The options", body = Success<PasskeyCreationOptions>)))]
pub(crate) async fn start(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.session(&request).await?;
    call.confirmed()?;
    request.no_body(&mut call).await?;
    let asked = passkeys::start_adding(&web.app, &call).await.map_err(told)?;
    Ok(envelope::found(PasskeyCreationOptions::from(&asked)))
}

#[derive(ToSchema)]
pub struct NewPasskeyBody {
    /// What to call it.
    #[schema(min_length = 1, max_length = 100, example = "Laptop")]
    pub name: String,
    pub credential: PasskeyRegistration,
}

fn read_new(f: &mut Fields<'_>) -> Option<NewPasskey> {
    let name = f.required("name", text(1..=100));
    let sent = f.required_object("credential", read_registration);
    Some(NewPasskey { name: name?, sent: sent? })
}

/// Adds the passkey that a browser has made: it signs in by itself, and from now on a password alone does not do. Recovery
/// codes come with it, where the account has none.
#[utoipa::path(post, path = "/staff/passkeys/finish", tag = "Staff", operation_id = "addPasskey",
    security(("StaffSession" = [])),
    request_body(content = NewPasskeyBody, description = "The credential's `toJSON()`, and a name"),
    responses((status = 200, description = "Added", body = Success<AddedPasskey>)))]
pub(crate) async fn finish(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.session(&request).await?;
    call.confirmed()?;
    let new = request.json(&mut call, read_new).await?;
    let added = passkeys::add(&web.app, &call, new).await.map_err(told)?;
    Ok(envelope::found(AddedPasskey::from(added)))
}

/// Takes one of one's own away.
#[utoipa::path(delete, path = "/staff/passkeys/{id}", tag = "Staff", operation_id = "removePasskey",
    security(("StaffSession" = [])),
    params(("id" = String, Path, description = "The passkey's id")),
    responses((status = 200, description = "Removed", body = Success<Nothing>)))]
pub(crate) async fn remove(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.session(&request).await?;
    call.confirmed()?;
    let id = request.id("id", "Passkey")?;
    passkeys::remove(&web.app, &call, id).await.map_err(told)?;
    Ok(envelope::found(Nothing {}))
}

/// What a browser signs in with: `navigator.credentials.get({publicKey:
/// PublicKeyCredential.parseRequestOptionsFromJSON(data)})`. It names no account: the passkey does.
#[utoipa::path(post, path = "/staff/session/passkey/start", tag = "Staff", operation_id = "startPasskeySignIn",
    security(()),
    responses((status = 200, description = "The options", body = Success<PasskeyRequestOptions>)))]
pub(crate) async fn start_sign_in(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.asks_for_challenge(&request)?;
    request.no_body(&mut call).await?;
    let asked = passkeys::start_sign_in(&web.app, &call).await?;
    Ok(envelope::found(PasskeyRequestOptions::from(&asked)))
}

#[derive(ToSchema)]
pub struct PasskeyBody {
    pub credential: PasskeyAssertion,
}

fn read_signed(f: &mut Fields<'_>) -> Option<Assertion> {
    f.required_object("credential", read_assertion)
}

/// Signs in with a passkey alone, which is two factors in one, or ends a sign-in that was begun with a password. Whatever
/// is wrong with it is answered alike, and counts as a wrong password does.
#[utoipa::path(post, path = "/staff/session/passkey/finish", tag = "Staff", operation_id = "signInWithPasskey",
    security(()),
    request_body(content = PasskeyBody, description = "The credential's `toJSON()`"),
    responses((status = 200, description = "Signed in", body = Success<SignInView>)))]
pub(crate) async fn sign_in(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.stranger(&request)?;
    let (from, secure) = (web.signs_in_from(&request), web.has_secure_cookies());
    let cookie = Cookie::SignIn.of(request.headers(), secure).map(str::to_owned);
    let sent = request.json(&mut call, read_signed).await?;
    match passkeys::sign_in(&web.app, &call, SignIn { sent, cookie, from }).await {
        Ok(signed_in) => Ok(begun(&web, &signed_in)),
        Err(error) => Err(web.not_let_in(&request, error)),
    }
}

/// What a browser proves anew with who one is, for `PublicKeyCredential.parseRequestOptionsFromJSON()`. Another start takes
/// the place of this one.
#[utoipa::path(post, path = "/staff/session/step-up/passkey/start", tag = "Staff",
    operation_id = "startPasskeyStepUp", security(("StaffSession" = [])),
    responses((status = 200, description = "The options", body = Success<PasskeyRequestOptions>)))]
pub(crate) async fn start_step_up(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.session(&request).await?;
    request.no_body(&mut call).await?;
    let asked = passkeys::start_step_up(&web.app, &call).await.map_err(told)?;
    Ok(envelope::found(PasskeyRequestOptions::from(&asked)))
}

/// Proves anew who one is with one of one's passkeys, as a password or a code does. The session goes on with another
/// cookie.
#[utoipa::path(post, path = "/staff/session/step-up/passkey/finish", tag = "Staff",
    operation_id = "stepUpWithPasskey", security(("StaffSession" = [])),
    request_body(content = PasskeyBody, description = "The credential's `toJSON()`"),
    responses((status = 200, description = "Confirmed", body = Success<Confirmed>)))]
pub(crate) async fn step_up(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.session(&request).await?;
    let sent = request.json(&mut call, read_signed).await?;
    let cookie = passkeys::step_up(&web.app, &call, sent).await.map_err(told)?;
    let mut response = envelope::found(Confirmed { minutes: CONFIRMED_MINUTES });
    Cookie::Session.keep(response.headers_mut(), web.has_secure_cookies(), &cookie);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<NewPasskeyBody, _>(read_new);
        assert_described::<PasskeyBody, _>(read_signed);
    }
}
