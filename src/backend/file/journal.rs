//! The journal: a file of changes that all processes append to, and what it adds up to here.
//!
//! Whoever appends holds a lock; whoever reads holds none. A reader asks the file system, in one
//! call, which file the journal is and how long: if it has read that file to that length, what it
//! holds is the state of the store at that moment, with no further reading. What was appended
//! before that moment is in it, so a hit that is judged by it is current then.
//!
//! A frame is a length, a check of the length, the changes, and their check. The kernel writes from
//! the front, so a process that is killed leaves a frame that is too short: the next to hold the
//! lock cuts it off, and nobody has been told that it happened. A frame that is long enough and does
//! not check was not written by a process that died: then nothing is known any more, and the
//! store begins anew, as one that lost everything.
//!
//! The head names the boot of the machine and the file itself: after a crash of the machine, in which
//! writes may be lost that nobody waited for, and in a copy, the store begins anew as well.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use super::change::Change;
use super::lock::{Held, Lock};
use super::place::Place;
use super::state::State;
use crate::backend::forked::PerProcess;
use crate::backend::wire::Clock;

/// A journal is written anew when it is longer than this, and than four times what it was when it
/// was written anew last.
const LONG: u64 = 256 << 10;
/// No journal is longer.
const LONGEST: u64 = 4 << 30;
/// No frame is longer.
const LONGEST_FRAME: u32 = 1 << 30;

const MAGIC: [u8; 4] = *b"dcJ\x01";
const HEAD: u64 = 44;
/// What stands around the changes of a frame.
const AROUND: u64 = 16;

/// The journal of a store.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    boot: [u8; 16],
    lock: PathBuf,
    patience: Duration,
    own: PerProcess<Own>,
}

/// What is each process' own.
#[derive(Debug)]
struct Own {
    lock: Lock,
    replica: RwLock<Replica>,
}

/// What this process has read.
#[derive(Debug, Default)]
struct Replica {
    opened: Option<Opened>,
    /// All before it has been applied.
    offset: u64,
    /// How long the first frame is: what was there when the journal was written anew.
    base: u64,
    state: State,
}

#[derive(Debug)]
struct Opened {
    file: File,
    id: (u64, u64),
}

/// What a reader without the lock cannot put right.
enum Trouble {
    /// The journal must be looked at, or made, under the lock.
    Locked,
    Io(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Io(error) => error,
            Trouble::Locked => Self::other("the journal was taken away"),
        }
    }
}

/// The exclusive right to change the store.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    journal: &'a Journal,
    place: &'a Place,
    held: Held<'a>,
}

impl Journal {
    pub(super) fn new(root: &Path, boot: [u8; 16], patience: Duration) -> Self {
        Self {
            path: root.join("journal"),
            boot,
            lock: root.join("lock"),
            patience,
            own: PerProcess::new(),
        }
    }

    fn own(&self) -> &Own {
        self.own.get(|| Own {
            lock: Lock::new(self.lock.clone(), self.patience),
            replica: RwLock::default(),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Replica> {
        let replica = &self.own().replica;
        replica.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Replica> {
        let replica = &self.own().replica;
        replica.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `ask` finds in the state as it is now.
    pub(super) fn see<R>(&self, place: &Place, ask: impl FnOnce(&State) -> R) -> io::Result<R> {
        let replica = self.read();
        // rule: a-replica-is-current-if-the-file-is-no-longer
        if replica.is_current(&self.path) {
            return Ok(ask(&replica.state));
        }
        drop(replica);
        let mut replica = self.write();
        match replica.catch_up(self, false) {
            Ok(()) => Ok(ask(&replica.state)),
            Err(Trouble::Io(error)) => Err(error),
            Err(Trouble::Locked) => {
                drop(replica);
                let turn = self.turn(place)?;
                Ok(turn.see(ask))
            }
        }
    }

    /// What `ask` finds in the state as it was known last, without asking anybody.
    pub(super) fn last<R>(&self, ask: impl FnOnce(&State) -> R) -> R {
        ask(&self.read().state)
    }

    /// Waits for the right to change the store. The state is up to date then, and stays as it
    /// is but for what is [committed](Turn::commit).
    pub(super) fn turn<'a>(&'a self, place: &'a Place) -> io::Result<Turn<'a>> {
        let held = match self.own().lock.hold() {
            // Somebody has removed the folder.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                place.restore()?;
                self.own().lock.hold()
            }
            other => other,
        }?;
        let turn = Turn {
            journal: self,
            place,
            held,
        };
        let mut replica = self.write();
        match replica.catch_up(self, true) {
            Ok(()) => {}
            Err(Trouble::Io(error)) => return Err(error),
            Err(Trouble::Locked) => {
                // rule: a-journal-that-is-not-ours-is-a-lost-store
                *replica = Replica::default();
                place.forget_entries();
                replica.make(self, place, &[])?;
            }
        }
        drop(replica);
        Ok(turn)
    }
}

impl Turn<'_> {
    /// What `ask` finds in the state.
    pub(super) fn see<R>(&self, ask: impl FnOnce(&State) -> R) -> R {
        ask(&self.journal.read().state)
    }

    /// What `change` finds in the state, of what is each process' own.
    pub(super) fn own<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.journal.write().state)
    }

    /// Writes changes down, all or none.
    pub(super) fn commit(&self, changes: &[Change]) -> io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let frame = frame(changes)?;
        let mut replica = self.journal.write();
        if let Err(error) = replica.append(&frame) {
            // What this process has decided meanwhile is not what the journal says.
            *replica = Replica::default();
            return Err(error);
        }
        if !self.held.is_still() {
            drop(replica);
            return Err(self.lost_the_lock());
        }
        replica.catch_up(self.journal, true)?;
        if replica.offset > LONG.max(replica.base.saturating_mul(4)) {
            // It goes on as it is if there is no room for another.
            let changes = replica.state.snapshot(Clock::now().unix());
            if let Err(error) = replica.make(self.journal, self.place, &changes) {
                log::debug!("the cache's journal was not written anew: {error}");
            }
            if !self.held.is_still() {
                drop(replica);
                return Err(self.lost_the_lock());
            }
        }
        Ok(())
    }

    /// Somebody has removed the lock, and another may have written at the same time: over what was
    /// written here, or under it. So nothing is known any more.
    // rule: who-lost-the-lock-acknowledges-nothing
    fn lost_the_lock(&self) -> io::Error {
        if let Err(error) = self.lose() {
            log::warn!("the cache's lock was removed, and its store cannot be: {error}");
        }
        io::Error::other("the lock was taken away")
    }

    /// Writes the journal anew, with these changes.
    pub(super) fn commit_anew(&self, changes: &[Change]) -> io::Result<()> {
        self.reload()?;
        let mut replica = self.journal.write();
        let mut all = replica.state.snapshot(Clock::now().unix());
        all.extend_from_slice(changes);
        replica.make(self.journal, self.place, &all)?;
        if !self.held.is_still() {
            drop(replica);
            return Err(self.lost_the_lock());
        }
        Ok(())
    }

    /// Reads the journal again, after a commit that failed.
    pub(super) fn reload(&self) -> io::Result<()> {
        Ok(self.journal.write().catch_up(self.journal, true)?)
    }

    /// The store loses everything: no process finds its gate open until all have said how they
    /// stand. For when what must be known cannot be written down.
    pub(super) fn lose(&self) -> io::Result<()> {
        std::fs::remove_file(&self.journal.path)?;
        *self.journal.write() = Replica::default();
        self.place.forget_entries();
        Ok(())
    }
}

impl Replica {
    /// Whether all that is in the journal has been applied.
    fn is_current(&self, path: &Path) -> bool {
        let Some(opened) = &self.opened else {
            return false;
        };
        std::fs::metadata(path).is_ok_and(|found| {
            (found.dev(), found.ino()) == opened.id && found.len() == self.offset
        })
    }

    /// Applies what is new. With the lock, what a process left behind that was killed is cut off.
    fn catch_up(&mut self, journal: &Journal, locked: bool) -> Result<(), Trouble> {
        let found = match std::fs::metadata(&journal.path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // The store was lost, and nobody has made another.
                *self = Self::default();
                return if locked { Err(Trouble::Locked) } else { Ok(()) };
            }
            Err(error) => return Err(error.into()),
        };
        let same = |opened: &Opened| opened.id == (found.dev(), found.ino());
        if !self.opened.as_ref().is_some_and(same) {
            self.open(journal)?;
        }
        let Some(Opened { file, .. }) = &self.opened else {
            return Err(Trouble::Locked);
        };
        let length = file.metadata()?.len();
        if length < self.offset {
            return Err(Trouble::Locked);
        }
        // rule: no-journal-is-longer-than-can-be
        if length - self.offset > LONGEST {
            return Err(Trouble::Locked);
        }
        let mut tail = vec![0; usize::try_from(length - self.offset).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut tail, self.offset)?;
        let now = Clock::now().unix();
        let mut rest = tail.as_slice();
        loop {
            match Frame::read(rest) {
                Frame::Whole { changes, length } => {
                    for change in &changes {
                        self.state.apply(change, now);
                    }
                    if self.offset == HEAD {
                        self.base = length;
                    }
                    self.offset += length;
                    rest = &rest[usize::try_from(length).unwrap_or(rest.len())..];
                }
                Frame::Short if rest.is_empty() => return Ok(()),
                // rule: a-short-frame-was-never-acknowledged
                Frame::Short if locked => {
                    file.set_len(self.offset)?;
                    return Ok(());
                }
                // It is being written just now, or whoever wrote it died.
                Frame::Short => return Ok(()),
                Frame::Damaged => return Err(Trouble::Locked),
            }
        }
    }

    /// Opens the journal that is there, and knows nothing of it yet.
    fn open(&mut self, journal: &Journal) -> Result<(), Trouble> {
        *self = Self::default();
        let file = match OpenOptions::new()
            .read(true)
            .write(true)
            .open(&journal.path)
        {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(Trouble::Locked),
            Err(error) => return Err(error.into()),
        };
        let found = file.metadata()?;
        let id = (found.dev(), found.ino());
        let mut head = vec![0; usize::try_from(HEAD).unwrap_or_default()];
        if found.len() < HEAD {
            return Err(Trouble::Locked);
        }
        file.read_exact_at(&mut head, 0)?;
        if head != head_of(&journal.boot, id) {
            return Err(Trouble::Locked);
        }
        self.opened = Some(Opened { file, id });
        self.offset = HEAD;
        Ok(())
    }

    fn append(&self, frame: &[u8]) -> io::Result<()> {
        let Some(Opened { file, .. }) = &self.opened else {
            return Err(io::Error::other("there is no journal"));
        };
        file.write_all_at(frame, self.offset).inspect_err(|_| {
            // If even that fails, the next to hold the lock does it.
            let _ = file.set_len(self.offset);
        })
    }

    /// Puts a journal in the place of the one that is there, and reads it.
    fn make(&mut self, journal: &Journal, place: &Place, changes: &[Change]) -> io::Result<()> {
        let (path, mut file) = place.temporary()?;
        let written = file.metadata().and_then(|found| {
            let id = (found.dev(), found.ino());
            let mut bytes = head_of(&journal.boot, id);
            if !changes.is_empty() {
                bytes.extend(frame(changes)?);
            }
            file.write_all(&bytes)?;
            std::fs::rename(&path, &journal.path)
        });
        if let Err(error) = written {
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        *self = Self::default();
        Ok(self.catch_up(journal, true)?)
    }
}

/// What a journal begins with.
fn head_of(boot: &[u8; 16], (device, inode): (u64, u64)) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend(boot);
    head.extend(device.to_be_bytes());
    head.extend(inode.to_be_bytes());
    let check = check(&head);
    head.extend(check);
    head
}

fn check(bytes: &[u8]) -> [u8; 8] {
    let mut check = [0; 8];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    check
}

fn length_check(length: u32) -> [u8; 4] {
    let mut short = [0; 4];
    short.copy_from_slice(&check(&length.to_be_bytes())[..4]);
    short
}

fn frame(changes: &[Change]) -> io::Result<Vec<u8>> {
    let bytes = postcard::to_stdvec(changes).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len())
        .ok()
        .filter(|n| *n <= LONGEST_FRAME);
    let length = length.ok_or(ErrorKind::FileTooLarge)?;
    let mut frame = Vec::with_capacity(bytes.len() + 16);
    frame.extend(length.to_be_bytes());
    frame.extend(length_check(length));
    frame.extend(check(&bytes));
    frame.extend(bytes);
    Ok(frame)
}

/// What stands at the front of some bytes.
enum Frame {
    Whole {
        changes: Vec<Change>,
        length: u64,
    },
    /// Less than a frame.
    Short,
    /// What no process of ours has written.
    Damaged,
}

impl Frame {
    fn read(bytes: &[u8]) -> Self {
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
            return Self::Short;
        };
        let Some((seen, rest)) = rest.split_first_chunk::<4>() else {
            return Self::Short;
        };
        let length = u32::from_be_bytes(*length);
        // rule: a-length-is-checked-before-it-is-believed
        if *seen != length_check(length) {
            return Self::Damaged;
        }
        let Some((seen, rest)) = rest.split_first_chunk::<8>() else {
            return Self::Short;
        };
        let Some(changes) = rest.get(..length as usize) else {
            return Self::Short;
        };
        if *seen != check(changes) {
            return Self::Damaged;
        }
        match postcard::from_bytes(changes) {
            Ok(changes) => Self::Whole {
                changes,
                length: AROUND + u64::from(length),
            },
            // Of a version that says more.
            Err(_) => Self::Damaged,
        }
    }
}

/// What keeps a pipe, where a file should be, from being waited for.
pub(super) const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// Makes a file for its owner alone.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}
