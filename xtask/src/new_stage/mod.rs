//! `cargo xtask new-stage`: creates a crate with a stage of the user's own.

mod template;

use std::fs;

use firebrand_pipeline::{Error, Result, Slot};

use crate::print::print;
use crate::workspace::Workspace;

/// Writes `crates/NAME` and prints how to use it in a run.
///
/// # Errors
/// When the name is no valid package name, the crate exists, or a file cannot be written.
pub(crate) fn write(slot: &str, name: &str, workspace: &Workspace) -> Result<()> {
    let slot: Slot = slot.parse()?;
    check_name(name)?;
    let dir = workspace.root().join("crates").join(name);
    let shown = workspace.show(&dir);
    if dir.exists() {
        return Err(
            Error::usage(format!("{shown} exists already")).hint("choose another name, or remove the crate first")
        );
    }
    for (path, text) in template::files(slot, name) {
        let path = dir.join(path);
        let parent = path.parent().unwrap_or(&dir);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| Error::io("write", &path, &error))?;
    }
    print(&format!(
        "created {shown}, a `{slot}` stage that so far calls the built-in one: edit {shown}/src/lib.rs\n\n\
         use it in a run with these lines in its configuration\n\n    [{slot}]\n    package = \"{name}\"\n\n\
         or try it first: cargo xtask pipeline --set {slot}.package={name}"
    ))
}

/// Names that are valid for a package and a Rust crate.
fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let reserved = ["test", "core", "std", "alloc", "proc-macro", "self", "super", "crate"];
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) || reserved.contains(&name) {
        return Err(Error::usage(format!("{name:?} cannot be a crate's name"))
            .hint("use lower-case letters, digits and `-`, starting with a letter: `my-clean`"));
    }
    if name.starts_with("firebrand-") {
        return Err(Error::usage(format!("{name:?} looks like a built-in crate"))
            .hint("choose a name of your own, such as `my-clean`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_packages_names() {
        for name in ["my-clean", "clean2", "a_b"] {
            check_name(name).unwrap();
        }
        for name in ["", "My-Clean", "2clean", "../clean", "core", "firebrand-clean", "a b", "größe"] {
            assert_eq!(check_name(name).unwrap_err().kind().exit_code(), 2, "{name}");
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let workspace = Workspace::find(Some(root.path().to_owned()));
        write("clean", "my-clean", &workspace).unwrap();
        fs::write(root.path().join("crates/my-clean/src/lib.rs"), "// mine").unwrap();
        assert!(write("clean", "my-clean", &workspace).unwrap_err().message().contains("exists already"));
        assert_eq!(fs::read_to_string(root.path().join("crates/my-clean/src/lib.rs")).unwrap(), "// mine");
    }
}
