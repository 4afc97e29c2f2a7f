//! Orders and refills of one prescription at the same time: one is made.

use serde_json::json;

use super::{Scene, order_uuid, reasons};
use crate::{
    races::at_once,
    support::{Reply, story::line, two_engines},
};

/// Exactly one was made; the others heard why not.
#[track_caller]
fn one_is_made(replies: &[Reply]) {
    let (made, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 201);
    assert_eq!(made.len(), 1, "{:?}", replies.iter().map(|reply| reply.body.to_string()).collect::<Vec<_>>());
    for reply in refused {
        assert!(!reasons(reply).is_empty());
    }
}

two_engines! {
    fn of_several_first_fills_one_is_made(engine) {
        let scene = Scene::new(engine);
        for _ in 0..3 {
            let prescription = scene.on_file();
            let body = scene.order_body(&prescription);
            one_is_made(&at_once(|| scene.orders.post("/orders", &body)));
            assert_eq!(scene.refills_remaining(&prescription), 3);
        }
    }

    fn of_several_orders_one_consumes_the_refill(engine) {
        let scene = Scene::new(engine);
        let body = scene.order_body(&scene.seed.prescription_id);
        one_is_made(&at_once(|| scene.orders.post("/orders", &body)));
        assert_eq!(scene.refills_remaining(&scene.seed.prescription_id), 2);
    }

    fn of_an_order_and_refills_one_consumes_the_refill(engine) {
        let scene = Scene::new(engine);
        let (order, refill) =
            (scene.order_body(&scene.seed.prescription_id), scene.refill_body(&scene.seed.prescription_id));
        let turn = std::sync::atomic::AtomicUsize::new(0);
        let replies = at_once(|| match turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 {
            0 => scene.orders.post("/orders", &order),
            _ => scene.orders.post("/refills", &refill),
        });
        one_is_made(&replies);
        assert_eq!(scene.refills_remaining(&scene.seed.prescription_id), 2);
    }

    fn of_an_order_and_a_request_for_review_one_is_made(engine) {
        for _ in 0..3 {
            let scene = Scene::new(engine);
            let order = scene.order_body(&scene.seed.prescription_id);
            let mut refill = scene.refill_body(&scene.seed.prescription_id);
            refill["requestedQuantity"] = json!(40);
            let turn = std::sync::atomic::AtomicUsize::new(0);
            let replies = at_once(|| match turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 {
                0 => scene.orders.post("/orders", &order),
                _ => scene.orders.post("/refills", &refill),
            });
            one_is_made(&replies);
        }
    }

    fn of_several_requests_for_review_one_is_made(engine) {
        let scene = Scene::new(engine);
        let mut weekly = line("Lisinopril");
        weekly["days_supply"] = json!(7);
        let (prescription, _) = scene.delivered(&weekly);
        let body = scene.refill_body(&prescription);
        one_is_made(&at_once(|| scene.orders.post("/refills", &body)));
        assert_eq!(scene.orders.get("/refills").resource(200)["data"].as_array().expect("data").len(), 1);
    }

    fn of_cancels_and_rejections_the_refill_is_given_back_once(engine) {
        let scene = Scene::new(engine);
        let seeded = scene.seed.prescription_id.clone();
        for _ in 0..3 {
            let id = order_uuid(&scene.order(&seeded)["id"]);
            assert_eq!(scene.refills_remaining(&seeded), 2);
            let turn = std::sync::atomic::AtomicUsize::new(0);
            let replies = at_once(|| match turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 {
                0 => scene.orders.act(&format!("/orders/{id}/cancel")),
                _ => scene.staff.act(&format!("/pharmacy/orders/{id}/reject")),
            });
            assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
            assert_eq!(scene.refills_remaining(&seeded), 3);
        }
    }
}
