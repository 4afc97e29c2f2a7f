//! A production deployment to try the gates in.

use nimbus_core::{
    ids::LicenseId,
    license::{License, LicenseCategory},
    time::Ts,
    us::State,
};
use nimbus_store::{Tx, licenses::license_insert_many};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Engine, Partner, Reply, Server, Staff, Store,
    story::{Ordered, text},
};

/// A production deployment with one clinic, a partner with an agreement, and people.
pub(super) struct Production {
    pub(super) server: Server,
    pub(super) partner: Partner,
    pub(super) staff: Staff,
    pub(super) clinic: String,
    pub(super) practitioner: String,
    patient: String,
}

fn practitioner(clinic: &str) -> Value {
    json!({
        "first_name": "Avery", "last_name": "Stone", "email": "avery.stone@example.com", "npi": "1245319599",
        "is_veterinarian": false, "assigned_clinic": clinic, "phone": "5125550143",
        "address_line_1": "1 Main St", "city": "Austin", "state_code": "TX", "zip_code": "78701",
    })
}

pub(super) fn patient(clinic: &str, practitioner: &str, change: &Value) -> Value {
    let mut body = json!({
        "first_name": "Robin", "last_name": "Vale", "gender": "female", "dob": "1990-05-17",
        "practitioner_id": practitioner, "assigned_clinic": clinic,
        "addresses": [{"addressLine1": "9 Elm St", "city": "Dallas", "state": "TX", "postalCode": "75201"}],
    });
    for (name, value) in change.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

impl Production {
    #[track_caller]
    pub(super) fn start(engine: Engine) -> Self {
        let store = Store::production(engine);
        let company = text(&store.json(&["admin", "partner", "create", "Acme Telehealth"])["id"]);
        let clinic =
            text(&store.json(&["admin", "clinic", "create", "--partner", &company, "Acme Clinic"])["id"]);
        store.json(&["admin", "partner", "approve", &company]);
        let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let baa = ["admin", "baa", "record", "--partner", &company, "--effective", "2020-01-01"];
        store.json(&[&baa[..], &["--document-hash", hash]].concat());
        let key = ["admin", "key", "issue", "--clinic", &clinic, "--profile", "integration"];
        let key = text(&store.json(&key)["key"]);
        let token = ["admin", "token", "issue", "tests", "--roles", "super_admin,pharmacist,technician"];
        let token = text(&store.json(&token)["token"]);
        for category in LicenseCategory::ALL {
            license(&store, State::Tx, *category);
        }
        let server = store.serve();
        let (partner, staff) = (Partner::new(&server.url(), &key), Staff::new(&server.url(), &token));
        let made = partner.post("/practitioner", &practitioner(&clinic));
        let practitioner = text(&made.data()["practitioner_id"]);
        let path = format!("/admin/practitioners/{practitioner}/activate");
        staff.act(&path).data();
        let made = partner.post("/patient", &patient(&clinic, &practitioner, &json!({})));
        let patient = text(&made.data()["patient_id"]);
        Self { server, partner, staff, clinic, practitioner, patient }
    }

    fn body(&self, lines: &[Value], change: &Value) -> Value {
        let mut body = json!({
            "clinic_id": self.clinic, "patient_id": self.patient, "practitioner_id": self.practitioner,
            "carrier_id": "se-11226", "service_id": "ups_ground", "medication_requests": lines,
        });
        for (name, value) in change.as_object().expect("an object") {
            body[name] = value.clone();
        }
        body
    }

    pub(super) fn order(&self, lines: &[Value], change: &Value) -> Reply {
        self.partner.post("/medication-order", &self.body(lines, change))
    }

    /// An order that is taken; its reasons of holds, by line.
    #[track_caller]
    pub(super) fn taken(&self, lines: &[Value], change: &Value) -> (Ordered, Vec<Value>) {
        let reply = self.order(lines, change);
        let order = Ordered::read(reply.said("Medication request created successfully"));
        let holds = self.open_holds(&order.id);
        (order, holds)
    }

    pub(super) fn open_holds(&self, order: &str) -> Vec<Value> {
        let read = self.partner.read_order(order);
        let holds = read["holds"].as_array().expect("holds").iter();
        holds.filter(|hold| hold["released_at"].is_null()).cloned().collect()
    }

    pub(super) fn status(&self, order: &str) -> String {
        text(&self.partner.read_order(order)["status"])
    }
}

/// Records a licence of the pharmacy that does not end.
pub(super) fn license(store: &Store, state: State, category: LicenseCategory) {
    let now = Ts::from_micros(0);
    let license = License {
        id: LicenseId(Uuid::now_v7()),
        state,
        category,
        number: format!("{}-{category}", state.code()),
        expires_on: nimbus_core::time::parse_date("2999-12-31").expect("a day"),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    store.behind(async |db| {
        let written: nimbus_store::Result<()> = db
            .write(move |tx: &mut Tx| {
                let license = license.clone();
                Box::pin(async move { license_insert_many(tx, &[license]).await })
            })
            .await;
        written.expect("the licence is recorded");
    });
}
