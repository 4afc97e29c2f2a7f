//! Every input on file once more: what targets begin with, and what has broken one of them.

use std::path::{Path, PathBuf};

use nimbus_fuzz::{Check, TARGETS};

/// Folders of inputs, beside this one; a target's are in a folder of its name.
const FOLDERS: [&str; 2] = ["corpus", "crashes"];

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let package =
        std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let Ok(files) = std::fs::read_dir(Path::new(&package).join(folder).join(target)) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a folder of ours").path()).collect();
    files.sort();
    files
}

#[track_caller]
fn replay(target: &str) {
    let (_, check): (_, Check) = *TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let files: Vec<PathBuf> = FOLDERS.into_iter().flat_map(|folder| inputs(folder, target)).collect();
    assert!(files.len() >= 3, "{target} begins with too little");
    for file in files {
        eprintln!("{}", file.display());
        check(&std::fs::read(&file).expect("a file"));
    }
    check(b"");
}

macro_rules! replayed {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$(stringify!($name)),*];
            assert_eq!(TARGETS.map(|(name, _)| name), replayed);
        }
    };
}

replayed! {
    key_parse
    cursor
    idempotency
    signature
    address_guard
    carrier_feed
    pharmacy_feed
    order_document
    passkey
}
