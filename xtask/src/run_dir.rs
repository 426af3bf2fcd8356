//! A run's directory: `STAGE/` of each finished stage, and what is on its way there.
//!
//! A stage writes into `STAGE.tmp/`; when it is done the manifest is written there last and the directory is renamed as
//! a whole. A kill at any moment leaves the previous result, or none, and the next run tidies up.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result, Slot, read_json, to_json};

use crate::manifest::Manifest;
use crate::outputs;

/// The file that says that a stage finished.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The directory of one run.
#[derive(Debug, Clone)]
pub(crate) struct RunDir {
    path: PathBuf,
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

    /// Where a finished stage is.
    pub(crate) fn stage(&self, slot: Slot) -> PathBuf {
        self.path.join(slot.name())
    }

    /// Where a stage writes while it runs.
    pub(crate) fn tmp(&self, slot: Slot) -> PathBuf {
        self.path.join(format!("{slot}.tmp"))
    }

    /// Where the previous result is while a new one takes its place.
    fn old(&self, slot: Slot) -> PathBuf {
        self.path.join(format!("{slot}.old"))
    }

    /// What `STAGE.tmp/` is being made from.
    fn key(&self, slot: Slot) -> PathBuf {
        self.path.join(format!("{slot}.key"))
    }

    /// Where what is asked of a stage is written.
    pub(crate) fn request(&self, slot: Slot) -> PathBuf {
        self.path.join("requests").join(format!("{slot}.json"))
    }

    /// The memory of hashes.
    pub(crate) fn hashes(&self) -> PathBuf {
        self.path.join("hashes.json")
    }

    /// The manifest of a stage; `None` where it has not finished.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub(crate) fn manifest(&self, slot: Slot) -> Result<Option<Manifest>> {
        let path = self.stage(slot).join(MANIFEST);
        if path.exists() { read_json(&path).map(Some) } else { Ok(None) }
    }

    /// Tidies up what a killed run left. `STAGE.tmp/` of a resumable stage stays until it is known what will run.
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
            remove(&old)?;
            if !slot.resumable() {
                remove(&tmp)?;
            }
        }
        Ok(())
    }

    /// Makes `STAGE.tmp/` ready to be written into. True when it holds what an interrupted run with the same key left.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn begin(&self, slot: Slot, key: &str) -> Result<bool> {
        let (tmp, key_file) = (self.tmp(slot), self.key(slot));
        let same = fs::read_to_string(&key_file).is_ok_and(|found| found == key);
        if slot.resumable() && same && tmp.is_dir() {
            return Ok(true);
        }
        // The key goes first and comes last, so that it never vouches for a directory that is half removed.
        remove(&key_file)?;
        remove(&tmp)?;
        fs::create_dir_all(&tmp).map_err(|error| Error::io("create", &tmp, &error))?;
        if slot.resumable() {
            fs::write(&key_file, key).map_err(|error| Error::io("write", &key_file, &error))?;
        }
        Ok(false)
    }

    /// Puts `STAGE.tmp/`, which is complete, into its place.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn commit(&self, slot: Slot, manifest: &Manifest) -> Result<()> {
        let (stage, tmp, old) = (self.stage(slot), self.tmp(slot), self.old(slot));
        let path = tmp.join(MANIFEST);
        let text = to_json(manifest)?;
        File::create(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .map_err(|error| Error::io("write", &path, &error))?;
        sync_dir(&tmp);
        remove(&old)?;
        if stage.exists() {
            rename(&stage, &old)?;
        }
        rename(&tmp, &stage)?;
        sync_dir(&self.path);
        remove(&self.key(slot))?;
        remove(&old)
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
        remove(&self.tmp(slot))?;
        remove(&self.old(slot))?;
        Ok(found)
    }

    /// The first output that the manifest lists and that is gone, or has another size.
    pub(crate) fn first_damage(&self, manifest: &Manifest) -> Option<String> {
        let dir = self.stage(manifest.stage);
        let damaged = manifest.outputs.iter().find(|output| {
            !fs::metadata(dir.join(&output.path)).is_ok_and(|data| data.is_file() && data.len() == output.bytes)
        });
        damaged.map(|output| output.path.clone())
    }
}

/// Removes a file or a directory that may be there.
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

/// Makes renames outlast a power cut. Not every system lets a directory be flushed, and nothing depends on it.
fn sync_dir(path: &Path) {
    let _ = File::open(path).and_then(|dir| dir.sync_all());
}

/// Removes a manifest that the stage itself left, and says what else it left.
///
/// # Errors
/// When an output is missing or malformed.
pub(crate) fn inspect(run: &RunDir, slot: Slot, who: &str) -> Result<Vec<crate::manifest::OutputFile>> {
    let tmp = run.tmp(slot);
    // A stage that copies its input's directory copies the manifest too.
    remove(&tmp.join(MANIFEST))?;
    outputs::verify(slot, &tmp, who)?;
    outputs::take_stock(&tmp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn manifest(slot: Slot, seconds: f64) -> Manifest {
        Manifest {
            stage: slot,
            package: "p".to_owned(),
            version: None,
            protocol: 1,
            executable: "e".to_owned(),
            config: serde_json::json!({}),
            files: BTreeMap::new(),
            inputs: BTreeMap::new(),
            outputs: Vec::new(),
            seconds,
        }
    }

    fn run_dir() -> (tempfile::TempDir, RunDir) {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::new(dir.path().to_owned());
        (dir, run)
    }

    fn finish(run: &RunDir, slot: Slot, seconds: f64) {
        run.begin(slot, "key").unwrap();
        run.commit(slot, &manifest(slot, seconds)).unwrap();
    }

    fn seconds(run: &RunDir, slot: Slot) -> Option<f64> {
        run.manifest(slot).unwrap().map(|manifest| manifest.seconds)
    }

    #[test]
    fn a_new_result_takes_the_place_of_the_old_one() {
        let (_dir, run) = run_dir();
        finish(&run, Slot::Clean, 1.0);
        fs::write(run.stage(Slot::Clean).join("old.txt"), "x").unwrap();
        finish(&run, Slot::Clean, 2.0);
        assert_eq!(seconds(&run, Slot::Clean), Some(2.0));
        assert!(!run.stage(Slot::Clean).join("old.txt").exists());
        assert!(!run.old(Slot::Clean).exists() && !run.tmp(Slot::Clean).exists());
    }

    #[test]
    fn a_kill_between_the_two_renames_is_made_good() {
        let (_dir, run) = run_dir();
        finish(&run, Slot::Clean, 1.0);
        run.begin(Slot::Clean, "key").unwrap();
        let text = serde_json::to_string(&manifest(Slot::Clean, 2.0)).unwrap();
        fs::write(run.tmp(Slot::Clean).join(MANIFEST), text).unwrap();
        fs::rename(run.stage(Slot::Clean), run.old(Slot::Clean)).unwrap();
        run.recover().unwrap();
        assert_eq!(seconds(&run, Slot::Clean), Some(2.0));
        assert!(!run.old(Slot::Clean).exists());
        // And where the new one is not complete, the old one comes back.
        run.begin(Slot::Clean, "key").unwrap();
        fs::rename(run.stage(Slot::Clean), run.old(Slot::Clean)).unwrap();
        run.recover().unwrap();
        assert_eq!(seconds(&run, Slot::Clean), Some(2.0));
        assert!(!run.tmp(Slot::Clean).exists());
    }

    #[test]
    fn only_the_same_key_resumes_and_only_training() {
        let (_dir, run) = run_dir();
        for slot in [Slot::Clean, Slot::Train] {
            assert!(!run.begin(slot, "one").unwrap());
            fs::write(run.tmp(slot).join("checkpoint"), "x").unwrap();
            run.recover().unwrap();
            assert_eq!(run.begin(slot, "one").unwrap(), slot == Slot::Train);
            assert_eq!(run.tmp(slot).join("checkpoint").exists(), slot == Slot::Train);
            assert!(!run.begin(slot, "two").unwrap());
            assert!(!run.tmp(slot).join("checkpoint").exists());
        }
        // A directory that was only half removed when the process was killed has no key that vouches for it.
        fs::remove_file(run.key(Slot::Train)).unwrap();
        assert!(!run.begin(Slot::Train, "two").unwrap());
    }

    #[test]
    fn what_is_discarded_is_gone_and_damage_is_seen() {
        let (_dir, run) = run_dir();
        finish(&run, Slot::Train, 1.0);
        let mut damaged = manifest(Slot::Train, 1.0);
        assert_eq!(run.first_damage(&damaged), None);
        let output = crate::manifest::OutputFile { path: "a".to_owned(), bytes: 1, blake3: String::new() };
        damaged.outputs.push(output);
        assert_eq!(run.first_damage(&damaged).as_deref(), Some("a"));
        fs::write(run.stage(Slot::Train).join("a"), "x").unwrap();
        assert_eq!(run.first_damage(&damaged), None);
        assert!(run.discard(Slot::Train).unwrap());
        assert!(!run.discard(Slot::Train).unwrap());
        assert_eq!(fs::read_dir(run.path()).unwrap().count(), 0);
    }
}
