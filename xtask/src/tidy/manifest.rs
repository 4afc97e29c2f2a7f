//! Rules about dependencies: downwards only, drivers in the store alone, nothing from a mirror.

use super::{File, Finding};

/// The crates from top to bottom; each may depend on those after it.
const LAYERS: &[&str] = &[
    "nimbus",
    "nimbus-web",
    "nimbus-site",
    "nimbus-app",
    "nimbus-webhooks",
    "nimbus-carriers",
    "nimbus-store",
    "nimbus-core",
];

/// A dependency that only some packages may name, by folder; none at all if the list is empty.
const RESERVED: &[(&str, &[&str])] = &[
    ("sqlx", &[]),
    ("rusqlite", &["crates/nimbus-store", "bench"]),
    ("tokio-postgres", &["crates/nimbus-store"]),
    ("deadpool-postgres", &["crates/nimbus-store"]),
    ("axum", &["crates/nimbus-web", "crates/nimbus"]),
];

/// What the rules do without.
const NOT_IN_CORE: &[&str] = &["serde", "serde_json", "tokio", "futures-util"];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
const NPM: &str = "https://registry.npmjs.org/";

struct Dependency<'a> {
    line: usize,
    /// `dependencies`, `dev-dependencies` or `build-dependencies`.
    kind: &'a str,
    name: &'a str,
}

/// The dependencies that a manifest names, with their lines.
fn dependencies(text: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut kind = None;
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let trimmed = line.trim();
        if let Some(header) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            // `[dependencies]`, `[target.'cfg(unix)'.dependencies]`, `[dependencies.name]`
            let (before, last) = header.rsplit_once('.').unwrap_or(("", header));
            let (own, parent) =
                (dependency_kind(last), dependency_kind(before.rsplit('.').next().unwrap_or_default()));
            // `[workspace.dependencies]` says where crates come from; it gives them to nobody.
            kind = own.filter(|_| before != "workspace");
            if let (None, Some(kind)) = (own, parent) {
                found.push(Dependency { line: line_number, kind, name: last.trim_matches('"') });
            }
        } else if let Some(kind) = kind {
            let name = trimmed.split(['=', '.', ' ']).next().unwrap_or_default().trim_matches('"');
            if !name.is_empty() && !name.starts_with('#') && trimmed.contains('=') {
                found.push(Dependency { line: line_number, kind, name });
            }
        }
    }
    found
}

fn dependency_kind(table: &str) -> Option<&str> {
    ["dependencies", "dev-dependencies", "build-dependencies"].into_iter().find(|kind| *kind == table)
}

pub(super) fn check(file: &File<'_>, failures: &mut Vec<Finding>) {
    let folder = file.path.strip_suffix("/Cargo.toml").unwrap_or_default();
    if let Some(name) = file.krate().filter(|name| !LAYERS.contains(name)) {
        failures.push(file.finding(1, "layers", format!("{name} has no place among the layers")));
    }
    for (index, line) in
        file.text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("sqlx"))
    {
        failures.push(file.finding(index + 1, "reserved-dependency", line.trim()));
    }
    for Dependency { line, kind, name } in dependencies(file.text) {
        let mut fail = |rule, detail: String| failures.push(file.finding(line, rule, detail));
        if kind == "dependencies" && !is_downward(file.krate(), name) {
            fail("layers", format!("a dependency on {name} does not run downwards"));
        }
        let reserved = RESERVED.iter().find(|(reserved, _)| *reserved == name && name != "sqlx");
        if let Some((_, holders)) = reserved.filter(|(_, holders)| !holders.contains(&folder)) {
            fail("reserved-dependency", format!("{name} is for {} alone", holders.join(" and ")));
        }
        if file.krate() == Some("nimbus-core") && NOT_IN_CORE.contains(&name) {
            fail("pure-core", format!("the rules do without {name}"));
        }
    }
}

/// Whether a crate may depend on `name`; what is not one of the layers is a matter of the other rules.
fn is_downward(krate: Option<&str>, name: &str) -> bool {
    let layer = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    match (krate.and_then(layer), layer(name)) {
        (Some(own), Some(other)) => own < other,
        _ => true,
    }
}

/// Everything comes from the public registries, over TLS.
pub(super) fn check_lock(file: &File<'_>, failures: &mut Vec<Finding>) {
    for (index, line) in file.text.lines().enumerate() {
        let value = |key: &str| {
            line.trim().strip_prefix(key).map(|rest| rest.trim_matches([' ', '=', ':', '"', ',']))
        };
        let foreign = value("source =").filter(|source| *source != CRATES_IO);
        let foreign = foreign.or_else(|| value("\"resolved\":").filter(|url| !url.starts_with(NPM)));
        if let Some(from) = foreign {
            failures.push(file.finding(index + 1, "public-registry", from));
        }
        if value("name =").is_some_and(|name| name == "sqlx" || name.starts_with("sqlx-")) {
            failures.push(file.finding(index + 1, "reserved-dependency", "sqlx is not used"));
        }
    }
}
