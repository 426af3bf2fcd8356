//! Builds the stages with the cargo that runs this program.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use firebrand_pipeline::{Error, Result, ResultExt, Slot, closest_first, suggest};
use serde::Deserialize;

use crate::interrupt;
use crate::workspace::Workspace;

/// The package that classifies texts with a bundle.
pub(crate) const FIREBRAND: &str = "firebrand";

/// The package that describes a pretrained model.
pub(crate) const INSPECT: &str = "firebrand-inspect";

/// A program that is ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    /// The executable file.
    pub(crate) executable: PathBuf,
    /// The package's version, if known.
    pub(crate) version: Option<String>,
}

/// A line of cargo's JSON output.
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

/// The cargo that runs this program, without the variables that `cargo run` sets to describe xtask's own package: the build
/// script of `ring` asks to run again when they change, and everything that depends on it would be compiled again each time.
pub(crate) fn command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    for (name, _) in std::env::vars_os() {
        let describes_package = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_PRIMARY_PACKAGE"
        });
        if describes_package {
            command.env_remove(name);
        }
    }
    command
}

/// Builds the given packages (with the place in the configuration that names each), every built-in stage, `firebrand` and the
/// inspect program. Returns the programs by package.
///
/// Always all of them: cargo unifies features over the packages that it builds together, so any other selection would
/// compile the same dependencies again.
///
/// # Errors
/// When a package does not exist or something does not compile.
pub(crate) fn build(
    packages: &BTreeMap<String, String>,
    features: &[String],
    workspace: &Workspace,
) -> Result<BTreeMap<String, Built>> {
    let mut all: BTreeSet<String> = Slot::ALL.into_iter().map(Slot::default_package).collect();
    all.extend([FIREBRAND, INSPECT].map(str::to_owned));
    let custom = packages.keys().any(|package| !all.contains(package));
    all.extend(packages.keys().cloned());
    let features =
        if custom || !features.is_empty() { resolve(&all, packages, features, workspace)? } else { Vec::new() };

    announce(&all, workspace);
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
        // Newer versions of cargo may print other kinds of messages.
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

/// The directory of the programs that cargo builds, this one among them.
pub(crate) fn target_dir() -> PathBuf {
    let built = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned));
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => PathBuf::from(dir).join("debug"),
        None => built.unwrap_or_default(),
    }
}

/// A source file that has changed since the program was built, according to the list that cargo writes next to it.
pub(crate) fn newer_source(executable: &Path) -> Option<PathBuf> {
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let built = changed(executable)?;
    let list = fs::read_to_string(executable.with_extension("d")).ok()?;
    let (_, sources) = list.lines().next()?.split_once(": ")?;
    // Spaces in file names are escaped.
    let sources = sources.replace("\\ ", "\0");
    let mut sources = sources.split_whitespace().map(|source| PathBuf::from(source.replace('\0', " ")));
    sources.find(|source| changed(source).is_some_and(|time| time > built))
}

/// Mean number of core-seconds that it takes to compile a dependency: 2.4 were measured on an EPYC of 2024.
const SECONDS_PER_CRATE: usize = 3;

/// Logs before the first build that it takes minutes, and roughly how many.
fn announce(packages: &BTreeSet<String>, workspace: &Workspace) {
    let target = target_dir();
    if packages.iter().any(|package| target.join(format!("{package}{}", std::env::consts::EXE_SUFFIX)).exists()) {
        return;
    }
    let mut command = command();
    command.args(["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}", "--manifest-path"]);
    command.arg(workspace.root().join("Cargo.toml")).stderr(Stdio::inherit());
    for package in packages {
        command.arg("--package").arg(package);
    }
    // If this fails, so does the build, with a better message.
    let Ok(output) = command.output() else { return };
    let crates = count_crates(&String::from_utf8_lossy(&output.stdout));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tracing::info!("{}", first_build(crates, cores));
}

/// The number of distinct packages in the output of `cargo tree`, which marks repeated ones.
fn count_crates(tree: &str) -> usize {
    tree.lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect::<BTreeSet<_>>()
        .len()
}

fn first_build(crates: usize, cores: usize) -> String {
    let minutes = (crates * SECONDS_PER_CRATE).div_ceil(60 * cores);
    let s = |number: usize| if number == 1 { "" } else { "s" };
    format!(
        "compiling {crates} crate{}, once; about {minutes} minute{} on {cores} core{}",
        s(crates),
        s(minutes),
        s(cores)
    )
}

/// The program that a message reports, by its package's name.
fn program(message: Message) -> Option<(String, Built)> {
    let (target, executable) = (message.target?, message.executable?);
    if message.reason != "compiler-artifact" || target.kind != ["bin"] {
        return None;
    }
    let (package, version) = name_and_version(&message.package_id?)?;
    // A package may have other programs besides its stage.
    (target.name == package).then_some((package, Built { executable, version: Some(version) }))
}

/// `path+file:///…/crates/clean#firebrand-clean@0.1.0`, or `…/crates/my-clean#0.1.0` if the directory has the package's name.
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
    fn the_first_build_is_announced_with_its_length() {
        assert_eq!(count_crates("a v1.0.0\nb v1.0.0 (proc-macro)\na v1.0.0 (*)\n\nb v1.0.0 (proc-macro) (*)\n"), 2);
        assert_eq!(first_build(372, 2), "compiling 372 crates, once; about 10 minutes on 2 cores");
        assert_eq!(first_build(1, 1), "compiling 1 crate, once; about 1 minute on 1 core");
    }

    #[test]
    fn a_changed_source_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("my source.rs"), "").unwrap();
        fs::write(path("program"), "").unwrap();
        assert_eq!(newer_source(&path("program")), None);
        let list = format!("{0}/program: {0}/gone.rs {0}/my\\ source.rs\n", dir.path().display());
        fs::write(path("program.d"), list).unwrap();
        let built = fs::metadata(path("program")).unwrap().modified().unwrap();
        let touch = |time: std::time::SystemTime| {
            fs::File::options().write(true).open(path("my source.rs")).unwrap().set_modified(time).unwrap();
        };
        let moment = std::time::Duration::from_secs(10);
        touch(built - moment);
        assert_eq!(newer_source(&path("program")), None);
        touch(built + moment);
        assert_eq!(newer_source(&path("program")), Some(path("my source.rs")));
        assert_eq!(newer_source(&path("nowhere")), None);
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
