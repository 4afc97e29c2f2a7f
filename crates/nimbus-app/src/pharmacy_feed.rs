//! The pharmacy system's inbound feed: its own words for a state, kept and shown, and followed where known.

use nimbus_core::{
    ids::{LineId, OrderId},
    order::{FillStatus, HoldReason, Line, Lines, Order},
};
use nimbus_store::{Tx, orders as store};
use subtle::ConstantTimeEq;

use crate::{
    App,
    actor::Call,
    consequences::order_changed,
    error::{Error, Result, Unauthorized},
    outbox::Changes,
    pharmacy::{StaffAct, decide},
    unit::{Cx, Render, Reply},
};

/// Passes the pharmacy system by its shared secret. Without a configured secret nothing passes.
pub fn authenticate(app: &App, presented: Option<&str>) -> Result<()> {
    secret_matches(app.config().pharmacy_feed_secret.as_deref(), presented)
}

pub(crate) fn secret_matches(expected: Option<&str>, presented: Option<&str>) -> Result<()> {
    match (expected, presented) {
        (Some(expected), Some(presented)) if bool::from(expected.as_bytes().ct_eq(presented.as_bytes())) => {
            Ok(())
        }
        _ => Err(Error::Unauthorized(Unauthorized::Credential)),
    }
}

/// The longest word of a state that is kept.
pub const MAX_WORD: usize = 100;

pub struct Report {
    pub order: Option<OrderId>,
    /// One medication request; every live one of the order, if not given.
    pub line: Option<LineId>,
    /// The pharmacy system's word.
    pub word: String,
    pub note: Option<String>,
}

pub struct Reported {
    pub order: Order,
    /// Whether the word moved anything. Unknown words, and words for what is already so, move nothing.
    pub moved: bool,
}

/// What a known word asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// At least this far.
    Reach(FillStatus),
    Hold,
    Reject,
    Cancel,
}

fn meaning(word: &str) -> Option<Meaning> {
    let folded = word.trim().to_lowercase().replace([' ', '-'], "_");
    Some(match folded.as_str() {
        "verified" | "validated" => Meaning::Reach(FillStatus::Verified),
        "submitted" | "queued" | "sent" => Meaning::Reach(FillStatus::Submitted),
        "acknowledged" | "accepted" | "in_process" | "processing" => Meaning::Reach(FillStatus::Acknowledged),
        "filling" | "compounding" => Meaning::Reach(FillStatus::Filling),
        "filled" | "ready" | "ready_to_ship" | "completed" => Meaning::Reach(FillStatus::Filled),
        "on_hold" | "hold" => Meaning::Hold,
        "rejected" | "refused" => Meaning::Reject,
        "cancelled" | "canceled" => Meaning::Cancel,
        _ => return None,
    })
}

/// Takes a report: the word is kept on the lines, and a known one moves them forward, step by step, so that
/// partners are told of each. What has shipped is the parcel's to say.
pub async fn report(app: &App, call: &Call, report: Report, render: Render<Reported>) -> Result<Reply> {
    if report.word.trim().is_empty() || report.word.chars().count() > MAX_WORD {
        return Err(Error::field("status", format!("must be 1 to {MAX_WORD} characters")));
    }
    app.write(call, report, render, |tx, cx, report| Box::pin(report_in(tx, cx, report))).await
}

async fn report_in(tx: &mut Tx, cx: &Cx, report: &Report) -> Result<Reported> {
    let before = find(tx, report).await?;
    let cx = &cx.of_clinic(tx, before.clinic_id).await?;
    let named = |line: &Line| report.line.map_or(line.status.is_live(), |id| id == line.id);
    let ids: Vec<LineId> = before.lines.iter().filter(|line| named(line)).map(|line| line.id).collect();
    let mut order = before.clone();
    for line in order.lines.iter_mut().filter(|line| ids.contains(&line.id)) {
        line.pharmacy_word = Some(report.word.trim().to_owned());
        line.updated_at = cx.now;
    }
    let mut changes = Changes::default();
    if let Some(meaning) = meaning(&report.word) {
        order = follow(tx, cx, order, meaning, &ids, report.note.as_deref(), &mut changes).await?;
    }
    let moved = !changes.history.is_empty();
    order.updated_at = cx.now;
    order_changed(tx, cx, &before, &mut order, &mut changes).await?;
    changes.audit.push(cx.audit(Some(order.clinic_id), "order.pharmacy_word", "order", Some(order.id.0)));
    changes.write(tx, cx).await?;
    Ok(Reported { order, moved })
}

async fn find(tx: &mut Tx, report: &Report) -> Result<Order> {
    let found = match (report.line, report.order) {
        (Some(line), _) => store::order_get_by_line(tx, None, line).await?,
        (None, Some(order)) => store::order_get_any(tx, order).await?,
        (None, None) => return Err(Error::field("medication_order_id", "is required")),
    };
    let field = if report.line.is_some() { "medication_request_id" } else { "medication_order_id" };
    let unknown =
        if report.line.is_some() { "Medication request not found" } else { "Medication order not found" };
    let found = found.ok_or_else(|| Error::field(field, unknown))?;
    if report.order.is_some_and(|order| order != found.id) {
        return Err(Error::field("medication_request_id", "is not of this order"));
    }
    Ok(found)
}

/// The steps of the work, with the state each starts from.
const STEPS: [(FillStatus, StaffAct); 5] = [
    (FillStatus::Received, StaffAct::Verify),
    (FillStatus::Verified, StaffAct::Submit),
    (FillStatus::Submitted, StaffAct::Acknowledge),
    (FillStatus::Acknowledged, StaffAct::StartFill),
    (FillStatus::Filling, StaffAct::Fill),
];

async fn follow(
    tx: &mut Tx,
    cx: &Cx,
    mut order: Order,
    meaning: Meaning,
    ids: &[LineId],
    note: Option<&str>,
    changes: &mut Changes,
) -> Result<Order> {
    let act = cx.act(None, note.map(str::to_owned));
    let unshipped = |line: &Line| line.status.is_live() && line.standing().is_before_shipped();
    let (step, lines) = match meaning {
        Meaning::Reach(goal) => {
            for (from, step) in STEPS.iter().filter(|(from, _)| from.rank() < goal.rank()) {
                let lines = standing_at(&order, ids, |line| line.status == *from);
                if !lines.is_empty() {
                    let decision = decide(tx, cx, &order, *step, Lines::These(&lines), &act).await?;
                    order = changes.take(decision);
                }
            }
            return Ok(order);
        }
        Meaning::Hold => (StaffAct::Hold(HoldReason::Clarification), standing_at(&order, ids, unshipped)),
        Meaning::Reject => {
            let can = |line: &Line| line.status.is_live() && line.standing().is_before_filling();
            (StaffAct::Reject, standing_at(&order, ids, can))
        }
        Meaning::Cancel => (StaffAct::Cancel, standing_at(&order, ids, unshipped)),
    };
    if !lines.is_empty() {
        let decision = decide(tx, cx, &order, step, Lines::These(&lines), &act).await?;
        order = changes.take(decision);
    }
    Ok(order)
}

fn standing_at(order: &Order, ids: &[LineId], can: impl Fn(&Line) -> bool) -> Vec<LineId> {
    order.lines.iter().filter(|line| ids.contains(&line.id) && can(line)).map(|line| line.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_spelling_and_unknown_ones_mean_nothing() {
        assert_eq!(meaning(" Ready to Ship "), Some(Meaning::Reach(FillStatus::Filled)));
        assert_eq!(meaning("ON-HOLD"), Some(Meaning::Hold));
        assert_eq!(meaning("Awaiting RPh"), None);
        assert_eq!(meaning("shipped"), None);
    }
}
