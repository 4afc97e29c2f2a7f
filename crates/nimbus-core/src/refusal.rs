//! Why a change of status is refused.

/// Why a change was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a status of {from} cannot become {to}")]
    Transition { from: &'static str, to: &'static str },
    #[error("the order has no medication request that this can be done to")]
    NothingToDo { to: &'static str },
    #[error("the medication request is not part of this order")]
    UnknownLine,
    #[error("there is no open hold of that id")]
    UnknownHold,
    #[error("no cancellation has been requested")]
    NoCancellationRequested,
    #[error("a cancellation was requested: accept or decline it first")]
    CancellationRequested,
    #[error("a prescription of the order is {0}")]
    Prescription(&'static str),
    #[error("the {0} is inactive")]
    Inactive(&'static str),
}

impl Refusal {
    pub const fn transition(from: &'static str, to: &'static str) -> Self {
        Self::Transition { from, to }
    }
}
