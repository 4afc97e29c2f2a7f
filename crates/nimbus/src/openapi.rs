//! `nimbus openapi`: the API documents, printed or written into a folder.

use std::path::Path;

use nimbus_web::{
    Brand,
    lifecycle::retirements,
    openapi::{Document, Kind},
};

use crate::Failure;

/// Writes every document into a folder, or prints one.
pub(crate) fn openapi(brand: &Brand, kind: Option<&str>, out: Option<&Path>) -> Result<(), Failure> {
    let kinds: Vec<Kind> = match kind {
        Some(name) => vec![named(name)?],
        None => Kind::ALL.to_vec(),
    };
    match (out, kinds.as_slice()) {
        (Some(folder), kinds) => {
            std::fs::create_dir_all(folder)?;
            for &kind in kinds {
                let path = folder.join(format!("{}.json", kind.name()));
                std::fs::write(&path, Document::new(kind, brand, &retirements()).to_text())?;
                eprintln!("{}", path.display());
            }
        }
        (None, [kind]) => print!("{}", Document::new(*kind, brand, &retirements()).to_text()),
        (None, _) => return Err("name one document to print, or a folder with --out".into()),
    }
    Ok(())
}

fn named(name: &str) -> Result<Kind, Failure> {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let found = Kind::ALL.iter().copied().find(|kind| kind.name() == name);
    found.ok_or_else(|| format!("there is no such document; they are {}", names.join(", ")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed documents are what the routes say.
    #[test]
    fn the_committed_documents_are_current() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi");
        for &kind in Kind::ALL {
            let file = format!("{}.json", kind.name());
            let committed = std::fs::read_to_string(folder.join(&file)).unwrap_or_default();
            let current = Document::new(kind, &Brand::default(), &retirements()).to_text();
            let same = committed == current;
            assert!(
                same,
                "openapi/{file} is not current: run `cargo run -p nimbus -- openapi --out openapi`"
            );
        }
    }
}
