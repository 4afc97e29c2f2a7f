//! Which files the repository has: what git tracks or would, and without git everything but build products.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

/// Folders that a walk leaves out.
const SKIPPED: &[&str] = &[".git", "target", "node_modules", "__pycache__", "nimbus-data"];

/// Paths below `root` with `/`, sorted. A file that git knows and that is gone is left out.
pub(super) fn list(root: &Path) -> io::Result<Vec<String>> {
    let mut paths = match from_git(root) {
        Some(paths) => paths.into_iter().filter(|path| root.join(path).is_file()).collect(),
        None => {
            let mut paths = Vec::new();
            walk(root, "", &mut paths)?;
            paths
        }
    };
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// `None` where there is no git or no repository, as in an unpacked archive.
fn from_git(root: &Path) -> Option<Vec<String>> {
    root.join(".git").exists().then_some(())?;
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split_terminator('\0').map(str::to_owned).collect())
}

fn walk(folder: &Path, prefix: &str, paths: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_file() {
            paths.push(path);
        } else if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            walk(&entry.path(), &format!("{path}/"), paths)?;
        }
    }
    Ok(())
}
