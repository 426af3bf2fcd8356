//! The programs that fill the slots: built by cargo, taken from a directory, or command lines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use firebrand_pipeline::{Error, Result, Slot};

use crate::cargo::{self, Built};
use crate::config::{Config, Filler, Section};
use crate::hashes::Hashes;
use crate::watch::Watched;
use crate::workspace::Workspace;

/// What fills a slot.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    words: Vec<String>,
    package: Option<String>,
    /// The package's version, if known.
    pub(crate) version: Option<String>,
    /// The hash of the executable (of a command: of its words and of the files that are watched); `None` if it is not built.
    pub(crate) hash: Option<String>,
    /// A source file that has changed since the program was built.
    pub(crate) newer_source: Option<PathBuf>,
    /// Which files are watched for a command, and which are not.
    pub(crate) watched: Option<String>,
}

/// Where executables come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Cargo builds them, with these features.
    Cargo(Vec<String>),
    /// What cargo built last; nothing is compiled.
    LastBuild,
    /// They exist: `DIR/PACKAGE`.
    Directory(PathBuf),
}

/// The environment variable with the default of `--bin-dir`.
const BIN_DIR: &str = "FIREBRAND_BIN_DIR";

/// The source that the environment sets, if it does.
pub(crate) fn from_environment() -> Option<Source> {
    std::env::var_os(BIN_DIR).filter(|dir| !dir.is_empty()).map(|dir| Source::Directory(dir.into()))
}

impl Program {
    /// A command that starts the program, without the verb.
    pub(crate) fn command(&self) -> Command {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().map_or("", String::as_str));
        command.args(words);
        command
    }

    /// Whether it is a command line rather than a package.
    pub(crate) fn is_command(&self) -> bool {
        self.package.is_none()
    }

    /// The package's name, or the command line.
    pub(crate) fn words(&self) -> String {
        self.package.clone().unwrap_or_else(|| self.words.join(" "))
    }

    fn of_command(slot: Slot, words: &[String], section: &Section, root: &Path, hashes: &mut Hashes) -> Result<Self> {
        let watched = Watched::of(slot, words, section, root)?;
        Ok(Self {
            words: words.to_vec(),
            package: None,
            version: None,
            hash: Some(watched.hash(root, hashes)?),
            newer_source: None,
            watched: Some(watched.note(slot)),
        })
    }

    fn of_package(package: &str, built: &Built, hashes: &mut Hashes) -> Result<Self> {
        let found = built.executable.is_file();
        Ok(Self {
            words: vec![built.executable.display().to_string()],
            package: Some(package.to_owned()),
            version: built.version.clone(),
            hash: if found { Some(hashes.of_file(&built.executable)?) } else { None },
            newer_source: cargo::newer_source(&built.executable),
            watched: None,
        })
    }
}

/// The program of every slot, built if necessary.
///
/// # Errors
/// When a package does not build or a program cannot be read.
pub(crate) fn find(
    config: &Config,
    source: &Source,
    workspace: &Workspace,
    hashes: &mut Hashes,
) -> Result<BTreeMap<Slot, Program>> {
    // The packages, each with the place in the configuration that names it.
    let mut packages = BTreeMap::new();
    for slot in Slot::ALL {
        let section = config.section(slot);
        if let Filler::Package(package) = &section.filler {
            let place = section.origins.get("package").map(|place| format!("{place}: "));
            packages.insert(package.clone(), place.unwrap_or_default());
        }
    }
    let from = |dir: &Path| packages.keys().map(|package| (package.clone(), in_directory(package, dir))).collect();
    let mut built: BTreeMap<String, Built> = match source {
        Source::Cargo(features) => cargo::build(&packages, features, workspace)?,
        Source::LastBuild => from(&cargo::target_dir()),
        Source::Directory(dir) => from(dir),
    };
    let mut programs = BTreeMap::new();
    for slot in Slot::ALL {
        let section = config.section(slot);
        let program = match &section.filler {
            Filler::Command(words) => Program::of_command(slot, words, section, workspace.root(), hashes)?,
            Filler::Package(package) => {
                let nowhere = || Built { executable: PathBuf::new(), version: None };
                let built = built.entry(package.clone()).or_insert_with(nowhere);
                Program::of_package(package, built, hashes)?
            }
        };
        programs.insert(slot, program);
    }
    Ok(programs)
}

/// The error for a stage that has to run but has no program.
pub(crate) fn missing(slot: Slot, program: &Program) -> Error {
    Error::other(format!("the package `{}`, which fills `{slot}`, has no program", program.words()))
        .hint("a stage's package has a `src/main.rs`: `cargo xtask new-stage` writes one")
}

/// The program of one package that fills no slot.
///
/// # Errors
/// When it does not build or does not exist.
pub(crate) fn find_one(package: &str, source: &Source, workspace: &Workspace) -> Result<PathBuf> {
    let built = match source {
        Source::Cargo(features) => cargo::build(&BTreeMap::new(), features, workspace)?.remove(package),
        Source::LastBuild => Some(in_directory(package, &cargo::target_dir())),
        Source::Directory(dir) => Some(in_directory(package, dir)),
    };
    let found = built.filter(|built| built.executable.is_file()).map(|built| built.executable);
    found.ok_or_else(|| Error::other(format!("the package `{package}` has no program")))
}

fn in_directory(package: &str, dir: &Path) -> Built {
    let name = format!("{package}{}", std::env::consts::EXE_SUFFIX);
    let executable = std::path::absolute(dir.join(&name)).unwrap_or_else(|_| dir.join(&name));
    Built { executable, version: None }
}
