//! Second factors, and proving anew who one is.

use axum::extract::State;
use nimbus_app::{
    Error,
    error::Unauthorized,
    staff::factors::{self, Factor, SecondFactor},
};
use nimbus_core::staff::{CONFIRMED_MINUTES, Method};
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{
    begun, told,
    types::{SignInView, secret},
};
use crate::{
    Web,
    body::Incoming,
    checks::one_of,
    cookies::Cookie,
    failure::Answer,
    fields::Fields,
    partner_api::envelope::{self, Nothing, Success},
    words,
};

/// What is sent as a second factor; a passkey signs in by itself.
pub(crate) const SENT: &[Method] = &[Method::Totp, Method::RecoveryCode];
/// What is sent to prove anew who one is.
pub(crate) const PROOFS: &[Method] = &[Method::Password, Method::Totp, Method::RecoveryCode];

#[derive(ToSchema)]
pub struct SecondFactorBody {
    #[schema(value_type = words::SentFactor)]
    pub method: String,
    /// Of the authenticator app, or a recovery code.
    #[schema(min_length = 1, max_length = 200, example = "492039")]
    pub code: String,
}

fn read_second_factor(f: &mut Fields<'_>) -> Option<Factor> {
    let method = f.required("method", one_of(SENT, Method::as_str));
    let secret = f.required("code", secret);
    Some(Factor { method: method?, secret: secret? })
}

/// Ends a sign-in that was begun with a password, by its cookie. A code is good once.
#[utoipa::path(post, path = "/staff/session/second-factor", tag = "Staff", operation_id = "giveSecondFactor",
    security(()),
    request_body(content = SecondFactorBody, description = "The second factor"),
    responses((status = 200, description = "Signed in", body = Success<SignInView>)))]
pub(crate) async fn second_factor(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.stranger(&request)?;
    let (from, secure) = (web.signs_in_from(&request), web.has_secure_cookies());
    let cookie = Cookie::SignIn.of(request.headers(), secure).map(str::to_owned);
    let factor = request.json(&mut call, read_second_factor).await?;
    let signed_in = match cookie {
        Some(cookie) => factors::second_factor(&web.app, &call, SecondFactor { cookie, factor, from }).await,
        None => Err(Error::Unauthorized(Unauthorized::Credential)),
    };
    match signed_in {
        Ok(signed_in) => Ok(begun(&web, &signed_in)),
        Err(error) => Err(web.not_let_in(&request, error)),
    }
}

#[derive(ToSchema)]
pub struct StepUpBody {
    #[schema(value_type = words::ProofMethod)]
    pub method: String,
    /// The password, a code of the authenticator app or a recovery code.
    #[schema(min_length = 1, max_length = 200, example = "correct horse battery staple")]
    pub secret: String,
}

fn read_step_up(f: &mut Fields<'_>) -> Option<Factor> {
    let method = f.required("method", one_of(PROOFS, Method::as_str));
    let secret = f.required("secret", secret);
    Some(Factor { method: method?, secret: secret? })
}

/// How long something lasts.
#[derive(Serialize, ToSchema)]
pub struct Confirmed {
    #[schema(example = 10)]
    pub minutes: i64,
}

/// Proves anew who one is: what is refused with `STEP_UP_REQUIRED` is allowed for ten minutes then. The session goes on
/// with another cookie.
#[utoipa::path(post, path = "/staff/session/step-up", tag = "Staff", operation_id = "stepUp",
    security(("StaffSession" = [])),
    request_body(content = StepUpBody, description = "Any factor of the account"),
    responses((status = 200, description = "Confirmed", body = Success<Confirmed>)))]
pub(crate) async fn step_up(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.session(&request).await?;
    let factor = request.json(&mut call, read_step_up).await?;
    let cookie = factors::step_up(&web.app, &call, factor).await.map_err(told)?;
    let mut response = envelope::found(Confirmed { minutes: CONFIRMED_MINUTES });
    Cookie::Session.keep(response.headers_mut(), web.has_secure_cookies(), &cookie);
    Ok(response)
}

/// What an authenticator app is set up with. It is shown this once.
#[derive(Serialize, ToSchema)]
pub struct TotpSetupView {
    /// For typing: base 32.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    pub secret: String,
    /// For a picture that apps read.
    #[schema(
        example = "otpauth://totp/Nimbus:jane.okafor%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Nimbus"
    )]
    pub uri: String,
}

/// A secret for an authenticator app: SHA-1, six digits, 30 seconds. It counts once a code of it was shown; another start
/// before that gives another one.
#[utoipa::path(post, path = "/staff/totp", tag = "Staff", operation_id = "startTotp",
    security(("StaffSession" = [])),
    responses((status = 200, description = "The secret", body = Success<TotpSetupView>)))]
pub(crate) async fn start_totp(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.session(&request).await?;
    call.confirmed()?;
    request.no_body(&mut call).await?;
    let setup = factors::totp_start(&web.app, &call).await.map_err(told)?;
    Ok(envelope::found(TotpSetupView { secret: setup.secret, uri: setup.uri }))
}

#[derive(ToSchema)]
pub struct TotpCode {
    /// Six digits.
    #[schema(min_length = 1, max_length = 200, example = "492039")]
    pub code: String,
}

fn read_code(f: &mut Fields<'_>) -> Option<Zeroizing<String>> {
    f.required("code", secret)
}

/// Recovery codes, each good once in the place of a second factor.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// They are shown this once.
    #[schema(example = json!(["7K3M-Q2ZX-94TD-0VWB"]))]
    pub recovery_codes: Vec<String>,
}

/// From now on a password alone does not do. Recovery codes come with it, where the account has none.
#[utoipa::path(post, path = "/staff/totp/confirm", tag = "Staff", operation_id = "confirmTotp",
    security(("StaffSession" = [])),
    request_body(content = TotpCode, description = "A code that the app shows"),
    responses((status = 200, description = "The app counts", body = Success<RecoveryCodes>)))]
pub(crate) async fn confirm_totp(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.session(&request).await?;
    call.confirmed()?;
    let code = request.json(&mut call, read_code).await?;
    let recovery_codes = factors::totp_confirm(&web.app, &call, code).await.map_err(told)?;
    Ok(envelope::found(RecoveryCodes { recovery_codes }))
}

#[utoipa::path(delete, path = "/staff/totp", tag = "Staff", operation_id = "removeTotp",
    security(("StaffSession" = [])),
    responses((status = 200, description = "The app does not count any more", body = Success<Nothing>)))]
pub(crate) async fn remove_totp(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.session(&request).await?;
    call.confirmed()?;
    factors::totp_remove(&web.app, &call).await.map_err(told)?;
    Ok(envelope::found(Nothing {}))
}

/// Ten codes in the place of those before.
#[utoipa::path(post, path = "/staff/recovery-codes", tag = "Staff", operation_id = "makeRecoveryCodes",
    security(("StaffSession" = [])),
    responses((status = 200, description = "The codes", body = Success<RecoveryCodes>)))]
pub(crate) async fn make_recovery_codes(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.session(&request).await?;
    call.confirmed()?;
    request.no_body(&mut call).await?;
    let recovery_codes = factors::recovery_codes(&web.app, &call).await.map_err(told)?;
    Ok(envelope::found(RecoveryCodes { recovery_codes }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<SecondFactorBody, _>(read_second_factor);
        assert_described::<StepUpBody, _>(read_step_up);
        assert_described::<TotpCode, _>(read_code);
    }
}
