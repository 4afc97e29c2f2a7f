//! Webhooks as staff see to them: which do not work, what was sent to them, and sending it again.

use serde_json::{Value, json};

use crate::support::{
    PATIENCE, Staff, eventually,
    receiver::{Answer, Receiver},
    story::text,
    two_engines,
    webhooks::Scene,
};

/// Staff of one role.
fn staff(scene: &Scene, role: &str) -> Staff {
    let token = scene.server.store().json(&["admin", "token", "issue", role, "--roles", role]);
    Staff::new(&scene.server.url(), &text(&token["token"]))
}

/// The ids in a list.
fn ids(list: &Value, member: &str) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|row| text(&row[member])).collect()
}

two_engines! {
    fn support_sends_what_is_dead_again(engine) {
        let scene = Scene::with_retry_scale(engine, "0.00001");
        let support = staff(&scene, "support");
        let clinic = format!("/admin/clinics/{}", scene.seed.clinic_id);
        let failing = Answer::status(500).body("you sent 123 Main St").header("X-Echo", "123 Main St");
        let echo = Receiver::answering(failing);
        let endpoint = scene.register(&echo.url(), &["prescription:created"]);
        scene.partner.order(&scene.seed);

        let path = format!("{clinic}/webhooks/{}", endpoint.id);
        let dead = eventually("it is dead", || {
            let listed = support.get(&format!("{path}/deliveries?state=dead"));
            listed.data().get(0).cloned()
        });
        let letters = support.get(&format!("{clinic}/dead-letters"));
        assert_eq!(letters.data(), &json!([dead]));
        // What a receiver answers may be what it was sent.
        assert!(!letters.body.to_string().contains("Main St"), "{}", letters.body);
        assert_eq!((&dead["attempts"][0]["cause"], &dead["webhook_id"]), (&json!("server_error"), &json!(endpoint.id)));
        let stats = support.get(&format!("{path}/stats?window=1h"));
        assert_eq!(stats.data()["deliveries"]["dead"], 1);

        echo.otherwise(Answer::status(200));
        let before = echo.received().len();
        let delivered = || {
            eventually("it is delivered", || {
                (scene.partner.delivery_states(&endpoint) == ["delivered"]).then_some(())
            });
        };
        let retry = format!("{path}/deliveries/{}/retry", text(&dead["id"]));
        support.act(&retry).said("Delivery will be sent again");
        echo.wait_for(before + 1, PATIENCE);
        delivered();
        let resend = format!("{path}/events/{}/resend", text(&dead["event_id"]));
        assert_eq!(support.act(&resend).data()["delivery_id"], dead["id"]);
        echo.wait_for(before + 2, PATIENCE);
        delivered();
        assert_eq!(support.get(&format!("{clinic}/dead-letters")).data(), &json!([]));

        let since = (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(600)).to_string();
        let body = json!({"since": since, "status": "all"});
        let replay = text(&support.post(&format!("{path}/replay"), &body).data()["replay_id"]);
        echo.wait_for(before + 3, PATIENCE);
        eventually("the replay is finished", || {
            let view = support.get(&format!("{path}/replay/{replay}"));
            let view = view.data();
            (view["state"] == "finished" && view["delivered"] == 1).then_some(())
        });
        support.delete(&format!("{path}/replay/{replay}")).said("Replay cancelled");
        assert_eq!(scene.ledger().pending, 0);
    }

    fn support_finds_what_is_disabled_in_any_clinic(engine) {
        let scene = Scene::start(engine);
        let support = staff(&scene, "support");
        let clinic = format!("/admin/clinics/{}", scene.seed.clinic_id);
        let gone = Receiver::answering(Answer::status(410));
        let leaving = scene.register(&gone.url(), &["prescription:created"]);
        let orders = scene.server.orders(&scene.seed);
        orders.post("/webhooks", &json!({"url": "http://127.0.0.1:65000/orders"})).resource(201);
        let stranger = scene.server.stranger(&scene.seed);
        let other = text(&stranger.get("/clinic").data()["clinic_id"]);
        let theirs = json!({"clinic_id": other, "webhook_url": "http://127.0.0.1:65000/theirs"});
        let theirs = text(&stranger.post("/webhook", &theirs).data()["webhook_id"]);

        scene.partner.order(&scene.seed);
        eventually("one is disabled", || {
            let listed = support.get("/admin/webhooks?status=disabled");
            (ids(listed.data(), "webhook_id") == [leaving.id.clone()]).then_some(())
        });
        let own = support.get(&format!("{clinic}/webhooks"));
        assert_eq!(ids(own.data(), "shape"), ["orders", "partner"]);
        let all = support.get("/admin/webhooks");
        assert_eq!((ids(all.data(), "webhook_id").len(), &all.data()[0]["webhook_id"]), (3, &json!(theirs)));
        for path in [format!("/admin/webhooks?clinic_id={other}"), format!("/admin/clinics/{other}/webhooks")] {
            assert_eq!(ids(support.get(&path).data(), "webhook_id"), std::slice::from_ref(&theirs), "{path}");
        }
        let shown = support.get(&format!("{clinic}/webhooks/{}", leaving.id));
        let shown = shown.data();
        assert_eq!((&shown["status"], &shown["disabled_reason"]), (&json!("disabled"), &json!("answered 410 Gone")));
        assert!(!shown.to_string().contains("whsec_"), "{shown}");
    }

    fn ids_of_another_clinic_name_nothing(engine) {
        let scene = Scene::start(engine);
        let support = staff(&scene, "support");
        let endpoint = scene.register("http://127.0.0.1:65000/hook", &["*"]);
        let stranger = scene.server.stranger(&scene.seed);
        let other = format!("/admin/clinics/{}", text(&stranger.get("/clinic").data()["clinic_id"]));
        let path = format!("{other}/webhooks/{}", endpoint.id);
        for rest in ["", "/stats", "/deliveries"] {
            support.get(&format!("{path}{rest}")).refused(404, "NOT_FOUND");
        }
        assert_eq!(support.get(&format!("{other}/webhooks")).data(), &json!([]));
        assert_eq!(support.get(&format!("{other}/dead-letters")).data(), &json!([]));
        let nowhere = "/admin/clinics/01890000-0000-7000-8000-000000000001";
        for rest in ["/webhooks", "/dead-letters"] {
            support.get(&format!("{nowhere}{rest}")).refused(404, "NOT_FOUND");
        }
    }
}
