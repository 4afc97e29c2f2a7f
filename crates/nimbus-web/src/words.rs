//! Closed sets of words on the wire, as schemas: listed once, by the enums that write and read them.

use std::borrow::Cow;

use crate::operations_api::{
    staff::{
        factors::{PROOFS, SENT},
        passkey_types::KINDS,
    },
    users::SETTABLE,
};
use nimbus_app::{
    audit::{disclosures::To, verify::Wrong},
    endpoints::{AfterDeadLetter, DeliveryState, EndpointStatus as Endpoint, Payload, Shape, Signing},
    inventory::Change,
    notices::NoticeKind,
    replays::{ReplayState, Which},
    sandbox::simulation::GOALS,
    tenancy::PartnerStatus as Partner,
    webhook_stats::Window,
};
use nimbus_core::{
    access::{Environment as Deployment, Profile, Role, Scope},
    eligibility::Rule,
    formulary::{DrugSpecies as MadeFor, Unit},
    gates::{Field, Gate as GateName},
    history::Subject,
    inventory::MoveKind,
    label::{NextStep, PurchaseState},
    order::{DeliverySpeed as Speed, FillStatus, HoldReason as Hold},
    original::OriginalKind as Original,
    patient::{
        ContactKind as Contact, Gender as PatientGender, PatientStatus as Patient, Species as PatientSpecies,
    },
    practitioner::PractitionerStatus as Practitioner,
    prescription::{DrugSchedule, PrescriptionStatus as Prescription},
    refill::RefillStatus as Refill,
    rules::LicenseCategory as License,
    sandbox_magic::FixtureKind as Fixture,
    shipment::ShipmentStatus as Shipment,
    simulation::Step,
    staff::{Method, UserState},
};
use nimbus_webhooks::{cause::Class as FailureKind, payload::triggerable};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{Schema, Type},
    },
};

/// Every word once, in the order of the set.
fn listed<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Vec<&'static str> {
    let mut words = Vec::with_capacity(all.len());
    for &member in all {
        if !words.contains(&word(member)) {
            words.push(word(member));
        }
    }
    words
}

macro_rules! sets {
    ($($(#[$doc:meta])* $name:ident: $all:expr, $word:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words = listed($all, $word);
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*};
}

sets! {
    /// Whose access to a patient's records it was.
    DisclosureTo: To::ALL, To::as_str;
    /// In what the audit log and its chain differ.
    AuditWrong: Wrong::ALL, Wrong::as_str;
    /// The status of a medication order, and of a medication request.
    OrderStatus: FillStatus::ALL, FillStatus::read_word;
    /// The same in the words of the orders API.
    OrdersStatus: FillStatus::ALL, FillStatus::orders_word;
    HoldReason: Hold::ALL, Hold::as_str;
    /// What resolves a hold.
    HoldField: Field::ALL, Field::as_str;
    Gate: GateName::ALL, GateName::as_str;
    /// What the original of a prescription is.
    OriginalKind: Original::ALL, Original::as_str;
    /// A state that a sandbox can be asked to bring an order to.
    SandboxGoal: GOALS, FillStatus::as_str;
    /// What the simulated pharmacy and carrier do.
    SandboxStep: Step::NAMES, |step| step;
    /// An event of either API, by its broad, narrow or older name.
    AnyEventName: &triggerable(), |name| name;
    /// The field that a magic value stands in.
    FixtureKind: Fixture::ALL, Fixture::as_str;
    /// Who can resolve a hold.
    Resolver: &["partner", "pharmacy"], |word| word;
    DeliverySpeed: Speed::ALL, Speed::as_str;
    HistorySubject: Subject::ALL, Subject::as_str;
    /// A partner through its key, staff, or the platform itself.
    ActorKind: &["key", "staff", "system"], |word| word;
    PrescriptionStatus: Prescription::ALL, Prescription::as_str;
    Schedule: DrugSchedule::ALL, DrugSchedule::as_str;
    RefillStatus: Refill::ALL, Refill::as_str;
    /// What a licence to send into a state is for.
    LicenseCategory: License::ALL, License::as_str;
    /// A rule of eligibility.
    RefillRule: Rule::ALL, Rule::as_str;
    ShipmentStatus: Shipment::ALL, Shipment::wire_word;
    /// How far the purchase of a label is.
    LabelPurchaseState: PurchaseState::ALL, PurchaseState::as_str;
    /// What staff can do about a purchase.
    LabelNextStep: NextStep::ALL, NextStep::as_str;
    PractitionerStatus: Practitioner::ALL, Practitioner::as_str;
    PatientStatus: Patient::ALL, Patient::as_str;
    Gender: PatientGender::ALL, PatientGender::as_str;
    Species: PatientSpecies::ALL, PatientSpecies::as_str;
    ContactKind: Contact::ALL, Contact::as_str;
    WebhookStatus: &[Endpoint::Active, Endpoint::Paused, Endpoint::Disabled], Endpoint::as_str;
    /// What a partner can set; a webhook is disabled by itself.
    SettableWebhookStatus: &[Endpoint::Active, Endpoint::Paused], Endpoint::as_str;
    /// What an ordered webhook does after a dead letter.
    DeadLetterPolicy: AfterDeadLetter::ALL, AfterDeadLetter::as_str;
    /// What signs deliveries: a shared secret (`v1`) or a key pair (`v1a`).
    SigningScheme: Signing::ALL, Signing::as_str;
    /// How much a webhook is told: all, or ids and status only.
    WebhookPayload: Payload::ALL, Payload::as_str;
    /// Which API registered a webhook.
    WebhookShape: Shape::ALL, Shape::as_str;
    DeliveryStatus: DeliveryState::ALL, DeliveryState::as_str;
    /// How far back the figures of a webhook go.
    StatsWindow: Window::ALL, Window::as_str;
    /// Which deliveries a replay sends again.
    ReplayChoice: Which::ALL, Which::as_str;
    /// How far a replay is.
    ReplayStatus: ReplayState::ALL, ReplayState::as_str;
    AttemptOutcome: &["delivered", "failed"], |word| word;
    /// Whether what failed may pass by itself.
    FailureClass: &[FailureKind::Permanent, FailureKind::Transient], FailureKind::as_str;
    PartnerStatus: Partner::ALL, Partner::as_str;
    /// What ends: a key, or a business associate agreement.
    NoticeSubject: NoticeKind::ALL, NoticeKind::as_str;
    /// What a key may do.
    KeyScope: Scope::ALL, Scope::as_str;
    /// A ready-made set of scopes.
    KeyProfile: Profile::ALL, Profile::as_str;
    /// Whom a drug is made for.
    DrugSpecies: MadeFor::ALL, MadeFor::as_str;
    /// What a drug is dispensed in, and its stock is counted in.
    DrugUnit: Unit::ALL, Unit::as_str;
    /// Which way stock is corrected.
    StockChange: Change::ALL, Change::as_str;
    /// Why a lot's quantity changed.
    StockMoveKind: MoveKind::ALL, MoveKind::as_str;
    Environment: Deployment::ALL, Deployment::as_str;
    StaffRole: Role::ALL, Role::as_str;
    /// How far an account is.
    StaffUserState: UserState::ALL, UserState::as_str;
    /// What an administrator can set; an account is opened by its owner.
    SettableUserState: SETTABLE, UserState::as_str;
    SignInMethod: Method::ALL, Method::as_str;
    /// A second factor that is sent.
    SentFactor: SENT, Method::as_str;
    /// What proves anew who one is.
    ProofMethod: PROOFS, Method::as_str;
    /// The kind of a credential in a browser.
    CredentialKind: KINDS, |word| word;
    /// What may be wanted beside a password.
    SecondFactor: &["totp", "passkey", "recovery_code"], |word| word;
}

/// How an actor's kind reads outside the audit log: whether staff have an account or a token is their own affair.
pub(crate) fn actor_kind(stored: &str) -> String {
    if stored == "user" { "staff" } else { stored }.to_owned()
}
