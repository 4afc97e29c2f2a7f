//! The one error of the application. Each surface projects it onto its own shape and codes.

use nimbus_core::{eligibility::Finding, refusal::Refusal};
use nimbus_store::{Error as StoreError, JobError};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A field that cannot be accepted, by JSON path, and a sentence that says why without repeating the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    pub field: String,
    pub message: String,
    pub fault: Fault,
}

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The request itself: it cannot be read, or asks for what this version does not do.
    Request,
    /// A value in it.
    Value,
}

impl FieldError {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), fault: Fault::Value }
    }

    /// A part of the request that cannot be read, or that this version does not take.
    pub fn of_request(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { fault: Fault::Request, ..Self::new(field, message) }
    }
}

/// The kinds of business refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    RefillNotEligible,
    RefillExists,
    ServiceNotAvailable,
    OrderRejected,
    DuplicatePatient,
    InvalidStatusTransition,
    ReplayRunning,
    /// The body of the event is past its retention.
    EventExpired,
    /// Events behind the cursor are past their retention.
    CursorExpired,
}

/// One machine-readable reason of a refusal. `facts` are further named values, such as an id or a date.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Detail {
    pub field: Option<String>,
    pub reason: Option<String>,
    pub message: String,
    pub facts: Vec<(&'static str, String)>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("authentication failed")]
    Unauthorized(Unauthorized),
    #[error("the actor may not do this")]
    Forbidden,
    /// What is asked for is dangerous, and no factor was given of late.
    #[error("a factor must be given first")]
    StepUpRequired,
    /// The account has no second factor yet, without which it is good for nothing here.
    #[error("a second factor must be set up first")]
    SecondFactorRequired,
    /// Who one is was tried to be proved too often; the seconds until it may be tried again.
    #[error("too many attempts")]
    TooManyAttempts(u32),
    #[error("{0} not found")]
    NotFound(&'static str),
    #[error("the request is not valid")]
    Invalid(Vec<FieldError>),
    #[error("refused: {message}")]
    Refused { code: RefusalCode, message: String, details: Vec<Detail> },
    #[error("the idempotency key was used with another request")]
    IdempotencyConflict,
    #[error("the request with this idempotency key is still running")]
    IdempotencyInUse,
    #[error("the resource has changed")]
    PreconditionFailed,
    /// The carrier's system has not said yet whether it made the label; timed work finds out.
    #[error("a label is still being bought")]
    LabelPending,
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Internal(&'static str),
}

/// What is wrong with a credential, as far as the caller may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unauthorized {
    /// Missing, malformed, unknown, revoked, expired: the same answer for each.
    Credential,
    /// A key of the other environment, told from its prefix alone.
    WrongEnvironment,
}

impl Error {
    /// One field that cannot be accepted.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// A request that cannot be read; `$` stands for the whole of it.
    pub fn unreadable(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::of_request(field, message)])
    }

    /// Whether the same request may well succeed in a moment: the store is busy, away, or lost a race too often.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Store(StoreError::Conflict | StoreError::Busy | StoreError::Unavailable(_)))
    }

    pub(crate) fn refused(code: RefusalCode, message: impl Into<String>, details: Vec<Detail>) -> Self {
        Self::Refused { code, message: message.into(), details }
    }
}

/// An answer that decides the request, a refusal too, apart from what went wrong on the way to one.
pub(crate) fn refusal_apart<T>(answer: Result<T>) -> Result<Result<T>> {
    match answer {
        Err(error @ (Error::Invalid(_) | Error::Refused { .. })) => Ok(Err(error)),
        Err(error) => Err(error),
        Ok(found) => Ok(Ok(found)),
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (reason, facts) = match &refusal {
            Refusal::Transition { from, to } => {
                ("impossible_transition", vec![("from", (*from).to_owned()), ("to", (*to).to_owned())])
            }
            Refusal::NothingToDo { to } => ("nothing_to_do", vec![("to", (*to).to_owned())]),
            Refusal::UnknownLine => {
                return Self::field("medication_request_ids", "Medication request not found");
            }
            Refusal::UnknownHold => return Self::field("hold_id", "Hold not found"),
            Refusal::NoCancellationRequested => ("no_cancellation_requested", Vec::new()),
            Refusal::CancellationRequested => ("cancellation_requested", Vec::new()),
            Refusal::Inactive(_) => ("inactive", Vec::new()),
            Refusal::Prescription(status) => {
                ("prescription_not_active", vec![("prescription_status", (*status).to_owned())])
            }
        };
        let message = refusal.to_string();
        let detail = Detail { field: None, reason: Some(reason.to_owned()), message: message.clone(), facts };
        Self::refused(RefusalCode::InvalidStatusTransition, message, vec![detail])
    }
}

impl From<&Finding> for Detail {
    fn from(finding: &Finding) -> Self {
        let mut facts = vec![("citation", finding.citation.clone())];
        if let Some(day) = finding.passes_on {
            facts.push(("passes_on", day.to_string()));
        }
        Self {
            field: None,
            reason: Some(finding.rule.as_str().to_owned()),
            message: finding.message.clone(),
            facts,
        }
    }
}

impl JobError for Error {
    fn as_store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}
