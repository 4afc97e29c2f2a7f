//! Signing in, and what staff do with their own account and sessions, under `/api/staff`. Replies are not kept under an
//! `Idempotency-Key`: cookies and secrets go with them.

pub mod account;
pub mod factors;
pub mod glass;
pub mod passkey_types;
pub mod passkeys;
pub mod session;
pub mod types;

use axum::response::Response;
use nimbus_app::{Error, error::Unauthorized, staff::sign_in::SignedIn};
use nimbus_core::staff::Stage;

use crate::{
    Web,
    cookies::Cookie,
    failure::{Credential, Failure},
    partner_api::envelope,
};

use self::types::SignInView;

/// What has ended meanwhile, or was taken the place of, is answered as one that never was.
fn told(error: Error) -> Failure {
    match error {
        Error::Unauthorized(Unauthorized::Credential) => Failure::Unauthorized(Credential::Session),
        other => other.into(),
    }
}

/// Sends a session that was begun, with its cookies.
fn begun(web: &Web, signed_in: &SignedIn) -> Response {
    let secure = web.has_secure_cookies();
    let mut response = envelope::found(SignInView::from(signed_in));
    let headers = response.headers_mut();
    match signed_in.session.stage {
        Stage::SecondFactor => Cookie::SignIn.keep(headers, secure, &signed_in.token),
        Stage::Full => {
            Cookie::Session.keep(headers, secure, &signed_in.token);
            Cookie::SignIn.forget(headers, secure);
        }
    }
    if let Some(device) = &signed_in.device {
        Cookie::Device.keep(headers, secure, device);
    }
    response
}
