//! Requests at the same time: one wins, the others are refused, nothing happens twice.

use std::{sync::Barrier, thread};

use serde_json::json;

use crate::support::{Reply, Server, two_engines};

pub(crate) const AT_ONCE: usize = 8;

/// Sends one request from each of several threads at the same moment.
pub(crate) fn at_once(send: impl Fn() -> Reply + Sync) -> Vec<Reply> {
    let start = Barrier::new(AT_ONCE);
    let send = || {
        start.wait();
        send()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(send)).collect();
        running.into_iter().map(|sender| sender.join().expect("no sender fails")).collect()
    })
}

/// Exactly one reply is a success; the others are refused with 400 and this code.
#[track_caller]
fn one_wins(replies: &[Reply], code: &str) {
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!(won.len(), 1, "{:?}", replies.iter().map(|reply| reply.body.to_string()).collect::<Vec<_>>());
    for reply in lost {
        reply.refused(400, code);
    }
}

two_engines! {
    fn of_several_verifications_one_wins(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        for _ in 0..3 {
            let order = partner.order(&seed);
            let path = format!("/pharmacy/orders/{}/verify", order.id);
            one_wins(&at_once(|| staff.act(&path)), "INVALID_STATUS_TRANSITION");
            let view = partner.read_order(&order.id);
            assert_eq!(view["status"], "verified");
            let verified = |row: &&serde_json::Value| row["subject"] == "order" && row["to"] == "verified";
            assert_eq!(view["status_history"].as_array().expect("history").iter().filter(verified).count(), 1);
        }
    }

    fn of_verify_and_cancel_one_wins_or_they_follow(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        for _ in 0..4 {
            let order = partner.order(&seed);
            let verify_path = format!("/pharmacy/orders/{}/verify", order.id);
            let cancel_path = format!("/medication-order/{}/cancel", order.id);
            let (verify, cancel) = thread::scope(|scope| {
                let verify = scope.spawn(|| staff.act(&verify_path));
                let cancel = scope.spawn(|| partner.act(&cancel_path));
                (verify.join().expect("verify"), cancel.join().expect("cancel"))
            });
            // A cancel is possible before and after the verification; a verification only before.
            cancel.data();
            if verify.status != 200 {
                verify.refused(400, "INVALID_STATUS_TRANSITION");
            }
            assert_eq!(partner.read_order(&order.id)["status"], "cancelled");
        }
    }

    fn of_several_refill_requests_one_is_made(engine) {
        let (server, seed) = Server::seeded(engine);
        let partner = server.pharmacy_partner(&seed);
        let body = json!({"medication_request_id": seed.medication_request_id});
        one_wins(&at_once(|| partner.post("/refill-request", &body)), "REFILL_EXISTS");
        let list = partner.get("/refill-request").data().clone();
        assert_eq!(list.as_array().expect("a list").len(), 1);
        let prescription = partner.get(&format!("/prescription/{}", seed.prescription_id)).data().clone();
        assert_eq!(prescription["refills_remaining"], 2);
    }

    fn of_the_same_patient_several_times_one_is_made(engine) {
        let (server, seed) = Server::seeded(engine);
        let partner = server.partner(&seed);
        let body = json!({
            "first_name": "Robin", "last_name": "Vale", "gender": "female", "dob": "1990-05-17",
            "practitioner_id": seed.practitioner_id, "assigned_clinic": seed.clinic_id,
            "addresses": [{"addressLine1": "9 Elm St", "city": "Dallas", "state": "TX", "postalCode": "75201"}],
        });
        let replies = at_once(|| partner.post("/patient", &body));
        one_wins(&replies, "DUPLICATE_PATIENT");
        let made = replies.iter().find(|reply| reply.status == 200).expect("one won");
        for lost in replies.iter().filter(|reply| reply.status == 400) {
            assert_eq!(lost.body["error"]["details"][0]["patient_id"], made.data()["patient_id"]);
        }
        let found = partner.get("/patient?first_name=robin&last_name=VALE&dob=1990-05-17").data().clone();
        assert_eq!(found.as_array().expect("a list").len(), 1);
    }

    fn of_the_same_webhook_several_times_one_is_made(engine) {
        let (server, seed) = Server::seeded(engine);
        let partner = server.partner(&seed);
        let body = json!({"clinic_id": seed.clinic_id, "webhook_url": "http://127.0.0.1:65000/hook"});
        let replies = at_once(|| partner.post("/webhook", &body));
        let ids: Vec<_> = replies.iter().map(|reply| reply.data()["webhook_id"].clone()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let with_secret = replies.iter().filter(|reply| reply.data()["signing_secret"].is_string()).count();
        assert_eq!(with_secret, 1);
    }
}
