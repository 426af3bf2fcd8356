//! The programs that fill the slots: built by cargo, taken from a directory, or command lines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use firebrand_pipeline::{Error, Result, Slot, hash};

use crate::cargo::{self, Built};
use crate::config::{Config, Filler};
use crate::hashes::Hashes;
use crate::workspace::Workspace;

/// What fills a slot.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    words: Vec<String>,
    package: Option<String>,
    /// The package's version, where it is known.
    pub(crate) version: Option<String>,
    /// The hash of the executable; of a command: of its words and of the files among them.
    pub(crate) hash: String,
}

/// Where executables come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Cargo builds them, with these features.
    Cargo(Vec<String>),
    /// They are there already: `DIR/PACKAGE`.
    Directory(PathBuf),
}

impl Program {
    /// A new process of the program, without the verb.
    pub(crate) fn command(&self) -> Command {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().map_or("", String::as_str));
        command.args(words);
        command
    }

    /// Whether it is a command line of the user's.
    pub(crate) fn is_command(&self) -> bool {
        self.package.is_none()
    }

    /// The package's name, or the command line.
    pub(crate) fn words(&self) -> String {
        self.package.clone().unwrap_or_else(|| self.words.join(" "))
    }

    fn of_command(words: &[String], root: &Path, hashes: &mut Hashes) -> Result<Self> {
        let mut text = format!("{words:?}\n");
        for word in words {
            let file = root.join(word);
            if file.is_file() {
                text.push_str(&format!("{} {word}\n", hashes.of_file(&file)?));
            }
        }
        Ok(Self { words: words.to_vec(), package: None, version: None, hash: hash::bytes(text.as_bytes()) })
    }

    fn of_package(package: &str, built: &Built, hashes: &mut Hashes) -> Result<Self> {
        Ok(Self {
            words: vec![built.executable.display().to_string()],
            package: Some(package.to_owned()),
            version: built.version.clone(),
            hash: hashes.of_file(&built.executable)?,
        })
    }
}

/// The program of every slot, built where need be. A slot whose package has no program is left out.
///
/// # Errors
/// When a package does not build or a program cannot be read.
pub(crate) fn find(
    config: &Config,
    source: &Source,
    workspace: &Workspace,
    hashes: &mut Hashes,
) -> Result<BTreeMap<Slot, Program>> {
    let filler = |slot: Slot| &config.section(slot).filler;
    // Each package with the place that names it.
    let mut packages = BTreeMap::new();
    for slot in Slot::ALL {
        if let Filler::Package(package) = filler(slot) {
            let place = config.section(slot).origins.get("package").map(|place| format!("{place}: "));
            packages.insert(package.clone(), place.unwrap_or_default());
        }
    }
    let built = match source {
        Source::Cargo(features) => cargo::build(&packages, features, workspace)?,
        Source::Directory(dir) => {
            packages.keys().map(|package| (package.clone(), in_directory(package, dir))).collect()
        }
    };
    let mut programs = BTreeMap::new();
    for slot in Slot::ALL {
        let program = match filler(slot) {
            Filler::Command(words) => Program::of_command(words, workspace.root(), hashes)?,
            Filler::Package(package) => match built.get(package).filter(|built| built.executable.is_file()) {
                Some(built) => Program::of_package(package, built, hashes)?,
                None => continue,
            },
        };
        programs.insert(slot, program);
    }
    Ok(programs)
}

/// What is said when a slot that has to be filled is not in [`find`]'s answer.
pub(crate) fn missing(slot: Slot, filler: &Filler) -> Error {
    let package = match filler {
        Filler::Package(package) => package,
        Filler::Command(words) => &words.join(" "),
    };
    Error::other(format!("the package `{package}`, which fills `{slot}`, has no program"))
        .hint("a stage's package has a `src/main.rs`: `cargo xtask new-stage` writes one")
}

/// The program of one package that fills no slot.
///
/// # Errors
/// When it does not build or is not there.
pub(crate) fn find_one(package: &str, source: &Source, workspace: &Workspace) -> Result<PathBuf> {
    let built = match source {
        Source::Cargo(features) => cargo::build(&BTreeMap::new(), features, workspace)?.remove(package),
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
