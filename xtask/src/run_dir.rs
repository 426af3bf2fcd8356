//! A run's directory: `STAGE/` for each finished stage, and work in progress.
//!
//! A stage writes to `STAGE.tmp/`. When it is done, the manifest is written last and the directory is renamed as a whole. A
//! kill at any moment leaves the previous result or none, and the next run cleans up.
//!
//! Training takes long, so none of it is deleted: an interrupted training is resumed or [set aside](Begun::SetAside), and
//! a model that a new one replaces is kept as `train.previous/`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result, Slot, read_json, to_json};

use crate::durable::flush_dir;
use crate::freshness::Recipe;
use crate::manifest::{Manifest, OutputFile};
use crate::outputs;
use crate::work::Work;

/// The file that marks a stage as finished.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The directory of one run.
#[derive(Debug, Clone)]
pub(crate) struct RunDir {
    path: PathBuf,
}

/// What a stage finds in `STAGE.tmp/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Nothing.
    Empty,
    /// The work of an interrupted run with the same inputs. The stage decides whether its configuration and program can
    /// continue it. Holds the hashes of other executables that have worked on it.
    Resumed(Vec<String>),
    /// Nothing: the work of an interrupted run had other inputs and was moved to this directory.
    SetAside { to: PathBuf, why: String },
}

impl RunDir {
    /// The run in `path`, which need not exist.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The run's directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of a finished stage.
    pub(crate) fn stage(&self, slot: Slot) -> PathBuf {
        self.path.join(slot.name())
    }

    /// The directory that a stage writes to while it runs.
    pub(crate) fn tmp(&self, slot: Slot) -> PathBuf {
        self.path.join(format!("{slot}.tmp"))
    }

    /// The directory of the previous result while a new one takes its place.
    fn old(&self, slot: Slot) -> PathBuf {
        self.path.join(format!("{slot}.old"))
    }

    /// The directory of the result that the current one replaced, if the slot keeps it.
    pub(crate) fn previous(&self, slot: Slot) -> PathBuf {
        self.path.join(format!("{slot}.previous"))
    }

    /// The file that says what `STAGE.tmp/` is made from, and by which program.
    fn key(&self, slot: Slot) -> PathBuf {
        self.path.join(format!("{slot}.key"))
    }

    /// A directory for work that cannot be resumed: `STAGE.set-aside-1`, …
    fn set_aside(&self, slot: Slot, number: usize) -> PathBuf {
        self.path.join(format!("{slot}.set-aside-{number}"))
    }

    /// The file of a stage's request.
    pub(crate) fn request(&self, slot: Slot) -> PathBuf {
        self.path.join("requests").join(format!("{slot}.json"))
    }

    /// The file of cached hashes.
    pub(crate) fn hashes(&self) -> PathBuf {
        self.path.join("hashes.json")
    }

    /// The manifest of a stage; `None` if it has not finished.
    ///
    /// # Errors
    /// When it exists but cannot be read.
    pub(crate) fn manifest(&self, slot: Slot) -> Result<Option<Manifest>> {
        let path = self.stage(slot).join(MANIFEST);
        if path.exists() { read_json(&path).map(Some) } else { Ok(None) }
    }

    /// Cleans up after a killed run. `STAGE.tmp/` of a resumable stage stays until it is known what will run.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn recover(&self) -> Result<()> {
        for slot in Slot::ALL {
            let (stage, tmp, old) = (self.stage(slot), self.tmp(slot), self.old(slot));
            if old.exists() && !stage.exists() {
                // Killed between the two renames of `commit`. The new result was complete by then.
                let from = if tmp.join(MANIFEST).exists() { &tmp } else { &old };
                rename(from, &stage)?;
            }
            self.retire(slot)?;
            if !slot.resumable() {
                remove(&tmp)?;
            }
        }
        Ok(())
    }

    /// Prepares `STAGE.tmp/` for a stage to write to.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn begin(&self, slot: Slot, recipe: &Recipe) -> Result<Begun> {
        let (tmp, key) = (self.tmp(slot), self.key(slot));
        let mut begun = Begun::Empty;
        if slot.resumable() && has_entries(&tmp) {
            let before = Work::read(&key);
            // `summary.json` comes last, and then the checkpoints go: there is nothing to resume, but a model to keep.
            let done = tmp.join("summary.json").exists() && !tmp.join("checkpoints").exists();
            let finished = || "it had finished, but the runner was stopped before it was recorded".to_owned();
            match before.as_ref().map(|work| work.other_inputs(recipe).or_else(|| done.then(finished))) {
                Some(None) => {
                    let work = Work::new(recipe, before.as_ref());
                    work.write(&key)?;
                    return Ok(Begun::Resumed(work.earlier_executables));
                }
                found => {
                    let why = found.flatten().unwrap_or_else(|| "nothing says what it was made from".to_owned());
                    let to = self.free_aside(slot);
                    rename(&tmp, &to)?;
                    begun = Begun::SetAside { to, why };
                }
            }
        }
        // The key goes first and comes last, so that it never vouches for a directory that is half removed.
        remove(&key)?;
        remove(&tmp)?;
        fs::create_dir_all(&tmp).map_err(|error| Error::io("create", &tmp, &error))?;
        if slot.resumable() {
            Work::new(recipe, None).write(&key)?;
        }
        Ok(begun)
    }

    /// Moves work that a resumed stage could not use (`*.superseded*`) out of its result. Returns where it is kept.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn set_superseded_aside(&self, slot: Slot) -> Result<Vec<PathBuf>> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(self.tmp(slot)).into_iter().flatten().flatten() {
            if slot.resumable() && entry.file_name().to_string_lossy().contains(".superseded") {
                let to = self.free_aside(slot);
                rename(&entry.path(), &to)?;
                kept.push(to);
            }
        }
        Ok(kept)
    }

    fn free_aside(&self, slot: Slot) -> PathBuf {
        let free = (1..).map(|number| self.set_aside(slot, number)).find(|path| !path.exists());
        free.unwrap_or_default()
    }

    /// Makes `STAGE.tmp/`, which is complete and flushed to the disk, the stage's result. Returns where the result that it
    /// replaces is kept, if it is.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn commit(&self, slot: Slot, manifest: &Manifest) -> Result<Option<PathBuf>> {
        let (stage, tmp, old) = (self.stage(slot), self.tmp(slot), self.old(slot));
        let path = tmp.join(MANIFEST);
        let text = to_json(manifest)?;
        File::create(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .map_err(|error| Error::io("write", &path, &error))?;
        flush_dir(&tmp)?;
        remove(&old)?;
        if stage.exists() {
            rename(&stage, &old)?;
        }
        rename(&tmp, &stage)?;
        // `runs/` and what it lies in may be new too.
        self.path.ancestors().take(3).try_for_each(flush_dir)?;
        remove(&self.key(slot))?;
        self.retire(slot)
    }

    /// Keeps `STAGE.old/` as the previous result, or removes it. Returns where it is kept.
    fn retire(&self, slot: Slot) -> Result<Option<PathBuf>> {
        let (old, previous) = (self.old(slot), self.previous(slot));
        let replaced: Option<Manifest> = read_json(&old.join(MANIFEST)).ok();
        let differs = |replaced: Manifest| {
            self.manifest(slot).ok().flatten().is_some_and(|manifest| manifest.content() != replaced.content())
        };
        if slot.keeps_previous() && replaced.is_some_and(differs) {
            remove(&previous)?;
            rename(&old, &previous)?;
            return Ok(Some(previous));
        }
        remove(&old)?;
        Ok(None)
    }

    /// Removes everything that belongs to a slot; true if there was something.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn discard(&self, slot: Slot) -> Result<bool> {
        let stage = self.stage(slot);
        let found = stage.exists() || self.tmp(slot).exists();
        remove(&self.key(slot))?;
        if stage.exists() {
            // Renamed first: a kill in the middle must not leave a directory with a manifest and half of its files.
            remove(&self.old(slot))?;
            remove(&self.tmp(slot))?;
            rename(&stage, &self.old(slot))?;
            fs::remove_file(self.old(slot).join(MANIFEST)).ok();
        }
        for path in [self.tmp(slot), self.old(slot), self.previous(slot)] {
            remove(&path)?;
        }
        let prefix = format!("{slot}.set-aside-");
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                remove(&entry.path())?;
            }
        }
        Ok(found)
    }

    /// The first output in the manifest that is missing or has another size.
    pub(crate) fn first_damage(&self, manifest: &Manifest) -> Option<String> {
        let dir = self.stage(manifest.stage);
        let damaged = manifest.outputs.iter().find(|output| {
            !fs::metadata(dir.join(&output.path)).is_ok_and(|data| data.is_file() && data.len() == output.bytes)
        });
        damaged.map(|output| output.path.clone())
    }
}

fn has_entries(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())
}

/// Removes a file or directory, if it exists.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(data) if data.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => return Ok(()),
    };
    removed.map_err(|error| Error::io("remove", path, &error))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|error| Error::io("rename", from, &error))
}

/// Removes a manifest that the stage itself wrote, checks its outputs, and lists every file.
///
/// # Errors
/// When an output is missing or malformed.
pub(crate) fn inspect(run: &RunDir, slot: Slot, who: &str) -> Result<Vec<OutputFile>> {
    let tmp = run.tmp(slot);
    // A stage that copies its input's directory copies the manifest too.
    remove(&tmp.join(MANIFEST))?;
    outputs::verify(slot, &tmp, who)?;
    outputs::inventory(&tmp)
}

#[cfg(test)]
mod tests;
