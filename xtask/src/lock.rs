//! One process at a time works on a run.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use firebrand_pipeline::{Error, Result, progress};

use crate::interrupt;

/// Whoever holds it is often gone in a moment: nothing is said before this.
const PATIENCE: Duration = Duration::from_millis(700);

/// The lock of a run's directory, held while this lives, and while a stage that was started under it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Waits until this process is the only one that works on the run in `dir`, and says whom it waits for.
    ///
    /// # Errors
    /// When the system refuses, or on Ctrl-C.
    pub(crate) fn take(dir: &Path) -> Result<Self> {
        let path = dir.join("lock");
        let started = Instant::now();
        let mut told = false;
        loop {
            fs::create_dir_all(dir).map_err(|error| Error::io("create", dir, &error))?;
            let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let file = opened.map_err(|error| Error::io("open", &path, &error))?;
            match file.try_lock() {
                Ok(()) if is_still(&file, &path) => {
                    let lock = Self { file, path };
                    lock.note("at work");
                    lock.share_with_children()?;
                    return Ok(lock);
                }
                // `clean-run` removed the file while we waited for it.
                Ok(()) => continue,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path, &error)),
            }
            if !told && started.elapsed() > PATIENCE {
                told = true;
                let holder = fs::read_to_string(&path).unwrap_or_default();
                let holder = if holder.is_empty() { "another process" } else { holder.trim() };
                progress::log(&format!("waiting for {holder}, which works on this run (Ctrl-C stops waiting)"));
            }
            interrupt::check()?;
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether some process works on the run in `dir` now.
    pub(crate) fn is_taken(dir: &Path) -> bool {
        File::open(dir.join("lock")).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Writes down for those who wait who holds the lock, and why.
    pub(crate) fn note(&self, what: &str) {
        let mut file = &self.file;
        let text = format!("process {} ({what})\n", std::process::id());
        // Only a courtesy: the lock holds without it.
        let _ =
            file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| file.write_all(text.as_bytes()));
    }

    /// Removes the lock's file, at the very end of a run's directory.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|error| Error::io("remove", &self.path, &error))
    }

    /// Lets the lock be inherited: it is then held until the last process that inherited it is gone. A stage that
    /// outlives its killed runner (a script does not know to watch for that) so keeps the next one waiting.
    #[cfg(unix)]
    fn share_with_children(&self) -> Result<()> {
        use nix::fcntl::{FcntlArg, FdFlag, fcntl};

        fcntl(&self.file, FcntlArg::F_SETFD(FdFlag::empty()))
            .map(drop)
            .map_err(|error| Error::io("share", &self.path, &error.into()))
    }

    #[cfg(not(unix))]
    fn share_with_children(&self) -> Result<()> {
        Ok(())
    }
}

/// Whether the open file is the one that the path names now.
#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_still(_file: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_waits_for_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        assert!(Lock::is_taken(dir.path()));
        let path = dir.path().to_owned();
        let second = std::thread::spawn(move || Lock::take(&path).unwrap());
        std::thread::sleep(Duration::from_millis(150));
        assert!(!second.is_finished());
        drop(first);
        drop(second.join().unwrap());
        assert!(!Lock::is_taken(dir.path()));
    }

    #[test]
    fn a_lock_on_a_removed_file_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        let path = dir.path().to_owned();
        let second = std::thread::spawn(move || Lock::take(&path).unwrap());
        std::thread::sleep(Duration::from_millis(100));
        first.remove().unwrap();
        let second = second.join().unwrap();
        assert!(Lock::is_taken(dir.path()));
        drop(second);
    }
}
