//! The lock: one process, and one thread of it, changes the store at a time.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fs4::fs_std::FileExt;

use super::journal::private;

/// The lock of a store.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    patience: Duration,
    /// Whether a thread of this process holds it or waits for it in front of the others.
    taken: Mutex<bool>,
    freed: Condvar,
}

/// That the lock is held.
#[derive(Debug)]
pub(super) struct Held<'a> {
    lock: &'a Lock,
    file: Option<File>,
}

impl Lock {
    pub(super) fn new(path: PathBuf, patience: Duration) -> Self {
        Self {
            path,
            patience,
            taken: Mutex::new(false),
            freed: Condvar::new(),
        }
    }

    /// Waits for the lock, for the patience at most: a process that was stopped while it held it
    /// holds up nobody for longer.
    pub(super) fn hold(&self) -> io::Result<Held<'_>> {
        let deadline = Instant::now() + self.patience;
        let mut held = self.wait_for_threads(deadline)?;
        let mut pause = Duration::from_micros(20);
        loop {
            // Opened anew each time: a child of this process must not share the lock.
            // rule: a-lock-is-nobodys-inheritance
            let file = private().create(true).truncate(false).open(&self.path)?;
            // Whoever emptied the folder has taken the lock away, too.
            if FileExt::try_lock_exclusive(&file)? && is_at(&file, &self.path) {
                held.file = Some(file);
                return Ok(held);
            }
            if Instant::now() + pause > deadline {
                return Err(ErrorKind::TimedOut.into());
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }

    fn wait_for_threads(&self, deadline: Instant) -> io::Result<Held<'_>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            let waited = self.freed.wait_timeout(taken, left);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken = true;
        Ok(Held {
            lock: self,
            file: None,
        })
    }
}

impl Held<'_> {
    /// Whether nobody else can hold it. If it does after something was written, whoever holds it
    /// later finds that.
    pub(super) fn is_still(&self) -> bool {
        self.file
            .as_ref()
            .is_some_and(|file| is_at(file, &self.lock.path))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Explicitly: a child that was forked meanwhile has it open, too.
            let _ = FileExt::unlock(file);
        }
        let mut taken = self
            .lock
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *taken = false;
        drop(taken);
        self.lock.freed.notify_one();
    }
}

/// Whether that is the file at the path.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let id = |found: std::fs::Metadata| (found.dev(), found.ino());
    let (Ok(held), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else {
        return false;
    };
    id(held) == id(there)
}
