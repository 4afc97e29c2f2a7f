//! Decisions by the rules: written once, with what they let come into being. What was asked is sealed: it tells when
//! a patient had a drug.

use nimbus_core::{
    decision::{Decision, DecisionKind, DecisionSubject, Outcome},
    eligibility::{Asking, Fill, OnFile, Question, Rule, Thresholds, Verdict},
    ids::{ClinicId, DecisionId},
    order::FillStatus,
    patient::Species,
    prescription::{DrugSchedule, PrescriptionStatus},
    quantity::Quantity,
    time::parse_date,
    us::State,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    documents::{self, Document},
    engine::{Columns, Statement, Tx},
    error::{Error, Result},
    rows::{list_columns, read_rows, word},
    seal::{ClinicKeys, SealedAt},
};

macro_rules! columns {
    () => {
        list_columns!("": clinic_id id kind subject subject_id pack_version question outcomes decided_at)
    };
}

const fn question_at(id: DecisionId) -> SealedAt {
    SealedAt { table: "decisions", column: "question", row: id.0 }
}

/// The statement that writes a decision, for the commit: nothing depends on it.
pub async fn decision_statement(tx: &mut Tx, decision: &Decision) -> Result<Statement> {
    let sql = concat!("insert into decisions (", columns!(), ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
    let keys = tx.keys(decision.clinic_id).await?;
    Ok(Statement::new(
        sql,
        vec![
            decision.clinic_id.into(),
            decision.id.into(),
            decision.kind.as_str().into(),
            decision.subject.as_str().into(),
            decision.subject_id.into(),
            decision.pack_version.as_str().into(),
            documents::seal(&keys, question_at(decision.id), &decision.question)?.into(),
            write_outcomes(&decision.outcomes).as_str().into(),
            decision.decided_at.into(),
        ],
    ))
}

/// A decision of any clinic by its own id, or those about a refill or an order, oldest first: for operators. Nothing
/// is decided about one thing more than a few times.
pub async fn decision_find_any(tx: &mut Tx, id: Uuid) -> Result<Vec<Decision>> {
    let by_id = concat!("select ", columns!(), " from decisions where id = $1");
    let by_subject =
        concat!("select ", columns!(), " from decisions where subject_id = $1 order by id limit 100");
    let mut rows = tx.query(by_id, &[id.into()]).await?;
    if rows.is_empty() {
        rows = tx.query(by_subject, &[id.into()]).await?;
    }
    read_rows(tx, rows, read).await
}

fn read(columns: &mut Columns<'_>, clinic_id: ClinicId, keys: &ClinicKeys) -> Result<Decision> {
    let id: DecisionId = columns.take()?;
    Ok(Decision {
        id,
        clinic_id,
        kind: word(&columns.take::<String>()?, DecisionKind::parse, "decisions.kind")?,
        subject: word(&columns.take::<String>()?, DecisionSubject::parse, "decisions.subject")?,
        subject_id: columns.take()?,
        pack_version: columns.take()?,
        question: documents::open(keys, question_at(id), &columns.take::<Vec<u8>>()?)?,
        outcomes: read_outcomes(&columns.take::<String>()?).ok_or(Error::Corrupt("decisions.outcomes"))?,
        decided_at: columns.take()?,
    })
}

/// `code:verdict` or `code:verdict:day` of each rule that failed, with a space between; nothing if none did.
fn write_outcomes(outcomes: &[Outcome]) -> String {
    let outcome = |outcome: &Outcome| match outcome.passes_on {
        Some(day) => format!("{}:{}:{day}", outcome.rule, outcome.verdict),
        None => format!("{}:{}", outcome.rule, outcome.verdict),
    };
    outcomes.iter().map(outcome).collect::<Vec<_>>().join(" ")
}

fn read_outcomes(text: &str) -> Option<Vec<Outcome>> {
    let outcome = |text: &str| {
        let mut parts = text.splitn(3, ':');
        let rule = Rule::parse(parts.next()?)?;
        let verdict = Verdict::parse(parts.next()?)?;
        let passes_on = match parts.next() {
            Some(day) => Some(parse_date(day)?),
            None => None,
        };
        Some(Outcome { rule, verdict, passes_on })
    };
    text.split_ascii_whitespace().map(outcome).collect()
}

/// The sealed form of a question. What is stored must stay readable: a new field has a default.
#[derive(Serialize, Deserialize)]
struct QuestionDocument {
    asking: String,
    status: String,
    schedule: String,
    state: Option<String>,
    species: String,
    quantity: i64,
    refills_authorized: u32,
    refills_used: u32,
    do_not_refill: bool,
    date_issued: String,
    expires_on: String,
    named_fill: Option<String>,
    /// Day and days supply.
    fills: Vec<(String, Option<u32>)>,
    has_open_refill: bool,
    patient_matches: bool,
    patient_active: bool,
    practitioner_active: bool,
    requested: Option<i64>,
    today: String,
    percent: u32,
    controlled_percent: u32,
}

impl From<&Question> for QuestionDocument {
    fn from(question: &Question) -> Self {
        let prescription = &question.prescription;
        let fill = |fill: &Fill| (fill.filled_on.to_string(), fill.days_supply);
        Self {
            asking: question.asking.as_str().to_owned(),
            status: prescription.status.as_str().to_owned(),
            schedule: prescription.schedule.as_str().to_owned(),
            state: prescription.state.map(|state| state.code().to_owned()),
            species: prescription.species.as_str().to_owned(),
            quantity: prescription.quantity.thousandths(),
            refills_authorized: prescription.refills_authorized,
            refills_used: prescription.refills_used,
            do_not_refill: prescription.do_not_refill,
            date_issued: prescription.date_issued.to_string(),
            expires_on: prescription.expires_on.to_string(),
            named_fill: question.named_fill.map(|status| status.as_str().to_owned()),
            fills: question.fills.iter().map(fill).collect(),
            has_open_refill: question.has_open_refill,
            patient_matches: question.patient_matches,
            patient_active: question.patient_active,
            practitioner_active: question.practitioner_active,
            requested: question.requested.map(Quantity::thousandths),
            today: question.today.to_string(),
            percent: question.thresholds.percent,
            controlled_percent: question.thresholds.controlled_percent,
        }
    }
}

impl QuestionDocument {
    /// `None` if a word, a day or a number of it is none.
    fn question(&self) -> Option<Question> {
        let fill = |(day, days_supply): &(String, Option<u32>)| {
            Some(Fill { filled_on: parse_date(day)?, days_supply: *days_supply })
        };
        Some(Question {
            asking: Asking::parse(&self.asking)?,
            prescription: OnFile {
                status: PrescriptionStatus::parse(&self.status)?,
                schedule: DrugSchedule::parse(&self.schedule)?,
                state: maybe(self.state.as_deref(), |code| State::parse(code).ok())?,
                species: Species::parse(&self.species)?,
                quantity: Quantity::from_thousandths(self.quantity)?,
                refills_authorized: self.refills_authorized,
                refills_used: self.refills_used,
                do_not_refill: self.do_not_refill,
                date_issued: parse_date(&self.date_issued)?,
                expires_on: parse_date(&self.expires_on)?,
            },
            named_fill: maybe(self.named_fill.as_deref(), FillStatus::parse)?,
            fills: self.fills.iter().map(fill).collect::<Option<_>>()?,
            has_open_refill: self.has_open_refill,
            patient_matches: self.patient_matches,
            patient_active: self.patient_active,
            practitioner_active: self.practitioner_active,
            requested: maybe(self.requested, Quantity::from_thousandths)?,
            today: parse_date(&self.today)?,
            thresholds: Thresholds { percent: self.percent, controlled_percent: self.controlled_percent },
        })
    }
}

/// Reads a value that may be absent: `None` if it is there and cannot be read.
fn maybe<T, U>(value: Option<T>, read: impl Fn(T) -> Option<U>) -> Option<Option<U>> {
    match value {
        Some(value) => read(value).map(Some),
        None => Some(None),
    }
}

impl Document for Question {
    fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&QuestionDocument::from(self))
    }

    fn from_json(json: &[u8]) -> serde_json::Result<Self> {
        let document: QuestionDocument = serde_json::from_slice(json)?;
        let unreadable = || serde::de::Error::custom("a question holds an unknown word, day or number");
        document.question().ok_or_else(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_read_as_written() {
        let day = parse_date("2026-02-01");
        let outcomes = [
            Outcome { rule: Rule::TooSoon, verdict: Verdict::Review, passes_on: day },
            Outcome { rule: Rule::Quantity, verdict: Verdict::Refuse, passes_on: None },
        ];
        let text = write_outcomes(&outcomes);
        assert_eq!(text, "too_soon:review:2026-02-01 quantity:refuse");
        assert_eq!(read_outcomes(&text), Some(outcomes.to_vec()));
        assert_eq!(read_outcomes(""), Some(Vec::new()));
        for bad in ["too_soon", "sooner:review", "too_soon:maybe", "too_soon:review:2026-2-1"] {
            assert_eq!(read_outcomes(bad), None, "{bad}");
        }
    }
}
