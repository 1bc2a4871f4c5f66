//! A store in files, for the processes of one machine.
//!
//! From the bottom: [`change`] says what may happen, [`state`] what it adds up to, [`index`] which
//! entries there are; [`lock`] lets one process at a time go on, [`journal`] is what they all
//! write and read, [`place`] is the folder; [`entries`] finds, stores and evicts what lies in it, and
//! [`operations`] makes a backend of it all. What an entry looks like is [`wire`](super::wire)'s.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::backend::wire::{self, Wire};
use crate::error::{BackendError, Error};

mod change;
mod entries;
mod index;
mod journal;
mod lock;
mod operations;
mod options;
mod place;
mod state;

pub use self::options::FileOptions;

use self::journal::Journal;
use self::place::Place;

/// A shared store in a folder, for the processes of one machine that use one database.
///
/// | URL | what it names |
/// |---|---|
/// | `file:///var/cache/shop` | the folder; it is made if there is none |
/// | `file://cache/shop` | a folder in the current directory |
///
/// Nothing has to run besides the processes themselves, and whatever kills one of them, with the
/// machine or without, leaves a store that the others can use. It keeps all of `Level::Strong`, as
/// Redis does: what writers have announced is told by a *journal* which all of them append to, one
/// at a time, and read to its end before they answer.
///
/// # What it costs
///
/// A hit asks for the length of the journal and reads one file; what others have written meanwhile
/// is read besides. No lock is taken. A miss, and each step of a write, appends to the journal
/// under a lock, without waiting for the disk.
///
/// # What is lost, and when
///
/// Nothing is written through to the disk: after a crash of the machine the store begins empty, which
/// it knows by the boot. So it does when the folder was emptied, the journal was damaged, copied or
/// cut, or an invalidation could not be written down because the disk is full. An empty store
/// answers nobody before all processes have said how they stand.
///
/// Do not put a backup of the folder back while no process runs: if it is written into the same
/// files, within one boot, nobody is left who has read more, and what was invalidated since is served.
/// Remove the folder.
///
/// Entries are evicted when they take more than [`capacity`](FileOptions::capacity): those first
/// that were stored first and not used since. When the disk is full, entries make room for
/// invalidations.
///
/// # Where it may lie
///
/// In a file system of this machine, Linux, and not of the network: neither locks nor lengths can
/// be relied on there. Several containers may share a folder, if one kernel runs them. Files
/// and folders are their owner's alone (0600, 0700), so the processes must run as one user.
#[derive(Debug)]
pub struct FileBackend {
    journal: Journal,
    place: Place,
    wire: Wire,
    capacity: u64,
    token_ttl: Duration,
    /// The longest file that is read.
    largest: u64,
    evictions: AtomicU64,
}

impl FileBackend {
    /// A backend on the store in that folder.
    ///
    /// ```
    /// use diesel_cache::Cache;
    /// use diesel_cache::backend::{FileBackend, FileOptions};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let store = FileBackend::open(folder.path(), FileOptions::default())?;
    /// let cache = Cache::builder().backend(store).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the folder cannot be made or written to, or lies where a store cannot.
    pub fn open(folder: impl AsRef<Path>, options: FileOptions) -> Result<Self, Error> {
        Self::at(folder.as_ref(), options, "the folder")
    }

    /// The backend of the folder that a URL names. `place` says in errors where the URL stands.
    pub(crate) fn at(folder: &Path, options: FileOptions, place: &str) -> Result<Self, Error> {
        let options = options.bounded();
        let unusable = |reason: String| Error::Store {
            place: place.to_owned(),
            reason,
        };
        // Not its name: what stands in a URL may be a secret.
        let failed = |error: io::Error| unusable(error.to_string());
        let root = folder.join(name_of(&options.namespace));
        let boot = boot().map_err(|error| {
            unusable(format!(
                "the boot of this machine is not known ({error}); a store in files needs Linux"
            ))
        })?;
        let found = Place::open(root).map_err(failed)?;
        if let Some(kind) = network(found.root()).map_err(failed)? {
            return Err(unusable(format!(
                "its file system is of the network ({kind}); a store in files must lie on this machine"
            )));
        }
        let largest = wire::longest(options.max_entry_bytes);
        let key = options.encryption_key.as_ref().map(|key| &key.0);
        let store = Self {
            journal: Journal::new(found.root(), boot, options.io_timeout),
            place: found,
            wire: Wire::new(key, options.compress_above, options.max_entry_bytes),
            capacity: options.capacity,
            token_ttl: options.token_ttl,
            largest,
            evictions: AtomicU64::new(0),
        };
        match store.journal.turn(&store.place) {
            // Somebody else is at work, or there is no room now.
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::StorageFull) => {
                log::warn!("the cache begins without its store: {error}");
            }
            Err(error) => return Err(failed(error)),
            Ok(_) => {}
        }
        Ok(store)
    }
}

/// The folder of a namespace.
fn name_of(namespace: &str) -> PathBuf {
    // No name that a folder may have already, and none that leads elsewhere.
    let encoded = utf8_percent_encode(namespace, NON_ALPHANUMERIC).to_string();
    PathBuf::from(format!("diesel-cache-{encoded}"))
}

/// Which boot of the machine this is.
// rule: a-boot-begins-a-new-store
fn boot() -> io::Result<[u8; 16]> {
    let text = std::fs::read("/proc/sys/kernel/random/boot_id")?;
    let mut boot = [0; 16];
    boot.copy_from_slice(&blake3::hash(&text).as_bytes()[..16]);
    Ok(boot)
}

/// The kind of a file system that other machines see, too.
fn network(path: &Path) -> io::Result<Option<&'static str>> {
    const KINDS: [(u32, &str); 7] = [
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB 2"),
        (0x5346_414f, "AFS"),
        (0x00c3_6400, "Ceph"),
        (0x0bd0_0bd0, "Lustre"),
    ];
    let found = rustix::fs::statfs(path)?;
    // The type of this number differs between machines; kinds have 32 bits.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        reason = "see above"
    )]
    let kind = found.f_type as u32;
    let known = KINDS.into_iter().find(|(number, _)| *number == kind);
    Ok(known.map(|(_, name)| name))
}

/// What the file system says, and nothing of what stands in the files.
fn failure(error: io::Error) -> BackendError {
    BackendError::new(format!("the store in files: {error}"))
}

#[cfg(test)]
mod tests;
