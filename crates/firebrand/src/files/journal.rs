//! What is done already, on the disk, so that an interrupted run continues.
//!
//! `OUTPUT.partial/` holds a part for each step and `journal.json`, which says how many of them count: a step is done once
//! the journal that counts it has replaced the one before. Whatever else is there, an unfinished part for example, is written
//! anew. In the end the parts are joined next to each other, the journal notes that, and the joined file becomes the output.
//! Each of these is on the disk before the next is begun, so that the process may be killed at any time.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result, read_json, to_json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const JOURNAL: &str = "journal.json";
const LOCK: &str = "lock";
const JOINED: &str = "joined";

/// What a run is about: everything that its output depends on, by name.
pub(super) type Plan = Map<String, Value>;

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Steps that are done.
    pub(super) parts: u64,
    /// Rows in them.
    pub(super) rows: u64,
    /// Rows without a prediction.
    pub(super) refused: u64,
    /// Rows of which nothing is left after cleaning.
    pub(super) empty: u64,
    /// Rows that were truncated.
    pub(super) truncated: u64,
    /// Whether all of them are joined.
    pub(super) joined: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    plan: Plan,
    progress: Progress,
}

/// The journal of a run that this process works on.
#[derive(Debug)]
pub(super) struct Journal {
    output: PathBuf,
    directory: PathBuf,
    state: State,
    /// Held until the process ends, however it does.
    _lock: File,
}

impl Journal {
    /// Starts a run, or continues the one that was interrupted. With `restart`, what that one left is discarded, and an
    /// output that exists will be replaced.
    ///
    /// # Errors
    /// When the output exists, an interrupted run was about something else, another process works on it, or the disk refuses.
    pub(super) fn open(output: &Path, plan: Plan, restart: bool) -> Result<Self> {
        let directory = partial_directory(output);
        let path = directory.join(JOURNAL);
        if !path.exists() && output.exists() && !restart {
            return Err(Error::usage(format!("the output {} exists already", output.display()))
                .hint("choose another name, or replace it with `--restart`"));
        }
        fs::create_dir_all(&directory).map_err(|error| Error::io("create", &directory, &error))?;
        let lock = lock(&directory)?;
        let fresh = |plan| State { plan, progress: Progress::default() };
        let state = if path.exists() && !restart {
            let state: State = read_json(&path).map_err(|error| error.hint(discard()))?;
            check(&state.plan, &plan, &directory)?;
            // The user has taken the output away after it was finished.
            let taken = state.progress.joined && !directory.join(JOINED).exists() && !output.exists();
            if taken { fresh(plan) } else { state }
        } else {
            fresh(plan)
        };
        let journal = Self { output: output.to_owned(), directory, state, _lock: lock };
        journal.write()?;
        Ok(journal)
    }

    pub(super) fn progress(&self) -> Progress {
        self.state.progress
    }

    /// The file for the part that is written next.
    pub(super) fn next_part(&self) -> PathBuf {
        self.part(self.state.progress.parts)
    }

    fn part(&self, number: u64) -> PathBuf {
        self.directory.join(format!("part-{number:06}"))
    }

    /// Counts the part that was written; it must be on the disk.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(super) fn commit(&mut self, progress: Progress) -> Result<()> {
        self.state.progress = progress;
        self.write()
    }

    /// Makes the output of the parts, by `join`, and removes everything else.
    ///
    /// # Errors
    /// When something cannot be written.
    pub(super) fn finish(mut self, join: impl FnOnce(&[PathBuf], &Path) -> Result<()>) -> Result<()> {
        let joined = self.directory.join(JOINED);
        let parts: Vec<PathBuf> = (0..self.state.progress.parts).map(|number| self.part(number)).collect();
        if !self.state.progress.joined {
            join(&parts, &joined)?;
            self.commit(Progress { joined: true, ..self.state.progress })?;
        }
        // Without a joined file, it is the output already.
        if joined.exists() {
            fs::rename(&joined, &self.output).map_err(|error| Error::io("write", &self.output, &error))?;
            sync_directory(self.output.parent().unwrap_or(Path::new("")))?;
        }
        // The journal goes last: as long as parts are there, it says what they are.
        let rest = [JOURNAL, LOCK].map(|name| self.directory.join(name));
        parts.iter().chain(&rest).try_for_each(|path| remove(path))?;
        fs::remove_dir(&self.directory)
            .or_else(|error| {
                // Something that is not ours may be in it.
                if error.kind() == io::ErrorKind::DirectoryNotEmpty { Ok(()) } else { Err(error) }
            })
            .map_err(|error| Error::io("remove", &self.directory, &error))
    }

    fn write(&self) -> Result<()> {
        let path = self.directory.join(JOURNAL);
        let new = self.directory.join("journal.json.new");
        let text = to_json(&self.state)?;
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)
        });
        written.map_err(|error| Error::io("write", &path, &error))?;
        sync_directory(&self.directory)
    }
}

/// The directory of what is not yet finished.
fn partial_directory(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    output.with_file_name(name)
}

fn discard() -> &'static str {
    "`--restart` discards what the interrupted run has done"
}

fn lock(directory: &Path) -> Result<File> {
    let path = directory.join(LOCK);
    let file = File::create(&path).map_err(|error| Error::io("write", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::usage(format!("another process works on {}", directory.display()))
            .hint("wait for it, or choose another output")),
        // A file system without locks.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &path, &error)),
    }
}

/// Refuses to continue a run that was about something else.
fn check(before: &Plan, now: &Plan, directory: &Path) -> Result<()> {
    let keys = before.keys().chain(now.keys().filter(|key| !before.contains_key(*key)));
    let differ: Vec<&str> = keys.filter(|key| before.get(*key) != now.get(*key)).map(String::as_str).collect();
    if differ.is_empty() {
        return Ok(());
    }
    let shown = |plan: &Plan, key: &str| plan.get(key).map_or("missing".to_owned(), Value::to_string);
    let each: Vec<String> =
        differ.iter().map(|key| format!("{key} (was {}, is {})", shown(before, key), shown(now, key))).collect();
    Err(Error::usage(format!("{} is of an interrupted run that differs: {}", directory.display(), each.join(", ")))
        .hint("the command of the interrupted run continues it")
        .hint(discard()))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Flushes a directory's entries. Nothing happens on a system that cannot.
fn sync_directory(directory: &Path) -> Result<()> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(directory).and_then(|opened| opened.sync_all()) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Err(Error::io("flush", directory, &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    fn plan(input: &str) -> Plan {
        Map::from_iter([("input".to_owned(), json!(input)), ("top_k".to_owned(), json!(1))])
    }

    fn output(directory: &TempDir) -> PathBuf {
        directory.path().join("out.csv")
    }

    fn open(directory: &TempDir, restart: bool) -> Result<Journal, String> {
        Journal::open(&output(directory), plan("a"), restart).map_err(|error| error.render())
    }

    /// Writes a part and counts it.
    fn step(journal: &mut Journal, content: &str) {
        fs::write(journal.next_part(), content).unwrap();
        let before = journal.progress();
        journal.commit(Progress { parts: before.parts + 1, rows: before.rows + 1, ..before }).unwrap();
    }

    fn join(parts: &[PathBuf], path: &Path) -> Result<()> {
        let content: String = parts.iter().map(|part| fs::read_to_string(part).unwrap()).collect();
        fs::write(path, content).unwrap();
        Ok(())
    }

    fn names(directory: &TempDir) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_interrupted_run_continues_behind_the_last_part_that_counts() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = open(&directory, false).unwrap();
        step(&mut journal, "one ");
        // Killed while it wrote the second part.
        fs::write(journal.next_part(), "tw").unwrap();
        drop(journal);
        let mut journal = open(&directory, false).unwrap();
        assert_eq!((journal.progress().parts, journal.progress().rows), (1, 1));
        step(&mut journal, "two");
        journal.finish(join).unwrap();
        assert_eq!(fs::read_to_string(output(&directory)).unwrap(), "one two");
        assert_eq!(names(&directory), ["out.csv"]);
        assert!(open(&directory, false).unwrap_err().contains("exists already"));
        let journal = open(&directory, true).unwrap();
        assert_eq!(journal.progress(), Progress::default());
        journal.finish(join).unwrap();
        assert_eq!(fs::read_to_string(output(&directory)).unwrap(), "");
    }

    /// Leaves a directory as a kill leaves it at each point of the end, and goes on.
    #[test]
    fn the_end_may_be_interrupted_anywhere() {
        for point in 0..6 {
            let directory = tempfile::tempdir().unwrap();
            let mut journal = open(&directory, false).unwrap();
            step(&mut journal, "one ");
            step(&mut journal, "two");
            let partial = partial_directory(&output(&directory));
            if point == 0 {
                fs::write(partial.join(JOINED), "one").unwrap();
            }
            if point >= 1 {
                fs::write(partial.join(JOINED), "one two").unwrap();
                let progress = journal.progress();
                journal.commit(Progress { joined: true, ..progress }).unwrap();
            }
            if point >= 2 {
                fs::rename(partial.join(JOINED), output(&directory)).unwrap();
            }
            if point >= 3 {
                fs::remove_file(partial.join("part-000000")).unwrap();
            }
            if point >= 4 {
                fs::remove_file(partial.join("part-000001")).unwrap();
            }
            if point >= 5 {
                fs::remove_file(partial.join(JOURNAL)).unwrap();
            }
            drop(journal);
            if point == 5 {
                // Nothing is left to do, and nothing is lost.
                assert!(open(&directory, false).unwrap_err().contains("exists already"));
            } else {
                let journal = open(&directory, false).unwrap();
                assert_eq!(journal.progress().rows, 2, "{point}");
                journal.finish(join).unwrap();
                assert_eq!(names(&directory), ["out.csv"], "{point}");
            }
            assert_eq!(fs::read_to_string(output(&directory)).unwrap(), "one two", "{point}");
        }
    }

    #[test]
    fn another_run_is_refused_with_what_differs() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = open(&directory, false).unwrap();
        step(&mut journal, "one");
        let error = open(&directory, false).unwrap_err();
        assert!(error.contains("another process works on"), "{error}");
        drop(journal);
        let error = Journal::open(&output(&directory), plan("b"), false).unwrap_err().render();
        assert!(error.contains("that differs: input (was \"a\", is \"b\")\n\nhint: "), "{error}");
        assert!(error.ends_with("hint: `--restart` discards what the interrupted run has done"), "{error}");
        assert_eq!(Journal::open(&output(&directory), plan("b"), true).unwrap().progress(), Progress::default());
    }

    #[test]
    fn a_finished_output_that_was_taken_away_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = open(&directory, false).unwrap();
        step(&mut journal, "one");
        let progress = journal.progress();
        journal.commit(Progress { joined: true, ..progress }).unwrap();
        drop(journal);
        assert_eq!(open(&directory, false).unwrap().progress(), Progress::default());
    }
}
