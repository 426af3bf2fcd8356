//! A lock per run: one process at a time works on it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use firebrand_pipeline::{Error, Result};
use tracing::info;

use crate::interrupt;

/// The lock is often released in a moment; nothing is logged before this.
const PATIENCE: Duration = Duration::from_millis(700);

/// The lock of a run's directory, held until this is dropped and every stage started under it has exited.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock of the run in `dir`, waiting for the process that holds it. A long wait is logged.
    ///
    /// # Errors
    /// When the system refuses, or on Ctrl-C.
    pub(crate) fn take(dir: &Path) -> Result<Self> {
        let path = dir.join("lock");
        let started = Instant::now();
        let mut announced = false;
        loop {
            fs::create_dir_all(dir).map_err(|error| Error::io("create", dir, &error))?;
            let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let file = opened.map_err(|error| Error::io("open", &path, &error))?;
            match file.try_lock() {
                Ok(()) if is_same_file(&file, &path) => {
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
            if !announced && started.elapsed() > PATIENCE {
                announced = true;
                let holder = fs::read_to_string(&path).unwrap_or_default();
                let holder = if holder.is_empty() { "another process" } else { holder.trim() };
                info!("waiting for {holder}, which works on this run (Ctrl-C stops waiting)");
            }
            interrupt::check()?;
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether a process holds the lock of the run in `dir`.
    pub(crate) fn is_taken(dir: &Path) -> bool {
        File::open(dir.join("lock")).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Writes to the lock file who holds it and what for, for the messages of waiting processes.
    pub(crate) fn note(&self, what: &str) {
        let mut file = &self.file;
        let text = format!("process {} ({what})\n", std::process::id());
        // Failing to do so does no harm: the lock is held regardless.
        let _ =
            file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| file.write_all(text.as_bytes()));
    }

    /// Removes the lock file, as the last file of a run's directory.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|error| Error::io("remove", &self.path, &error))
    }

    /// Lets child processes inherit the lock, so that it is held until the last of them exits. A stage that outlives its
    /// killed runner, such as a script, thus keeps the next runner waiting.
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

/// Whether the path still names the open file.
#[cfg(unix)]
fn is_same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same_file(_file: &File, path: &Path) -> bool {
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
