//! Has every guide built in, those that the index lists and no other file; and of Swagger UI what the reference needs.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{Cursor, Read as _},
    path::{Path, PathBuf},
};

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

const SWAGGER_UI: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where to write"));
    guides(&out);
    swagger_ui(&out);
}

fn swagger_ui(out: &Path) {
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)).expect("the archive is whole");
    for file in SWAGGER_UI {
        let path = format!("/dist/{file}");
        let mut names = archive.file_names().map(|name| name.expect("a name is text").into_owned());
        let inside = names.find(|name| name.ends_with(&path));
        drop(names);
        let mut inside =
            archive.by_name(&inside.expect("it is in the archive")).expect("it is in the archive");
        let mut bytes = Vec::new();
        inside.read_to_end(&mut bytes).expect("the archive is whole");
        fs::write(out.join(file), bytes).expect("it is written");
    }
}

fn guides(out: &Path) {
    let docs =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where we are")).join("../../docs");
    let docs = docs.canonicalize().expect("the documentation is there");
    let index = fs::read_to_string(docs.join("guides/index.toml")).expect("the index of the guides");
    let index: toml::Table = index.parse().expect("the index is TOML");
    let groups = index["group"].as_array().expect("groups");
    let files = groups.iter().flat_map(|group| group["guides"].as_array().expect("a list of files"));
    let mut code = String::from("&[\n");
    for file in files {
        let file = file.as_str().expect("a file's name");
        let path = docs.join("guides").join(file);
        writeln!(code, "    ({:?}, include_str!({path:?})),", file.trim_end_matches(".md")).expect("a text");
    }
    code.push_str("]\n");
    fs::write(out.join("guides.rs"), code).expect("the list is written");
    println!("cargo::rerun-if-changed={}", docs.join("guides").display());
}
