//! Files that are locked as long as their process lives.
//!
//! A process that uses a SQLite database through a shared store keeps one beside it. The
//! operating system gives the lock back when the process ends, however it ends. A file that is
//! there and not locked is evidence of that; a file that is not there is evidence of nothing.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fs4::fs_std::FileExt;

/// How often a file is tried that somebody looks at just now.
const TRIES: u32 = 20;

/// The files that this process holds.
#[derive(Debug)]
pub(crate) struct LockFiles {
    files: Mutex<HashMap<PathBuf, File>>,
    /// The process. A child has the files open, too, but they are not its own.
    pid: u32,
}

impl Default for LockFiles {
    fn default() -> Self {
        Self {
            files: Mutex::default(),
            pid: std::process::id(),
        }
    }
}

impl LockFiles {
    /// Holds that file from now on. Returns whether it is held.
    pub(crate) fn hold(&self, path: &Path) -> bool {
        self.hold_after(path, TRIES)
    }

    /// As [`hold`](Self::hold), unless somebody else holds it, or looks at it, just now.
    pub(crate) fn try_hold(&self, path: &Path) -> bool {
        self.hold_after(path, 1)
    }

    /// Lets go of all files, and leaves them where they are: evidence that this process has ended,
    /// for those who must know.
    pub(crate) fn abandon(&self) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.clear();
    }

    fn hold_after(&self, path: &Path, tries: u32) -> bool {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        // rule: a-lock-file-that-was-deleted-is-made-anew
        if files.get(path).is_some_and(|file| is_at(file, path)) {
            return true;
        }
        files.remove(path);
        for left in (0..tries).rev() {
            let opened = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path);
            let Ok(file) = opened else {
                return false;
            };
            let locked = matches!(FileExt::try_lock_exclusive(&file), Ok(true));
            // Whoever looked at it before it was locked may have removed it.
            if locked && is_at(&file, path) {
                files.insert(path.to_path_buf(), file);
                return true;
            }
            drop(file);
            if left > 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        false
    }
}

impl Drop for LockFiles {
    fn drop(&mut self) {
        if self.pid != std::process::id() {
            return;
        }
        let files = self.files.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (path, file) in files.drain() {
            let _ = std::fs::remove_file(path);
            drop(file);
        }
    }
}

/// Whether that is the file at the path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let (Ok(held), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else {
        return false;
    };
    id(held) == id(there)
}

/// Whether that is the file at the path.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

/// Whether the process that held that file has ended: the file is there, and nobody holds it.
// rule: only-a-lock-that-is-free-is-abandoned
pub(crate) fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(FileExt::try_lock_exclusive(&file), Ok(true)))
}

/// Removes a file whose process has ended, and of which the store knows nothing any more.
///
/// It is held meanwhile: a process that has just made it, and does not hold it yet, must find
/// that it is gone.
// rule: a-file-is-removed-by-who-holds-it
pub(crate) fn remove(path: &Path) {
    let Ok(file) = File::open(path) else {
        return;
    };
    if matches!(FileExt::try_lock_exclusive(&file), Ok(true)) && is_at(&file, path) {
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_held_until_its_holder_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let files = LockFiles::default();
        assert!(files.hold(&path) && files.hold(&path));
        assert!(!is_abandoned(&path));
        drop(files);
        assert!(!path.exists() && !is_abandoned(&path), "no evidence");
        // As a process leaves it that was killed.
        std::fs::write(&path, "").unwrap();
        assert!(is_abandoned(&path) && path.exists());
        remove(&path);
        assert!(!path.exists());
    }

    /// One makes files and holds them, while another removes what nobody holds.
    #[test]
    fn a_file_that_is_held_is_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        let ended = std::sync::atomic::AtomicBool::new(false);
        let path = |n: u32| folder.path().join(format!("{}", n % 8));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let limit = std::time::Instant::now() + Duration::from_secs(5);
                while !ended.load(std::sync::atomic::Ordering::SeqCst)
                    && std::time::Instant::now() < limit
                {
                    (0..8).for_each(|n| remove(&path(n)));
                }
            });
            for n in 0..4000 {
                let files = LockFiles::default();
                if files.hold(&path(n)) {
                    std::thread::yield_now();
                    assert!(path(n).exists(), "removed while it is held");
                }
            }
            ended.store(true, std::sync::atomic::Ordering::SeqCst);
        });
    }

    #[test]
    fn a_file_that_is_abandoned_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let files = LockFiles::default();
        assert!(files.hold(&path));
        files.abandon();
        drop(files);
        assert!(path.exists() && is_abandoned(&path));
    }

    #[test]
    fn a_file_that_was_deleted_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let files = LockFiles::default();
        assert!(files.hold(&path));
        std::fs::remove_file(&path).unwrap();
        assert!(!is_abandoned(&path), "the holder lives");
        assert!(files.hold(&path) && path.exists() && !is_abandoned(&path));
    }
}
