//! Rules packs on record: none is changed under a name by which it may have decided, and others may still be.

use std::fs;

use nimbus_core::time::{Ts, add_days};
use serde_json::json;

use crate::{
    rules::{err, later, out, packs, shipped},
    support::{Engine, Store, two_engines},
};

const REFUSED: &str = "is on record with other rules";

/// A sandbox by packs of its own, which may be edited: `a.toml` and `b.toml`.
struct Edited {
    store: Store,
    folder: String,
}

impl Edited {
    fn new(engine: Engine, second: &str) -> Self {
        let store = Store::sandbox(engine);
        let folder = packs(&store, "packs", &[("a.toml", &shipped()), ("b.toml", second)]);
        let store = store.with("NIMBUS_RULES_DIR", &folder);
        Self { store, folder }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(format!("{}/{file}", self.folder), text).expect("our folder");
    }

    /// The packs are taken, by whoever looks and by a server.
    #[track_caller]
    fn taken(self) -> Self {
        let output = self.store.output(&["rules", "check"]);
        assert!(output.status.success(), "{}", err(&output));
        let (status, _, store) = self.store.serve().stop();
        assert!(status.success(), "{status}");
        Self { store, ..self }
    }

    /// Everybody says that this file is changed, and on which line it names its version.
    #[track_caller]
    fn refused(&self, file: &str, version: &str) {
        let text = fs::read_to_string(format!("{}/{file}", self.folder)).expect("our folder");
        let before = &text[..text.find("version = ").expect("its version")];
        let line = before.matches('\n').count() + 1;
        let expected = format!("{}/{file}:{line}: the pack {version} {REFUSED}", self.folder);
        for command in
            [&["serve", "--listen", "127.0.0.1:0"][..], &["seed"], &["rules", "check"], &["doctor"]]
        {
            let output = self.store.output(command);
            let said = out(&output) + &err(&output);
            assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
            assert!(said.contains(&expected), "{command:?}: {expected} is missing in\n{said}");
        }
    }
}

two_engines! {
    fn a_pack_keeps_what_it_says_under_its_name(engine) {
        let edited = Edited::new(engine, &later()).taken();
        edited.store.seed();
        edited.write("a.toml", &shipped().replace("percent = 75", "# of a fill\npercent   = 75"));
        let edited = edited.taken();

        for (from, to) in [
            ("percent = 75", "percent = 74"),
            ("has left the pharmacy", "left the pharmacy"),
            ("22 TAC 315.5", "22 TAC 315.6"),
            ("effective_from = 2026-01-01", "effective_from = 2026-01-02"),
        ] {
            let text = shipped();
            assert!(text.contains(from), "{from}");
            edited.write("a.toml", &text.replacen(from, to, 1));
            edited.refused("a.toml", "2026-01-01");
        }
        edited.write("a.toml", &shipped());
        let edited = edited.taken();

        // A pack that has not begun may still change, as often as it likes.
        for percent in ["percent = 98", "percent = 97"] {
            edited.write("b.toml", &later().replace("percent = 99", percent));
            let output = edited.store.output(&["rules", "check"]);
            assert!(output.status.success(), "{}", err(&output));
        }
        let edited = edited.taken();

        // What is new has a version of its own.
        let changed = shipped().replace("version = \"2026-01-01\"", "version = \"2026-02-01\"");
        let changed = changed.replace("effective_from = 2026-01-01", "effective_from = 2026-02-01");
        edited.write("c.toml", &changed.replace("percent = 75", "percent = 74"));
        let edited = edited.taken();
        edited.write("c.toml", &changed);
        edited.refused("c.toml", "2026-02-01");
    }

    fn a_pack_begins_by_the_clock_that_is_furthest(engine) {
        let today = Ts::from_micros(jiff::Timestamp::now().as_microsecond());
        let begins = add_days(today.date_in(&jiff::tz::TimeZone::UTC), 20);
        let soon = later().replace("effective_from = 2040-01-01", &format!("effective_from = {begins}"));
        let edited = Edited::new(engine, &soon);
        let seed = edited.store.seed();
        edited.write("b.toml", &soon.replace("percent = 99", "percent = 98"));
        let edited = edited.taken();

        let Edited { store, folder } = edited;
        let server = store.serve();
        server.partner(&seed).post("/sandbox/clock", &json!({"advance_days": 30})).data();
        let (_, _, store) = server.stop();
        let edited = Edited { store, folder };
        edited.write("b.toml", &soon);
        edited.refused("b.toml", "2040-01-01");
    }
}
