//! The controls of a sandbox as both surfaces that have them read and show them. In production there is no such path.

use nimbus_app::{
    Rendered,
    sandbox::{
        clock::{MAX_DAYS, Moved, Target},
        fixtures::{Fixture, Fixtures, OfClinic},
        reset::WasReset,
        simulation::{Advanced, Done, GOALS},
        trigger::Triggered,
    },
};
use nimbus_core::{access::Environment, order::FillStatus};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Web,
    checks::{count, one_of, timestamp},
    failure::Failure,
    fields::Fields,
    partner_api::envelope,
    wire::Time,
    words,
};

/// The furthest that days and hours move a clock; the schemas say it too.
const MAX_ADVANCE_DAYS: u32 = MAX_DAYS as u32;

impl Web {
    /// Passes in a sandbox alone. Elsewhere the path is as unknown as any other.
    pub(crate) fn sandbox_only(&self) -> Result<(), Failure> {
        match self.environment() {
            Environment::Sandbox => Ok(()),
            Environment::Production => Err(Failure::UnknownPath),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct FixturesView {
    pub fixtures: Vec<FixtureView>,
    /// The clinic's time. It is null where no clinic was named.
    pub now: Option<Time>,
    /// What the seed, or the latest reset, made in this clinic, where that is known.
    pub ready_made: Option<ReadyView>,
}

#[derive(Serialize, ToSchema)]
pub struct FixtureView {
    /// The field that it stands in.
    #[schema(value_type = words::FixtureKind)]
    pub kind: &'static str,
    /// The magic value.
    #[schema(examples("1999999992"))]
    pub value: &'static str,
    /// What it does.
    #[schema(examples(
        "A practitioner registered with it stays pending until staff activate it; orders wait on hold."
    ))]
    pub effect: &'static str,
}

/// A practitioner, a patient, and an order of theirs that was delivered.
#[derive(Serialize, ToSchema)]
pub struct ReadyView {
    pub practitioner_id: Uuid,
    pub patient_id: Uuid,
    pub medication_order_id: Uuid,
    pub medication_request_id: Uuid,
    pub prescription_id: Uuid,
}

impl From<nimbus_app::sandbox::Ready> for ReadyView {
    fn from(ready: nimbus_app::sandbox::Ready) -> Self {
        Self {
            practitioner_id: ready.practitioner_id.0,
            patient_id: ready.patient_id.0,
            medication_order_id: ready.fill.medication_order_id.0,
            medication_request_id: ready.fill.medication_request_id.0,
            prescription_id: ready.fill.prescription_id.0,
        }
    }
}

impl From<Fixtures> for FixturesView {
    fn from(found: Fixtures) -> Self {
        let view = |it: Fixture| FixtureView { kind: it.kind.as_str(), value: it.value, effect: it.effect };
        let OfClinic { now, ready, .. } = match found.clinic {
            Some(clinic) => clinic,
            None => {
                let fixtures = found.values.into_iter().map(view).collect();
                return Self { fixtures, now: None, ready_made: None };
            }
        };
        Self {
            fixtures: found.values.into_iter().map(view).collect(),
            now: Some(Time(now)),
            ready_made: ready.map(ReadyView::from),
        }
    }
}

/// Where to: exactly one of the three.
#[derive(ToSchema)]
pub struct ClockMove {
    #[schema(minimum = 1, maximum = 400)]
    pub advance_days: Option<u32>,
    #[schema(minimum = 1, maximum = 9600)]
    pub advance_hours: Option<u32>,
    /// A time that is not before the clinic's, and within 400 days of it.
    #[schema(format = DateTime, value_type = Option<String>)]
    pub to: Option<String>,
}

pub(crate) fn read_target(f: &mut Fields<'_>) -> Option<Target> {
    let days = f.optional("advance_days", count(1..=MAX_ADVANCE_DAYS)).map(Target::Days);
    let hours = f.optional("advance_hours", count(1..=MAX_ADVANCE_DAYS * 24)).map(Target::Hours);
    let to = f.optional("to", timestamp).map(Target::To);
    const NAMES: [&str; 3] = ["advance_days", "advance_hours", "to"];
    let given: Vec<&str> = NAMES.into_iter().filter(|name| f.has(name)).collect();
    match given.as_slice() {
        [] => f.refuse(NAMES[0], "is required, or advance_hours, or to"),
        [_] => {}
        [_, second, ..] => f.refuse(second, "cannot be given with another: name one way to move the clock"),
    }
    days.or(hours).or(to)
}

#[derive(Serialize, ToSchema)]
pub struct ClockView {
    /// The clinic's time before.
    pub now_before: Time,
    /// The clinic's time now.
    pub now: Time,
    /// How much fell due on the way, each done at its own time: prescriptions that expired, refills that became due,
    /// steps of orders.
    pub fired: u32,
    /// Whether the clock is where it was to go. If it is not, more fell due than one request does: send it again.
    #[schema(examples(true))]
    pub finished: bool,
}

pub(crate) fn render_clock(moved: &Moved) -> Rendered {
    let view = ClockView {
        now_before: Time(moved.before),
        now: Time(moved.now),
        fired: moved.done,
        finished: moved.finished,
    };
    envelope::written(view, "OK")
}

/// How far: one step, if it is not said.
#[derive(ToSchema)]
pub struct OrderAdvance {
    /// The state to reach, unless something keeps the order before it.
    #[schema(value_type = Option<words::SandboxGoal>)]
    pub to: Option<String>,
}

pub(crate) fn read_goal(f: &mut Fields<'_>) -> Option<Option<FillStatus>> {
    Some(f.optional("to", one_of(GOALS, FillStatus::as_str)))
}

#[derive(Serialize, ToSchema)]
pub struct AdvanceView {
    pub medication_order_id: Uuid,
    #[schema(value_type = words::OrderStatus)]
    pub status: &'static str,
    /// What was done, in order.
    pub steps: Vec<StepView>,
    /// The holds that keep it, each reason once.
    #[schema(value_type = Vec<words::HoldReason>, examples(json!([])))]
    pub waiting_for: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
pub struct StepView {
    #[schema(value_type = words::SandboxStep)]
    pub step: &'static str,
    /// The order's status after it.
    #[schema(value_type = words::OrderStatus)]
    pub status: &'static str,
}

pub(crate) fn render_advanced(advanced: &Advanced) -> Rendered {
    let step = |done: &Done| StepView { step: done.step.as_str(), status: done.status.read_word() };
    let view = AdvanceView {
        medication_order_id: advanced.order.id.0,
        status: advanced.order.status.read_word(),
        steps: advanced.steps.iter().map(step).collect(),
        waiting_for: advanced.waits_for.iter().map(|reason| reason.as_str()).collect(),
    };
    envelope::written(view, "OK")
}

#[derive(Serialize, ToSchema)]
pub struct TriggerView {
    /// The event that was triggered.
    #[schema(examples("medication:shipped"))]
    pub event_type: String,
    /// How often.
    pub count: u32,
}

pub(crate) fn render_triggered(triggered: &Triggered) -> Rendered {
    let view = TriggerView { event_type: triggered.event_type.clone(), count: triggered.count };
    envelope::written(view, "OK")
}

#[derive(Serialize, ToSchema)]
pub struct ResetView {
    pub clinic_id: Uuid,
    /// What the clinic has now.
    pub ready_made: ReadyView,
}

pub(crate) fn render_reset(was: &WasReset) -> Rendered {
    let view = ResetView { clinic_id: was.clinic_id.0, ready_made: ReadyView::from(was.ready) };
    envelope::written(view, "OK")
}

#[cfg(test)]
mod tests {
    use nimbus_app::Error;
    use serde_json::json;

    use super::*;
    use crate::fields::{assert_described, read};

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<ClockMove, _>(read_target);
        assert_described::<OrderAdvance, _>(read_goal);
    }

    #[test]
    fn a_clock_is_moved_in_one_way_at_a_time() {
        assert!(matches!(read(&json!({"advance_days": 3}), read_target), Ok(Target::Days(3))));
        assert!(matches!(read(&json!({"advance_hours": "48"}), read_target), Ok(Target::Hours(48))));
        let at = json!({"to": "2026-01-15T10:30:00Z"});
        assert!(matches!(read(&at, read_target), Ok(Target::To(_))));
        for (body, field) in [
            (json!({}), "advance_days"),
            (json!({"advance_days": 0}), "advance_days"),
            (json!({"advance_days": 401}), "advance_days"),
            (json!({"advance_days": -1}), "advance_days"),
            (json!({"advance_days": 1, "advance_hours": 1}), "advance_hours"),
            (json!({"advance_hours": 1, "to": "2026-01-15T10:30:00Z"}), "to"),
        ] {
            match read(&body, read_target) {
                Err(Error::Invalid(fields)) => assert_eq!(fields[0].field, field, "{body}"),
                other => panic!("{body}: {}", other.is_ok()),
            }
        }
    }
}
