//! Why a request was refused, before a surface has put it into its own shape.

use std::{borrow::Cow, sync::Arc};

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use nimbus_app::{Detail, Error, Fault, FieldError, RefusalCode, Reply, error::Unauthorized};
use nimbus_core::access::{Environment, Scope};

/// Tells a caller whose request met a busy server when to come again.
const RETRY_AFTER_SECONDS: u32 = 1;
/// A label whose purchase is not settled is looked for within this.
const LABEL_RETRY_AFTER_SECONDS: u32 = 60;

/// Which credential a route wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
    ApiKey,
    OpsToken,
    /// A session, and no operations token.
    Session,
    /// What somebody signs in with.
    SignIn,
    FeedSecret,
    OnboardingToken,
    CarrierSignature,
}

impl Credential {
    const fn wanted(self) -> &'static str {
        match self {
            Self::ApiKey => "Unauthorized: send a valid API key in the X-API-Key header.",
            Self::OpsToken => {
                "Unauthorized: sign in, or send a valid operations token as Authorization: Bearer."
            }
            Self::Session => "Unauthorized: sign in.",
            Self::SignIn => "Unauthorized: what was sent does not open an account.",
            Self::FeedSecret => "Unauthorized: send the shared secret in the X-Pharmetika-Secret header.",
            Self::OnboardingToken => "Unauthorized: send a valid onboarding token as Authorization: Bearer.",
            Self::CarrierSignature => {
                "Unauthorized: the notification must have the signature of its service."
            }
        }
    }

    /// The challenge of a 401 (RFC 9110 section 11.6.1).
    const fn challenge(self) -> &'static str {
        match self {
            Self::ApiKey => "ApiKey",
            Self::OpsToken | Self::OnboardingToken => "Bearer",
            Self::Session | Self::SignIn => "Session",
            Self::FeedSecret => "Secret",
            Self::CarrierSignature => "Signature",
        }
    }
}

/// A refusal or a breakdown.
#[derive(Debug)]
pub(crate) enum Failure {
    App(Error),
    Unauthorized(Credential),
    /// The API key is of the other environment.
    OtherEnvironment,
    MissingScope(Scope),
    /// Beyond the limit; the seconds until it is whole again.
    RateLimited(u32),
    /// A page of another host asks for it, or one that does not say of which it is.
    OtherPage,
    UnknownPath,
    MethodNotAllowed,
    /// The most that the route reads, in words.
    PayloadTooLarge(&'static str),
    /// What the route reads.
    UnsupportedMediaType(&'static str),
    Timeout,
    /// This process does not take more of the kind at a time.
    Full,
    Panic,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::App(error)
    }
}

/// What handlers give.
pub(crate) type Answer = Result<Response, Failure>;

/// An id that was sent elsewhere than in the path and names nothing is a field that is not valid.
pub(crate) fn named_by(field: &str, result: nimbus_app::Result<Reply>) -> Result<Reply, Failure> {
    result.map_err(|error| match error {
        Error::NotFound(what) => Error::field(field, format!("{what} not found")).into(),
        other => other.into(),
    })
}

/// A failure on its way to [`crate::meta`], which knows the surface and the request id.
#[derive(Debug, Clone)]
pub(crate) struct Failed(pub(crate) Arc<Failure>);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(Failed(Arc::new(self)));
        response
    }
}

/// The handler of paths that no route has.
pub(crate) async fn unknown_path() -> Failure {
    Failure::UnknownPath
}

/// How a surface calls the fields that use cases name in the partner API's words.
pub(crate) type Names = fn(&str) -> Cow<'_, str>;

/// A refusal as each surface tells it in its own shape. `code` is in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) details: Vec<Detail>,
    pub(crate) retry_after: Option<u32>,
    pub(crate) challenge: Option<&'static str>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: Vec::new(),
            retry_after: None,
            challenge: None,
        }
    }

    fn unavailable() -> Self {
        let message = "Nimbus cannot answer right now. Send the request again in a moment.";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
        Self { retry_after: Some(RETRY_AFTER_SECONDS), ..problem }
    }

    fn internal() -> Self {
        let message = "Something went wrong on our side. The request id helps us to find it.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
    }

    fn unauthorized(message: impl Into<String>, wanted: Credential) -> Self {
        let problem = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        Self { challenge: Some(wanted.challenge()), ..problem }
    }
}

impl Failure {
    /// What the caller is told, with the fields called as its surface calls them.
    pub(crate) fn problem(&self, environment: Environment, names: Names) -> Problem {
        match self {
            Self::App(error) => app_problem(error, environment, names),
            Self::Unauthorized(wanted) => Problem::unauthorized(wanted.wanted(), *wanted),
            Self::OtherEnvironment => other_environment(environment),
            Self::MissingScope(scope) => {
                let message = format!("The API key does not have the scope {scope}.");
                Problem::new(StatusCode::FORBIDDEN, "forbidden", message)
            }
            Self::RateLimited(seconds) => {
                let message = "Too many requests. Send it again when the limit is whole again.";
                let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message);
                Problem { retry_after: Some(*seconds), ..problem }
            }
            Self::OtherPage => {
                let message = "A request with the cookie of a session must come from a page of this host: it has a \
                    Sec-Fetch-Site of same-origin, or its Origin.";
                Problem::new(StatusCode::FORBIDDEN, "forbidden", message)
            }
            Self::UnknownPath => Problem::new(StatusCode::NOT_FOUND, "not_found", "There is no such path."),
            Self::MethodNotAllowed => Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "The path does not take this method; the Allow header names those it takes.",
            ),
            Self::PayloadTooLarge(limit) => {
                let message = format!("The body is larger than {limit}.");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
            }
            Self::UnsupportedMediaType(wanted) => {
                let message = format!("The body must be {wanted}.");
                Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
            }
            Self::Timeout | Self::Full => Problem::unavailable(),
            Self::Panic => Problem::internal(),
        }
    }

    /// Writes to the log what the caller is not told.
    pub(crate) fn log(&self) {
        match self {
            Self::App(Error::Store(error)) => match std::error::Error::source(error) {
                Some(cause) => tracing::error!(%error, %cause, "the store failed"),
                None => tracing::error!(%error, "the store failed"),
            },
            Self::App(error @ Error::Internal(_)) => {
                tracing::error!(%error, "the request failed");
            }
            Self::Timeout => tracing::error!("the request took too long"),
            Self::Panic => tracing::error!("the handler panicked"),
            _ => {}
        }
    }
}

fn other_environment(environment: Environment) -> Problem {
    let other = match environment {
        Environment::Sandbox => Environment::Production,
        Environment::Production => Environment::Sandbox,
    };
    let message =
        format!("Unauthorized: this is the {environment} environment, and the API key belongs to {other}.");
    Problem::unauthorized(message, Credential::ApiKey)
}

fn app_problem(error: &Error, environment: Environment, names: Names) -> Problem {
    match error {
        Error::Unauthorized(Unauthorized::Credential) => {
            Problem::unauthorized(Credential::ApiKey.wanted(), Credential::ApiKey)
        }
        Error::Unauthorized(Unauthorized::WrongEnvironment) => other_environment(environment),
        Error::Forbidden => {
            Problem::new(StatusCode::FORBIDDEN, "forbidden", "The credential does not allow this request.")
        }
        Error::StepUpRequired => Problem::new(
            StatusCode::FORBIDDEN,
            "step_up_required",
            "Prove who you are once more: POST /api/staff/session/step-up. It counts for ten minutes.",
        ),
        Error::SecondFactorRequired => Problem::new(
            StatusCode::FORBIDDEN,
            "second_factor_required",
            "The account has no second factor yet. Set one up first: POST /api/staff/passkeys/start or /api/staff/totp.",
        ),
        Error::TooManyAttempts(seconds) => {
            let message = "Too many attempts failed. Try again when the wait is over.";
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message);
            Problem { retry_after: Some(*seconds), ..problem }
        }
        Error::NotFound(what) => {
            Problem::new(StatusCode::NOT_FOUND, "not_found", format!("{what} not found"))
        }
        Error::Invalid(fields) => invalid(fields, names),
        Error::Refused { code, message, details } => {
            let status = match code {
                RefusalCode::ReplayRunning => StatusCode::CONFLICT,
                RefusalCode::EventExpired | RefusalCode::CursorExpired => StatusCode::GONE,
                _ => StatusCode::BAD_REQUEST,
            };
            let problem = Problem::new(status, refusal_code(*code), message.clone());
            let named = |detail: &Detail| Detail {
                field: detail.field.as_deref().map(|field| names(field).into_owned()),
                ..detail.clone()
            };
            Problem { details: details.iter().map(named).collect(), ..problem }
        }
        Error::IdempotencyConflict => Problem::new(
            StatusCode::CONFLICT,
            "idempotency_key_conflict",
            "The Idempotency-Key was used with another request.",
        ),
        Error::IdempotencyInUse => {
            let message = "The request with this Idempotency-Key is still running.";
            let problem = Problem::new(StatusCode::CONFLICT, "idempotency_key_in_use", message);
            Problem { retry_after: Some(RETRY_AFTER_SECONDS), ..problem }
        }
        Error::PreconditionFailed => Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition_failed",
            "The resource has changed since it was read.",
        ),
        Error::LabelPending => {
            let message = "The carrier's system has not answered. Whether it made the label is found out: read the \
                order again in a minute, or send the request again with its Idempotency-Key.";
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
            Problem { retry_after: Some(LABEL_RETRY_AFTER_SECONDS), ..problem }
        }
        Error::Store(_) if error.is_temporary() => Problem::unavailable(),
        Error::Store(_) | Error::Internal(_) => Problem::internal(),
    }
}

/// What is wrong with the request itself comes first, and gives the code.
fn invalid(fields: &[FieldError], names: Names) -> Problem {
    let named = |field: &FieldError| FieldError { field: names(&field.field).into_owned(), ..field.clone() };
    let mut fields: Vec<FieldError> = fields.iter().map(named).collect();
    fields.sort_by_key(|field| field.fault);
    let code = match fields.first().map(|field| field.fault) {
        Some(Fault::Request) => "invalid_request",
        _ => "validation_error",
    };
    let message = match fields.as_slice() {
        [only] => sentence(only),
        _ => {
            let mut wrong: Vec<&str> = fields.iter().map(|field| field.field.as_str()).collect();
            wrong.dedup();
            format!("The request is not valid: see details for {} fields.", wrong.len())
        }
    };
    let details = fields
        .into_iter()
        .map(|field| Detail { field: Some(field.field), message: field.message, ..Detail::default() })
        .collect();
    Problem { details, ..Problem::new(StatusCode::BAD_REQUEST, code, message) }
}

/// A message that is a sentence by itself stands alone: clients compare `Clinic not found`. Others begin in
/// lower case and follow the name of their field.
fn sentence(field: &FieldError) -> String {
    match field.message.chars().next() {
        Some(first) if first.is_uppercase() => field.message.clone(),
        _ => format!("{}: {}", field.field, field.message),
    }
}

const fn refusal_code(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::RefillNotEligible => "refill_not_eligible",
        RefusalCode::RefillExists => "refill_exists",
        RefusalCode::ServiceNotAvailable => "service_not_available",
        RefusalCode::OrderRejected => "order_rejected",
        RefusalCode::DuplicatePatient => "duplicate_patient",
        RefusalCode::InvalidStatusTransition => "invalid_status_transition",
        RefusalCode::ReplayRunning => "replay_running",
        RefusalCode::EventExpired => "event_expired",
        RefusalCode::CursorExpired => "cursor_expired",
    }
}
