//! The folder of a store, and what lies in it besides the journal.
//!
//! | path | what it is |
//! |---|---|
//! | `lock` | whoever changes the store holds it |
//! | `journal` | all but the entries |
//! | `entries/ab/cd…` | an entry, by its digest |
//! | `at-work/…/` | what a process is about to put into its place, beside a file that it holds locked |
//! | `waste-…` | entries of a store that was lost |

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fs4::fs_std::FileExt;

use super::change::Id;
use super::journal::{NONBLOCK, private};

/// What the file system takes for a file, at least: sizes are multiples of it.
const BLOCK: u64 = 4096;

/// The folder of a store.
#[derive(Debug)]
pub(super) struct Place {
    root: PathBuf,
    bench: Mutex<Option<Bench>>,
}

/// Where this process makes its files.
#[derive(Debug)]
struct Bench {
    folder: PathBuf,
    /// A child of the process has it open, too, but it is not its own.
    pid: u32,
    /// Locked as long as the process lives.
    _alive: File,
}

/// What a file of that length takes of the disk.
pub(super) fn size_of(length: usize) -> u64 {
    (length as u64).div_ceil(BLOCK).max(1) * BLOCK
}

fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file to read it. Of a pipe that somebody has put there, nothing is waited for.
fn plain(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(NONBLOCK)
        .open(path)
}

/// A file that was changed then is one that was used.
fn used() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1)
}

fn name() -> String {
    format!("{:016x}", rand::random::<u64>())
}

impl Place {
    /// The folder at that path, made if there is none. Removes what processes left in it that
    /// have ended.
    pub(super) fn open(root: PathBuf) -> io::Result<Self> {
        folder(&root)?;
        let place = Self {
            root,
            bench: Mutex::new(None),
        };
        place.clean();
        Ok(place)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn entry(&self, digest: &Id) -> PathBuf {
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let (shard, rest) = hex.split_at(2);
        self.root.join("entries").join(shard).join(rest)
    }

    /// The file of an entry, if there is one of at most that length, and its bytes.
    pub(super) fn read(&self, digest: &Id, longest: u64) -> Option<(File, Vec<u8>)> {
        use std::io::Read;
        let file = plain(&self.entry(digest)).ok()?;
        let found = file.metadata().ok().filter(fs::Metadata::is_file)?;
        // rule: nothing-is-allocated-for-foreign-garbage
        if found.len() > longest {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.len()).ok()? + 1);
        (&file).take(longest).read_to_end(&mut bytes).ok()?;
        Some((file, bytes))
    }

    /// Marks an entry as used, for whoever looks for what may go.
    pub(super) fn mark(file: &File) {
        let _ = file.set_modified(used());
    }

    /// Whether an entry was marked as used. It no longer is.
    pub(super) fn was_used(&self, digest: &Id) -> bool {
        let Ok(file) = plain(&self.entry(digest)) else {
            return false;
        };
        let found = file.metadata().and_then(|found| found.modified());
        let marked = found.is_ok_and(|modified| modified == used());
        if marked {
            let _ = file.set_modified(SystemTime::now());
        }
        marked
    }

    /// Puts a file into the place of an entry.
    pub(super) fn settle(&self, made: &Path, digest: &Id) -> io::Result<()> {
        let path = self.entry(digest);
        match fs::rename(made, &path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if let Some(shard) = path.parent() {
                    folder(shard)?;
                }
                fs::rename(made, &path)
            }
            // Somebody has made a folder of that name.
            Err(error) if path.is_dir() => {
                fs::remove_dir_all(&path).map_err(|_| error)?;
                fs::rename(made, &path)
            }
            other => other,
        }
    }

    /// Opens the file of an entry to change it.
    pub(super) fn change(&self, digest: &Id) -> io::Result<File> {
        fs::OpenOptions::new().write(true).open(self.entry(digest))
    }

    /// Removes the file of an entry.
    pub(super) fn remove(&self, digest: &Id) {
        let _ = fs::remove_file(self.entry(digest));
    }

    /// Removes all entries: those of a store that has lost what it knew of them.
    pub(super) fn forget_entries(&self) {
        let waste = self.root.join(format!("waste-{}", name()));
        if fs::rename(self.root.join("entries"), &waste).is_ok() {
            // Nobody waits for it, and what is left is removed at the next start.
            let removing = std::thread::Builder::new().name("diesel-cache-waste".to_owned());
            let _ = removing.spawn(move || fs::remove_dir_all(waste));
        }
    }

    /// Makes the folder again, which somebody has removed.
    pub(super) fn restore(&self) -> io::Result<()> {
        folder(&self.root)
    }

    /// A new file that is not in its place yet.
    pub(super) fn temporary(&self) -> io::Result<(PathBuf, File)> {
        let mut bench = self.bench.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..3 {
            if let Some(bench) = &*bench {
                let path = bench.folder.join(name());
                match private().create_new(true).open(&path) {
                    Ok(file) => return Ok((path, file)),
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    // Somebody has emptied the folder.
                    Err(_) => {}
                }
            }
            match self.set_up() {
                Ok(made) => *bench = Some(made),
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Err(_) => {}
            }
        }
        Err(ErrorKind::NotFound.into())
    }

    /// Who starts may take a folder for one that was left behind, until its lock is held: then it
    /// is made again.
    fn set_up(&self) -> io::Result<Bench> {
        let own = self
            .root
            .join("at-work")
            .join(format!("{}-{}", std::process::id(), name()));
        folder(&own)?;
        let alive = private()
            .create(true)
            .truncate(false)
            .open(own.join("alive"))?;
        FileExt::try_lock_exclusive(&alive)?;
        Ok(Bench {
            folder: own,
            pid: std::process::id(),
            _alive: alive,
        })
    }

    /// Removes what is no longer of use to anybody.
    // rule: no-temporary-file-outlives-the-next-start
    fn clean(&self) {
        let list = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
        for found in list(&self.root.join("at-work")) {
            let alive = File::open(found.path().join("alive"));
            let held =
                alive.is_ok_and(|file| !matches!(FileExt::try_lock_exclusive(&file), Ok(true)));
            if !held {
                let _ = fs::remove_dir_all(found.path());
            }
        }
        for found in list(&self.root) {
            if found.file_name().to_string_lossy().starts_with("waste-") {
                let _ = fs::remove_dir_all(found.path());
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let bench = self.bench.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(bench) = bench.take().filter(|bench| bench.pid == std::process::id()) {
            let _ = fs::remove_dir_all(bench.folder);
        }
    }
}
