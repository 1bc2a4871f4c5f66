//! The copy of the workspace that is broken on purpose.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error, Result};
use crate::workspace;

use super::Mutant;

/// A copy of the files that git tracks or would track, as they were when this
/// was made; the workspace itself is never touched.
///
/// It stays in place between runs, so that builds are incremental: only files
/// that differ are written.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Scratch {
    pub(super) fn new() -> Result<Self> {
        let scratch = Self {
            folder: workspace::target().join("mutants"),
            files: snapshot(&workspace::root())?,
        };
        scratch.restore()?;
        Ok(scratch)
    }

    /// The copy of the workspace.
    pub(super) fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// Where the copy is built.
    pub(super) fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    /// The text of a file before anything was broken.
    pub(super) fn original(&self, file: &str) -> Result<&str> {
        let bytes = self.files.get(Path::new(file));
        let bytes = bytes.ok_or_else(|| Error::new(format!("{file}: no such file")))?;
        str::from_utf8(bytes).context(file)
    }

    /// Breaks a rule until the answer is dropped.
    pub(super) fn mutate(&self, mutant: &Mutant) -> Result<Restore<'_>> {
        let broken = mutant.apply(self.original(mutant.file)?)?;
        let restore = Restore(self);
        write(&self.tree().join(mutant.file), broken.as_bytes())?;
        Ok(restore)
    }

    /// Makes the copy equal to the snapshot, whatever happened to it.
    fn restore(&self) -> Result<()> {
        let tree = self.tree();
        fs::create_dir_all(&tree).context(format_args!("creating {}", tree.display()))?;
        for path in files_in(&tree)? {
            let known = path.strip_prefix(&tree);
            if known.is_ok_and(|path| !self.files.contains_key(path)) {
                fs::remove_file(&path).context(format_args!("removing {}", path.display()))?;
            }
        }
        for (path, bytes) in &self.files {
            let copy = tree.join(path);
            if fs::read(&copy).ok().as_ref() != Some(bytes) {
                write(&copy, bytes)?;
            }
        }
        Ok(())
    }
}

/// Restores the copy when dropped.
#[derive(Debug)]
pub(super) struct Restore<'a>(&'a Scratch);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.restore() {
            // The next run restores it again, or says why it cannot.
            eprintln!("mutants: restoring the copy: {error}");
        }
    }
}

fn snapshot(root: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others"])
        .arg("--exclude-standard")
        .output()
        .context("running git")?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(Error::new(format!("git ls-files: {}", reason.trim())));
    }
    let mut files = BTreeMap::new();
    let names = output.stdout.split(|byte| *byte == 0);
    for name in names.filter(|name| !name.is_empty()) {
        let path = PathBuf::from(OsStr::from_bytes(name));
        // Tracked, but deleted and not yet committed: left out.
        if let Ok(bytes) = fs::read(root.join(&path)) {
            files.insert(path, bytes);
        }
    }
    Ok(files)
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let reading = format!("reading {}", folder.display());
        for entry in fs::read_dir(&folder).context(&reading)? {
            let entry = entry.context(&reading)?;
            match entry.file_type().context(&reading)?.is_dir() {
                true => folders.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    Ok(files)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let writing = format!("writing {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).context(&writing)?;
    }
    fs::write(path, bytes).context(&writing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUTANT: Mutant = Mutant {
        name: "rule",
        file: "src/lib.rs",
        find: "true",
        replace: "false",
        tests: &[],
        servers: false,
    };

    #[test]
    fn a_broken_copy_is_restored() {
        let folder = tempfile::tempdir().unwrap();
        let file = PathBuf::from("src/lib.rs");
        let scratch = Scratch {
            folder: folder.path().to_path_buf(),
            files: [(file.clone(), b"true".to_vec())].into(),
        };
        scratch.restore().unwrap();
        let copy = scratch.tree().join(file);
        let modified = || fs::metadata(&copy).unwrap().modified().unwrap();
        let before = modified();
        let restore = scratch.mutate(&MUTANT).unwrap();
        assert_eq!(fs::read_to_string(&copy).unwrap(), "false");
        let stray = scratch.tree().join("stray.txt");
        fs::write(&stray, "by a test").unwrap();
        drop(restore);
        assert_eq!(fs::read_to_string(&copy).unwrap(), "true");
        assert!(!stray.exists());
        assert!(modified() > before, "cargo would not rebuild it");
    }

    #[test]
    fn what_is_equal_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch {
            folder: folder.path().to_path_buf(),
            files: [(PathBuf::from("a"), b"a".to_vec())].into(),
        };
        scratch.restore().unwrap();
        let modified = || fs::metadata(scratch.tree().join("a")).unwrap().modified();
        let before = modified().unwrap();
        scratch.restore().unwrap();
        assert_eq!(modified().unwrap(), before);
    }
}
