//! Each thing that may be wrong with a passkey that is made, and with what one has signed.

use serde_json::{Value, json};

use super::{super::grow_old, added, elsewhere, on_record};
use crate::support::{
    Reply, Server, Store,
    authenticator::{
        Algorithm, Authenticator, BACKED_UP, BACKUP_ELIGIBLE, HAS_CREDENTIAL, PRESENT, Said, VERIFIED,
        attestation, base64, bytes, finish,
    },
    browser::{Browser, signed_in},
    story::text,
    two_engines,
};

type Change = fn(&mut Said);
type Tampering = fn(&mut Value);
type Wrapping = fn(Vec<u8>) -> Vec<u8>;

/// Without what differs by request.
fn apart(reply: &Reply) -> (u16, Value) {
    let mut body = reply.body.clone();
    body["error"]["request_id"] = Value::Null;
    (reply.status, body)
}

fn flip_last(text: &mut Value) {
    let mut flipped = bytes(text);
    *flipped.last_mut().expect("bytes") ^= 1;
    *text = json!(base64(&flipped));
}

/// What was answered to a browser that has finished with it.
fn options_used(server: &Server, browser: &Browser) -> Value {
    let options = browser.act("/staff/passkeys/start").data().clone();
    let credential = Authenticator::new(Algorithm::Es256).create(&Said::of(&options, server));
    browser.post("/staff/passkeys/finish", &json!({"name": "x", "credential": credential})).data();
    options
}

two_engines! {
    fn whatever_is_wrong_with_a_signature_is_answered_alike(engine) {
        let server = Store::sandbox(engine).with("NIMBUS_BEHIND_PROXY", "true").serve();
        let browser = signed_in(&server, "ada@example.com", &["super_admin,auditor"]);
        let user_id = text(&browser.get("/staff/session").data()["user"]["user_id"]);
        let ada = added(&browser, &server);
        let tom = added(&signed_in(&server, "tom@example.com", &["support"]), &server);

        let said: [(&str, Change); 15] = [
            ("another page", |said| said.client["origin"] = json!("https://evil.example")),
            ("the host without TLS", |said| said.client["origin"] = json!("http://api-sandbox.nimbus-os.com")),
            ("another port", |said| said.client["origin"] = json!("https://api-sandbox.nimbus-os.com:8443")),
            ("another party", |said| said.party = "evil.example".to_owned()),
            ("nobody there", |said| said.flags = VERIFIED),
            ("nobody knows who", |said| said.flags = PRESENT),
            ("a backup of what has none", |said| said.flags |= BACKED_UP),
            ("a backup that it never could", |said| said.flags |= BACKUP_ELIGIBLE | BACKED_UP),
            ("another ceremony", |said| said.client["type"] = json!("webauthn.create")),
            ("a frame", |said| said.client["crossOrigin"] = json!(true)),
            ("a frame of a page", |said| said.client["topOrigin"] = json!("https://evil.example")),
            ("a challenge of its own", |said| said.client["challenge"] = json!(base64(&[7; 32]))),
            ("a short challenge", |said| said.client["challenge"] = json!(base64(&[7; 16]))),
            ("a byte more", |said| said.behind = vec![0]),
            ("a credential", |said| said.flags |= HAS_CREDENTIAL),
        ];
        let mut refused = Vec::new();
        for (number, (what, change)) in said.into_iter().enumerate() {
            refused.push((what, ada.sign_in_as(&elsewhere(&server, number), &server, change)));
        }

        let at = |number: usize| elsewhere(&server, number);
        let asked = |browser: &Browser| Said::of(browser.act("/staff/session/passkey/start").data(), &server);
        let sent: [(&str, Tampering); 5] = [
            ("another signature", |it| flip_last(&mut it["response"]["signature"])),
            ("other data", |it| flip_last(&mut it["response"]["authenticatorData"])),
            ("no client data", |it| it["response"]["clientDataJSON"] = json!(base64(b"{}"))),
            ("nobody's", |it| it["response"]["userHandle"] = Value::Null),
            ("a credential that nobody has", |it| it["id"] = json!(base64(&[1; 32]))),
        ];
        for (number, (what, change)) in sent.into_iter().enumerate() {
            let browser = at(100 + number);
            let mut credential = ada.get(&asked(&browser));
            change(&mut credential);
            refused.push((what, finish(&browser, &credential)));
        }
        let of_tom = at(110);
        let mut credential = ada.get(&asked(&of_tom));
        credential["response"]["userHandle"] = tom.get(&asked(&of_tom))["response"]["userHandle"].clone();
        refused.push(("another's", finish(&of_tom, &credential)));
        let by_tom = at(111);
        let mut credential = tom.get(&asked(&by_tom));
        credential["id"] = json!(base64(&ada.id));
        credential["response"]["userHandle"] = json!(ada.handle.as_deref().map(base64));
        refused.push(("another's signature", finish(&by_tom, &credential)));
        for (number, path) in ["/staff/passkeys/start", "/staff/session/step-up/passkey/start"].into_iter().enumerate() {
            let options = json!({"challenge": browser.act(path).data()["challenge"], "rpId": "api-sandbox.nimbus-os.com"});
            refused.push((path, finish(&at(112 + number), &ada.get(&Said::of(&options, &server)))));
        }
        // The right one, once.
        let once = at(120);
        let right = ada.get(&asked(&once));
        finish(&once, &right).data();
        refused.push(("a second time", finish(&at(121), &right)));
        let late = at(122);
        let late_one = ada.get(&asked(&late));

        assert_eq!(refused.len(), 25);
        let first = apart(&refused[0].1);
        for (what, reply) in &refused {
            reply.refused(401, "UNAUTHORIZED");
            assert_eq!(apart(reply), first, "{what}");
        }
        // All on record, of the account where it is known, without a word of what was sent.
        let rows = on_record(&browser, &user_id, "session.refused", 24);
        assert!(rows.iter().all(|row| row["reason"].is_null()));

        let log = server.log();
        for fault in ["origin", "party", "not_present", "not_verified", "backup", "ceremony", "framed", "challenge", "malformed", "signature", "account", "credential"] {
            assert!(log.contains(&format!("\"fault\":\"{fault}\"")) || log.contains(&format!("fault=\"{fault}\"")), "{fault}: {log}");
        }
        assert!(!log.contains("evil.example") && !log.contains(&base64(&ada.id)));

        let (_, _, store) = server.stop();
        grow_old(&store, 5 * 60);
        let server = store.serve();
        assert_eq!(apart(&finish(&late.before(&server).at("203.0.113.200"), &late_one)), first, "past its time");
        // Whose account is not active is let in by no passkey.
        let boss = signed_in(&server, "eve@example.com", &["super_admin"]);
        boss.patch(&format!("/admin/users/{user_id}"), &json!({"state": "suspended"})).data();
        let suspended = ada.sign_in(&Browser::new(&server).at("203.0.113.201"), &server);
        assert_eq!(apart(&suspended), first, "suspended");
    }

    fn what_is_wrong_with_a_new_passkey_keeps_it_out(engine) {
        let server = Store::sandbox(engine).with("NIMBUS_STAFF_IDLE_MINUTES", "60").serve();
        let browser = signed_in(&server, "ada@example.com", &["super_admin"]);
        let tom = signed_in(&server, "tom@example.com", &["support"]);
        let of_tom = added(&tom, &server);
        let ask = || browser.act("/staff/passkeys/start").data().clone();
        let send = |credential: &Value| browser.post("/staff/passkeys/finish", &json!({"name": "x", "credential": credential}));
        let fresh = || Authenticator::new(Algorithm::Es256);

        let said: [(&str, Change); 16] = [
            ("another page", |said| said.client["origin"] = json!("http://evil.example")),
            ("another party", |said| said.party = "evil.example".to_owned()),
            ("nobody there", |said| said.flags = VERIFIED),
            ("nobody knows who", |said| said.flags = PRESENT),
            ("a backup of what has none", |said| said.flags |= BACKED_UP),
            ("another ceremony", |said| said.client["type"] = json!("webauthn.get")),
            ("a frame", |said| said.client["crossOrigin"] = json!(true)),
            ("a frame of a page", |said| said.client["topOrigin"] = json!("http://evil.example")),
            ("a challenge of its own", |said| said.client["challenge"] = json!(base64(&[7; 32]))),
            ("a byte more", |said| said.behind = vec![0]),
            ("no key", |said| said.key = Some(Vec::new())),
            ("a key that is no point", |said| {
                let coordinate = [&[0x58, 32][..], &[1; 32]].concat();
                said.key = Some([b"\xa5\x01\x02\x03\x26\x20\x01\x21", &coordinate[..], b"\x22", &coordinate].concat());
            }),
            ("an algorithm that is not offered", |said| {
                said.key = Some(b"\xa3\x01\x02\x03\x38\x22\x20\x02".to_vec());
            }),
            ("a map without an end", |said| said.key = Some(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff".to_vec())),
            ("a length that nothing has", |said| {
                said.key = Some(b"\xa5\x01\x02\x03\x26\x20\x01\x21\x5b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec());
            }),
            ("extensions that are not there", |said| said.flags |= 128),
        ];
        for (what, change) in said {
            let reply = send(&fresh().create(&Said::of(&ask(), &server).with(change)));
            assert_eq!(reply.invalid(), ["credential"], "{what}");
            assert!(!reply.body.to_string().contains("evil"), "{what}");
        }
        // Of what holds the data: cut off, too deep, too long, not in one form.
        let objects: [(&str, Wrapping); 6] = [
            ("cut off", |data| attestation(&data)[..60].to_vec()),
            ("a byte more", |data| [attestation(&data), vec![0]].concat()),
            ("too deep", |_| [b"\xa3\x63fmt\x64none\x67attStmt".to_vec(), vec![0xa1; 10_000]].concat()),
            ("too long", |_| b"\xa3\x63fmt\x7b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
            ("no length", |data| [&[0xbf], &attestation(&data)[1..], &[0xff]].concat()),
            ("a list", |_| vec![0x83, 1, 2, 3]),
        ];
        for (what, object) in objects {
            let (passkey, said) = (fresh(), Said::of(&ask(), &server));
            let reply = send(&passkey.created(&said, &object(passkey.made(&said))));
            assert_eq!(reply.invalid(), ["credential"], "{what}");
        }
        let (passkey, said) = (fresh(), Said::of(&ask(), &server));
        let mut renamed = passkey.create(&said);
        renamed["id"] = json!(base64(&[1; 32]));
        assert_eq!(send(&renamed).invalid(), ["credential"], "another credential");
        for length in [15, 1024] {
            let mut passkey = fresh();
            passkey.id = vec![9; length];
            let mut credential = passkey.create(&Said::of(&ask(), &server));
            credential["id"] = json!(base64(&[9; 32]));
            assert_eq!(send(&credential).invalid(), ["credential"], "{length}");
        }
        // Another's challenge, one for something else, one used and one that another took the place of.
        let challenges = [
            tom.act("/staff/passkeys/start").data().clone(),
            browser.act("/staff/session/passkey/start").data().clone(),
            browser.act("/staff/session/step-up/passkey/start").data().clone(),
            options_used(&server, &browser),
            { let before = ask(); ask(); before },
        ];
        for options in challenges {
            let options = json!({"rp": {"id": "localhost"}, "challenge": options["challenge"]});
            assert_eq!(send(&fresh().create(&Said::of(&options, &server))).invalid(), ["credential"]);
        }
        // What is on file is one account's alone.
        let mut twice = fresh();
        twice.id = of_tom.id.clone();
        assert_eq!(twice.register(&browser, &server).invalid(), ["credential"]);
        of_tom.sign_in(&Browser::new(&server), &server).data();

        // What is not of the form is told by its field.
        let mut credential = fresh().create(&Said::of(&ask(), &server));
        credential["id"] = json!("a+b/");
        credential["type"] = json!("password");
        credential["response"]["attestationObject"] = json!("=");
        let reply = send(&credential);
        assert_eq!(reply.invalid(), ["credential.id", "credential.type", "credential.response.attestationObject"]);
        let late = ask();
        assert_eq!(browser.get("/staff/passkeys").data().as_array().map(Vec::len), Some(1), "the one that was right");
        let (_, _, store) = server.stop();
        grow_old(&store, 5 * 60);
        let server = store.serve();
        let browser = browser.before(&server);
        let credential = fresh().create(&Said::of(&late, &server));
        let reply = browser.post("/staff/passkeys/finish", &json!({"name": "x", "credential": credential}));
        assert_eq!(reply.invalid(), ["credential"], "past its time");

        // Ten at most.
        for _ in 0..9 {
            added(&browser, &server);
        }
        browser.act("/staff/passkeys/start").refused(400, "INVALID_STATUS_TRANSITION");
    }
}
