//! Builds stages with the cargo that runs this program.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use firebrand_pipeline::{Error, Result, ResultExt, Slot, closest_first, suggest};
use serde::Deserialize;

use crate::interrupt;
use crate::workspace::Workspace;

/// The package that answers questions from a bundle.
pub(crate) const SERVE: &str = "firebrand-serve";

/// The package that says what a pretrained model is.
pub(crate) const INSPECT: &str = "firebrand-inspect";

/// A program that is ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    /// Its file.
    pub(crate) executable: PathBuf,
    /// Its package's version, where it is known.
    pub(crate) version: Option<String>,
}

/// A line of cargo's report.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    features: BTreeMap<String, Vec<String>>,
}

/// The cargo that runs this program.
pub(crate) fn command() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// Builds the packages (each with the place that names it), every built-in stage, the server and the inspecting program, and
/// returns the programs by package.
///
/// Always all of them: cargo unites the features of what is built together, so another set would compile the same
/// dependencies once more.
///
/// # Errors
/// When there is no such package or something does not compile.
pub(crate) fn build(
    packages: &BTreeMap<String, String>,
    features: &[String],
    workspace: &Workspace,
) -> Result<BTreeMap<String, Built>> {
    let mut all: BTreeSet<String> = Slot::ALL.into_iter().map(Slot::default_package).collect();
    all.extend([SERVE, INSPECT].map(str::to_owned));
    let custom = packages.keys().any(|package| !all.contains(package));
    all.extend(packages.keys().cloned());
    let features =
        if custom || !features.is_empty() { resolve(&all, packages, features, workspace)? } else { Vec::new() };

    let mut command = command();
    command.arg("build").arg("--manifest-path").arg(workspace.root().join("Cargo.toml"));
    command.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped()).stdin(Stdio::null());
    for package in &all {
        command.arg("--package").arg(package);
    }
    if !features.is_empty() {
        command.arg("--features").arg(features.join(","));
    }
    let mut child = command.spawn().or_other(|| "cannot start cargo, which builds the stages".to_owned())?;
    let mut built = BTreeMap::new();
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        let line = line.or_other(|| "cannot read what cargo built".to_owned())?;
        // Newer cargos may send more kinds of lines.
        let Ok(message) = serde_json::from_str::<Message>(&line) else { continue };
        if let Some((package, program)) = program(message) {
            built.insert(package, program);
        }
    }
    let status = child.wait().or_other(|| "cannot wait for cargo".to_owned())?;
    interrupt::check()?;
    if !status.success() {
        return Err(Error::other("the stages do not compile: see above")
            .hint("`cargo build --workspace` shows the same errors"));
    }
    Ok(built)
}

/// The program that a message tells of, by its package's name.
fn program(message: Message) -> Option<(String, Built)> {
    let (target, executable) = (message.target?, message.executable?);
    if message.reason != "compiler-artifact" || target.kind != ["bin"] {
        return None;
    }
    let (package, version) = name_and_version(&message.package_id?)?;
    // A package may have more programs than its stage.
    (target.name == package).then_some((package, Built { executable, version: Some(version) }))
}

/// `path+file:///…/crates/clean#firebrand-clean@0.1.0`, or `…/crates/my-clean#0.1.0` where the directory has the name.
fn name_and_version(id: &str) -> Option<(String, String)> {
    let (place, fragment) = id.rsplit_once('#')?;
    let (name, version) = fragment.split_once('@').or_else(|| Some((place.rsplit_once('/')?.1, fragment)))?;
    Some((name.to_owned(), version.to_owned()))
}

/// `cuda` as `firebrand-train/cuda,…` for every package that has the feature. Refuses unknown packages and features.
fn resolve(
    packages: &BTreeSet<String>,
    places: &BTreeMap<String, String>,
    features: &[String],
    workspace: &Workspace,
) -> Result<Vec<String>> {
    let output = command()
        .args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"])
        .arg(workspace.root().join("Cargo.toml"))
        .stderr(Stdio::inherit())
        .output()
        .or_other(|| "cannot start cargo, which builds the stages".to_owned())?;
    if !output.status.success() {
        return Err(Error::other("cargo cannot read the workspace: see above"));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .or_other(|| "cargo describes the workspace in an unknown way".to_owned())?;
    let known: BTreeMap<_, _> = metadata.packages.iter().map(|package| (package.name.as_str(), package)).collect();
    for package in packages {
        if !known.contains_key(package.as_str()) {
            let place = places.get(package).map_or("", String::as_str);
            let error = Error::config(format!("{place}the workspace has no package `{package}`"));
            let error = match suggest(package, known.keys().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(closest_first(package, known.keys().copied())),
            };
            return Err(error.hint("`cargo xtask new-stage SLOT NAME` makes a new one in `crates/`"));
        }
    }
    let mut resolved = Vec::new();
    for feature in features {
        let having = packages.iter().filter(|package| known[package.as_str()].features.contains_key(feature));
        let before = resolved.len();
        resolved.extend(having.map(|package| format!("{package}/{feature}")));
        if resolved.len() == before {
            return Err(Error::usage(format!("no stage has a feature `{feature}`"))
                .hint("`--features cuda` builds for NVIDIA GPUs"));
        }
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_ids_have_two_forms() {
        let pair = |name: &str| Some((name.to_owned(), "0.1.0".to_owned()));
        assert_eq!(name_and_version("path+file:///w/crates/clean#firebrand-clean@0.1.0"), pair("firebrand-clean"));
        assert_eq!(name_and_version("path+file:///w/crates/my-clean#0.1.0"), pair("my-clean"));
        assert_eq!(name_and_version("nonsense"), None);
    }

    #[test]
    fn only_a_packages_main_program_counts() {
        let message = |name: &str, kind: &str| {
            serde_json::from_value::<Message>(serde_json::json!({
                "reason": "compiler-artifact", "package_id": "path+file:///w/crates/clean#firebrand-clean@0.1.0",
                "target": { "name": name, "kind": [kind], "src_path": "" }, "executable": "/t/firebrand-clean",
            }))
            .unwrap()
        };
        let (package, built) = program(message("firebrand-clean", "bin")).unwrap();
        assert_eq!((package.as_str(), built.version.as_deref()), ("firebrand-clean", Some("0.1.0")));
        assert!(program(message("firebrand-clean", "example")).is_none());
        assert!(program(message("other", "bin")).is_none());
    }
}
