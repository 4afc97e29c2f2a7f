//! What a change leaves behind, written in its own transaction: history, audit, events and their deliveries.

use nimbus_core::{event::Event, history::Transition, order::Decision};
use nimbus_store::{
    Statement, Tx,
    audit::{self, AuditEntry},
    history,
};
use nimbus_webhooks::outbox;
pub(crate) use nimbus_webhooks::outbox::Asked;

use crate::{error::Result, unit::Cx};

/// Rows written in one round trip. An order of many lines for a clinic with many endpoints has more.
const BATCH: usize = 500;

/// The trail of one change, gathered while it is decided and written at its end.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) history: Vec<Transition>,
    pub(crate) events: Vec<Event>,
    pub(crate) audit: Vec<AuditEntry>,
}

impl Changes {
    /// Takes over what was decided about an order, and gives the order back.
    pub(crate) fn take(&mut self, decision: Decision) -> nimbus_core::order::Order {
        self.history.extend(decision.history);
        self.events.extend(decision.events);
        decision.order
    }

    /// Writes everything: one round trip for rows that decide nothing, after the sequences and subscriptions
    /// that they need.
    pub(crate) async fn write(self, tx: &mut Tx, cx: &Cx) -> Result<()> {
        let mut statements = history::history_statements(tx, &self.history).await?;
        statements.extend(audit::audit_statements(&self.audit));
        let told = outbox::rows(tx, cx.wall, &self.events, Some(cx.app.handover())).await?;
        statements.extend(tell(cx, told));
        write_all(tx, statements).await
    }
}

/// Writes events that a sandbox was asked for, who asked, and their deliveries.
pub(crate) async fn trigger(tx: &mut Tx, cx: &Cx, audit: &[AuditEntry], events: Vec<Asked>) -> Result<()> {
    let mut statements = audit::audit_statements(audit);
    let told = outbox::triggered_rows(tx, cx.wall, events, Some(cx.app.handover())).await?;
    statements.extend(tell(cx, told));
    write_all(tx, statements).await
}

/// The rows of events; what of them is due is handed to the dispatcher once they are committed.
fn tell(cx: &Cx, told: outbox::Rows) -> Vec<Statement> {
    cx.hand_over(told.fresh);
    if !told.statements.is_empty() {
        cx.has_news();
    }
    if told.is_due {
        cx.wake_dispatcher();
    }
    told.statements
}

async fn write_all(tx: &mut Tx, mut statements: Vec<Statement>) -> Result<()> {
    while !statements.is_empty() {
        let rest = statements.split_off(statements.len().min(BATCH));
        tx.batch(statements).await?;
        statements = rest;
    }
    Ok(())
}
