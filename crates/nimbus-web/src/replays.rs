//! What the APIs share of replays: reading what is to be sent again.

use nimbus_app::{
    endpoints::{FieldNames, Of},
    replays::{DEFAULT_PER_SECOND, MOST_PER_SECOND, Start, Which},
};

use crate::{
    checks::{boolean, count, one_of, text, timestamp},
    fields::Fields,
    webhooks::MAX_EVENT_TYPE,
};

/// The most event types of a replay.
const MAX_EVENT_TYPES: usize = 50;

/// What one API calls the fields of a replay.
pub(crate) struct ReplayFields {
    /// Those that are judged by the use case.
    pub(crate) names: &'static FieldNames,
    pub(crate) per_second: &'static str,
    pub(crate) dry_run: &'static str,
}

impl ReplayFields {
    pub(crate) fn read(&self, f: &mut Fields<'_>, of: Of) -> Option<Start> {
        let since = f.required("since", timestamp);
        let until = f.optional("until", timestamp);
        let which = f.optional("status", one_of(Which::ALL, Which::as_str)).unwrap_or(Which::Failed);
        let event_types =
            f.values(false, self.names.event_types, 1..=MAX_EVENT_TYPES, text(1..=MAX_EVENT_TYPE));
        let per_second = f.optional(self.per_second, count(1..=MOST_PER_SECOND));
        let dry_run = f.optional(self.dry_run, boolean).unwrap_or(false);
        Some(Start {
            of,
            names: self.names,
            since: since?,
            until,
            which,
            event_types,
            per_second: per_second.unwrap_or(DEFAULT_PER_SECOND),
            dry_run,
        })
    }
}
