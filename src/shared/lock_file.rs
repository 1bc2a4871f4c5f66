//! Files that are locked as long as their process lives.
//!
//! A process that uses a SQLite database through a shared store keeps one beside it. The
//! operating system gives the lock back when the process ends, however it ends.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use fs4::fs_std::FileExt;

/// The files that this process holds.
#[derive(Debug, Default)]
pub(crate) struct LockFiles(Mutex<HashMap<PathBuf, File>>);

impl LockFiles {
    /// Holds that file from now on. Returns whether it is held.
    pub(crate) fn hold(&self, path: &Path) -> bool {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if files.contains_key(path) {
            return true;
        }
        let opened = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path);
        let Ok(file) = opened else {
            return false;
        };
        let locked = matches!(FileExt::try_lock_exclusive(&file), Ok(true));
        // Whoever took it for abandoned before it was locked has removed it.
        if locked && path.exists() {
            files.insert(path.to_path_buf(), file);
            return true;
        }
        false
    }
}

impl Drop for LockFiles {
    fn drop(&mut self) {
        let files = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (path, file) in files.drain() {
            let _ = std::fs::remove_file(path);
            drop(file);
        }
    }
}

/// Whether nobody holds that file; it is then removed. What cannot be told is held.
// rule: only-a-lock-that-is-free-is-abandoned
pub(crate) fn is_abandoned(path: &Path) -> bool {
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) => return error.kind() == ErrorKind::NotFound,
    };
    if !matches!(FileExt::try_lock_exclusive(&file), Ok(true)) {
        return false;
    }
    let _ = std::fs::remove_file(path);
    true
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
        assert!(is_abandoned(&path) && !path.exists());
        // As a process leaves it that was killed.
        std::fs::write(&path, "").unwrap();
        assert!(is_abandoned(&path) && !path.exists());
    }
}
