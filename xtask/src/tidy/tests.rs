//! Each rule finds its breach, at its line, and leaves the rest alone.

use super::{File, Report, check_file, except, rules, scan};

/// The breaches of one file, as `line rule`.
fn found(path: &str, text: &str) -> Vec<String> {
    let mut report = Report::default();
    check_file(&File { path, text }, &mut report);
    report.failures.iter().map(|failure| format!("{} {}", failure.line, failure.rule)).collect()
}

fn check(path: &str, text: &str, expect: &[&str]) {
    assert_eq!(found(path, text), expect, "{path}: {text}");
}

#[test]
fn a_scan_tells_code_from_literals_and_comments() {
    let text = "//! é\nlet a = \"x \\\" // y\"; /* a /* b */\nc */ let r#b = br#\"q\"w\"#;\nlet c = ('\"', '\\'', b'x'); f::<'a>(r\"\\\");\n";
    let scan = scan::scan(text);
    assert_eq!(
        scan.code,
        ["", "let a = \"\"; ", " let r#b = \"\";", "let c = ('', '', b''); f::<'a>(\"\");"]
    );
    let literals: Vec<_> =
        scan.literals.iter().map(|literal| (literal.line, literal.text.as_str())).collect();
    assert_eq!(literals, [(2, "x \\\" // y"), (3, "q\"w"), (4, "\\")]);
}

#[test]
fn rust_files_open_with_what_they_are_about_and_have_no_forbidden_words() {
    check("bench/src/a.rs", "//! A.\nfn a() {}\n", &[]);
    check("bench/src/a.rs", "fn a() {}\n", &["1 opening"]);
    check(
        "bench/src/a.rs",
        "//! A.\nfn a() { todo!() }\nfn b() { x.unimplemented!() }\n",
        &["2 forbidden", "3 forbidden"],
    );
    check("bench/src/a.rs", "//! A.\n// todo!\nlet a = \"dbg!\";\n", &[]);
    check("bench/src/a.rs", "//! A.\n#[ignore]\nfn a() {}\n", &["2 forbidden"]);
    check("bench/src/a.rs", "//! A.\n    #[allow(dead_code)]\nfn allow() { allow() }\n", &["2 no-allow"]);
    check("bench/src/a.rs", "//! A.\n#![cfg_attr(test, allow(unused))]\n", &["2 no-allow"]);
}

#[test]
fn the_core_is_not_async() {
    check("crates/nimbus-core/src/a.rs", "//! A.\npub async fn a() { b().await }\n", &["2 pure-core"]);
    check("crates/nimbus-app/src/a.rs", "//! A.\npub async fn a() {}\n", &[]);
}

#[test]
fn sql_stands_in_the_store_in_lower_case() {
    let query = "//! A.\nlet sql = \"\n  select a\n  from b\";\n";
    check("crates/nimbus-app/src/a.rs", query, &["2 sql-outside-store"]);
    check("crates/nimbus-store/src/a.rs", query, &[]);
    check("bench/src/a.rs", query, &[]);
    check(
        "crates/nimbus-web/src/a.rs",
        "//! A.\nlet a = \"Select a carrier\"; let b = \"with care\";\n",
        &[],
    );
    check("crates/nimbus-store/src/a.rs", "//! A.\nlet a = \"select a\n FROM b\";\n", &["3 sql-lower-case"]);
    check(
        "migrations/sqlite/V1__a.sql",
        "-- CREATE is fine here\nCREATE table a (b);\n",
        &["2 sql-lower-case"],
    );
}

#[test]
fn migrations_come_in_pairs() {
    let paths =
        ["migrations/sqlite/V1__a.sql", "migrations/postgres/V1__a.sql", "migrations/sqlite/V2__b.sql"];
    let found = rules::same_migrations(&paths.map(str::to_owned));
    let found: Vec<_> = found.iter().map(|failure| failure.path.as_str()).collect();
    assert_eq!(found, ["migrations/postgres/V2__b.sql"]);
}

#[test]
fn dependencies_run_downwards_and_drivers_stay_in_the_store() {
    let manifest =
        |path: &str, lines: &str, expect: &[&str]| check(path, &format!("[dependencies]\n{lines}\n"), expect);
    manifest("crates/nimbus-app/Cargo.toml", "nimbus-store.workspace = true\n# axum = 1", &[]);
    manifest("crates/nimbus-store/Cargo.toml", "nimbus-app = { path = \"../nimbus-app\" }", &["2 layers"]);
    manifest("crates/nimbus-other/Cargo.toml", "", &["1 layers"]);
    manifest("crates/nimbus-app/Cargo.toml", "rusqlite.workspace = true", &["2 reserved-dependency"]);
    manifest("bench/Cargo.toml", "rusqlite.workspace = true", &[]);
    manifest("crates/nimbus-app/Cargo.toml", "axum = \"0.8\"", &["2 reserved-dependency"]);
    manifest("crates/nimbus/Cargo.toml", "sqlx = \"0.9\"", &["2 reserved-dependency"]);
    manifest("crates/nimbus-core/Cargo.toml", "serde.workspace = true", &["2 pure-core"]);
    check(
        "crates/nimbus-app/Cargo.toml",
        "[dependencies.axum]\nversion = \"0.8\"\n",
        &["1 reserved-dependency"],
    );
    check(
        "crates/nimbus-app/Cargo.toml",
        "[target.'cfg(unix)'.dependencies]\naxum = \"1\"\n",
        &["2 reserved-dependency"],
    );
    check("crates/nimbus-store/Cargo.toml", "[dev-dependencies]\nnimbus-store = { path = \".\" }\n", &[]);
    check("Cargo.toml", "[workspace.dependencies]\naxum = \"0.8\"\n", &[]);
}

#[test]
fn locks_name_public_registries() {
    let crates_io = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
    check("Cargo.lock", crates_io, &[]);
    check("Cargo.lock", "source = \"sparse+https://mirror.example/index/\"\n", &["1 public-registry"]);
    check("Cargo.lock", "[[package]]\nname = \"sqlx-core\"\n", &["2 reserved-dependency"]);
    check("a/package-lock.json", "  \"resolved\": \"https://registry.npmjs.org/a/-/a-1.tgz\",\n", &[]);
    check(
        "a/package-lock.json",
        "  \"resolved\": \"http://registry.npmjs.org/a/-/a-1.tgz\",\n",
        &["1 public-registry"],
    );
}

#[test]
fn no_file_names_a_machine_or_goes_on_for_ever() {
    check("README.md", concat!("a\nsee /wor", "k/x\n"), &["2 denied-word"]);
    check("a.py", &"x\n".repeat(601), &["601 file-length"]);
    check("a.py", &format!("# generated\n{}", "x\n".repeat(601)), &[]);
    check("a.py", &"x\n".repeat(600), &[]);
    check("a.json", &"x\n".repeat(601), &[]);
}

#[test]
fn an_exception_holds_for_its_file_and_rule_as_long_as_it_is_needed() {
    let mut report = Report::default();
    check_file(&File { path: "a/src/a.rs", text: "fn a() { dbg!() }\n" }, &mut report);
    except(&[("a/src/a.rs", "opening", "why"), ("a/src/b.rs", "opening", "why")], &mut report.failures);
    let rules: Vec<_> = report.failures.iter().map(|failure| failure.rule).collect();
    assert_eq!(rules, ["forbidden", "exceptions"]);
}
