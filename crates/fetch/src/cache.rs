//! The content-addressed cache. Entries are directories that are created atomically.
//!
//! ```text
//! downloads/SHA256/NAME        a downloaded file
//! unpacked/v1-SHA256/files/…   the contents of the archive with that hash, with their listing.json
//! partial/KEY.part             an incomplete download, which a later run resumes
//! index/KEY.json               the hash that an unpinned source had when it was fetched
//! locks/KEY.lock               held while the entry KEY is created
//! tmp/KEY-PID-N/               an entry being created; renamed when it is complete
//! ```

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use firebrand_pipeline::{Error, Result, StageIo, read_json, to_json};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest;

/// The cache in a directory.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// Exclusive access to an entry, until dropped or until the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    key: String,
    _file: File,
}

/// A directory that is removed when dropped, unless it was committed as an entry.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
}

impl Cache {
    /// Opens the cache, and creates its directories if needed.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        for area in ["downloads", "unpacked", "partial", "index", "locks", "tmp"] {
            create_dir(&root.join(area))?;
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The path of the entry `key` of an area, whether it exists or not.
    pub(crate) fn entry(&self, area: &str, key: &str) -> PathBuf {
        self.root.join(area).join(key)
    }

    /// Locks the entry `key`, waiting for other processes if need be. `what` says in the log what is waited for.
    pub(crate) fn lock(&self, key: &str, what: &str, io: &StageIo) -> Result<Lock> {
        let path = self.root.join("locks").join(format!("{key}.lock"));
        let file = lock_file(&path, what, io)?;
        let lock = Lock { key: key.to_owned(), _file: file };
        self.sweep(&lock);
        Ok(lock)
    }

    /// Removes what a killed process left of this entry; the lock rules out a running one.
    fn sweep(&self, lock: &Lock) {
        let start = format!("{}-", lock.key);
        let Ok(entries) = fs::read_dir(self.root.join("tmp")) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&start) {
                // Leftovers do no harm: their names are never used again.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// A new empty directory in which to create the locked entry.
    pub(crate) fn temporary(&self, lock: &Lock) -> Result<Temporary> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join("tmp").join(format!("{}-{}-{number}", lock.key, std::process::id()));
        create_dir(&path)?;
        Ok(Temporary { path })
    }

    /// Makes a complete temporary directory the entry `key`.
    pub(crate) fn commit(&self, made: Temporary, area: &str, key: &str) -> Result<PathBuf> {
        let entry = self.entry(area, key);
        match fs::rename(&made.path, &entry) {
            Ok(()) => Ok(entry),
            // Two different sources may hold the same bytes: the existing entry is the same.
            Err(_) if entry.exists() => Ok(entry),
            Err(error) => Err(Error::io("write", &entry, &error)),
        }
    }

    /// Removes a damaged entry. It is moved aside first, so that it is never half removed.
    pub(crate) fn discard(&self, lock: &Lock, area: &str, key: &str) -> Result<()> {
        let entry = self.entry(area, key);
        let aside = self.temporary(lock)?;
        match fs::rename(&entry, aside.path.join("damaged")) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("replace", &entry, &error)),
        }
    }

    /// What was remembered about a source.
    pub(crate) fn recall<T: DeserializeOwned>(&self, source: &str) -> Option<T> {
        read_json(&self.index_file(source)).ok()
    }

    /// Remembers something about a source.
    pub(crate) fn remember(&self, source: &str, value: &impl Serialize) -> Result<()> {
        let path = self.index_file(source);
        write_whole(&path, to_json(value)?.as_bytes())
    }

    /// The file that remembers a source.
    pub(crate) fn index_file(&self, source: &str) -> PathBuf {
        self.root.join("index").join(format!("{}.json", digest::of_bytes(source.as_bytes())))
    }
}

impl Temporary {
    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A new directory in it.
    pub(crate) fn dir(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        create_dir(&path)?;
        Ok(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a commit there is nothing left to remove.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Creates a directory and its parents.
pub(crate) fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Error::io("create", path, &error))
}

/// Writes a small file atomically.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    fs::write(&temporary, bytes).map_err(|error| Error::io("write", &temporary, &error))?;
    fs::rename(&temporary, path).map_err(|error| Error::io("write", path, &error))
}

/// Locks a file (creating it if needed) until the returned handle is dropped; logs if it has to wait.
pub(crate) fn lock_file(path: &Path, what: &str, io: &StageIo) -> Result<File> {
    let failed = |error: std::io::Error| {
        Error::io("lock", path, &error).hint("the cache needs a file system with locks: set `run.dir` to a local disk")
    };
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            io.log(format!("waiting for another process that fetches {what}"));
            file.lock().map_err(failed)?;
            Ok(file)
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stage_io;

    #[test]
    fn an_entry_appears_as_a_whole_and_a_dead_ones_leftovers_go() {
        let (home, io) = stage_io();
        let cache = Cache::open(home.path()).unwrap();
        let left = home.path().join("tmp/abc-1-0");
        fs::create_dir_all(left.join("deep")).unwrap();
        let other = home.path().join("tmp/abcd-1-0");
        fs::create_dir_all(&other).unwrap();

        let lock = cache.lock("abc", "it", &io).unwrap();
        assert!(!left.exists() && other.exists());
        let made = cache.temporary(&lock).unwrap();
        fs::write(made.path().join("a"), "1").unwrap();
        assert!(!cache.entry("downloads", "abc").exists());
        let entry = cache.commit(made, "downloads", "abc").unwrap();
        assert_eq!(fs::read_to_string(entry.join("a")).unwrap(), "1");

        let second = cache.temporary(&lock).unwrap();
        fs::write(second.path().join("a"), "2").unwrap();
        cache.commit(second, "downloads", "abc").unwrap();
        assert_eq!(fs::read_to_string(entry.join("a")).unwrap(), "1");
        cache.discard(&lock, "downloads", "abc").unwrap();
        assert!(!entry.exists());

        let dropped = cache.temporary(&lock).unwrap().path().to_owned();
        assert!(!dropped.exists());
        assert_eq!(fs::read_dir(home.path().join("tmp")).unwrap().count(), 1);
    }

    #[test]
    fn a_second_lock_waits() {
        let (home, io) = stage_io();
        let cache = Cache::open(home.path()).unwrap();
        let lock = cache.lock("abc", "it", &io).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let (again, root) = (cache.clone(), home.path().to_owned());
        let thread = std::thread::spawn(move || {
            let io = crate::tests::stage_io_in(&root);
            let _lock = again.lock("abc", "it", &io).unwrap();
            sender.send(()).unwrap();
        });
        assert!(receiver.recv_timeout(std::time::Duration::from_millis(100)).is_err());
        drop(lock);
        receiver.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn what_is_remembered_is_recalled() {
        let (home, _) = stage_io();
        let cache = Cache::open(home.path()).unwrap();
        assert_eq!(cache.recall::<Vec<u32>>("x"), None);
        cache.remember("x", &[1, 2]).unwrap();
        assert_eq!(cache.recall::<Vec<u32>>("x"), Some(vec![1, 2]));
    }
}
