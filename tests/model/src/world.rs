//! The state of the model.

use diesel_cache::protocol::Lift;
use diesel_cache::protocol::cell::Cell;

use crate::scope::{FILLERS, Faults, PROCESSES, Scope, Set, TAGS, WRITERS};

/// A random number: a token, a nonce, an epoch or an opening. Small, since only equality counts.
pub type Id = u8;

/// Numbers from here on are made in the current step, and get a small one at its end.
pub const FRESH: Id = 100;
/// Numbers from here on are constants, which only broken rules use.
pub const CONSTANT: Id = 200;
/// A number that no longer is anything's.
pub const GONE: Id = 255;

/// The whole world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// The database: who committed, in order. A row's version is how often it was written.
    pub log: Log,
    /// The store.
    pub store: Store,
    /// What broken rules find again: a snapshot, or the store of another incarnation.
    pub old: Option<Box<Store>>,
    /// The writers.
    pub writers: [Writer; WRITERS],
    /// The readers that fill.
    pub fillers: [Filler; FILLERS],
    /// The processes.
    pub processes: [Process; PROCESSES],
    /// A reader that wants to open the gate.
    pub opener: Opener,
    /// The faults that may still come.
    pub left: Faults,
}

/// Who committed, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Log {
    writers: [u8; WRITERS],
    len: u8,
}

impl Log {
    /// A writer commits.
    pub fn push(&mut self, writer: usize) {
        self.writers[usize::from(self.len)] = writer as u8;
        self.len += 1;
    }

    /// How many have committed: the version of the whole database.
    #[must_use]
    pub fn len(self) -> u8 {
        self.len
    }

    /// Whether nobody has.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Who was the `at`-th.
    #[must_use]
    pub fn at(self, at: u8) -> usize {
        usize::from(self.writers[usize::from(at)])
    }

    /// Whether a writer has.
    #[must_use]
    pub fn has(self, writer: usize) -> bool {
        (0..self.len).any(|at| self.at(at) == writer)
    }

    /// Whether the schema had changed before the `at`-th.
    #[must_use]
    pub fn is_changed(self, scope: &Scope, at: u8) -> bool {
        (0..at).any(|at| scope.writers[self.at(at)].ddl)
    }
}

/// What the store holds for one namespace and incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Store {
    /// The gate; none after a loss.
    pub gate: Option<Gate>,
    /// The processes that testified in this epoch.
    pub testified: Set,
    /// The cells of the tags.
    pub cells: [Cell<u8, Id>; TAGS],
    /// The one entry.
    pub entry: Option<Stored>,
    /// How often each tag was renewed. Only for tokens that count.
    pub counts: [u8; TAGS],
}

/// The gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gate {
    /// The epoch.
    pub epoch: Id,
    /// The generation of entries.
    pub nonce: Id,
    /// When it was opened; none while it is closed.
    pub opening: Option<Id>,
}

/// The tokens that a reader captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Captured {
    /// Of which tags.
    pub tags: Set,
    /// The generation.
    pub nonce: Id,
    /// The tokens; zero for other tags, and for those captured besides that were not clean.
    pub tokens: [Id; TAGS],
}

/// An entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stored {
    /// What it is valid for.
    pub captured: Captured,
    /// The version that was read.
    pub value: u8,
}

/// A writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Writer {
    /// Where it stands.
    pub stage: Stage,
    /// Its session.
    pub session: Session,
    /// What the database does for it.
    pub server: Server,
    /// Whether its quarantine is on the way to the store.
    pub sent: bool,
    /// The acknowledgement on its way back.
    pub reply: Option<Reply>,
    /// What its process knows of it.
    pub guard: Guard,
    /// Whether its process bypasses what it touches, as the store was not told before.
    pub withheld: bool,
    /// Whether readers of other processes must see what it commits.
    pub due: bool,
    /// Whether it touches everything, as its catalogue was old.
    pub wide: bool,
    /// Whether its catalogue knew the changed schema.
    pub changed: bool,
    /// The label of its catalogue.
    pub label: Option<Id>,
    /// Whether it has closed the gate, as it changed the schema.
    pub closed: bool,
}

/// Where a writer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Stage {
    /// It has not begun.
    #[default]
    Idle,
    /// Its catalogue has told its tags.
    Resolved,
    /// It waits for the acknowledgement of its quarantine.
    Waiting,
    /// Its statement, or its COMMIT, may be sent.
    Ready,
    /// It has been sent.
    Asked,
    /// It has been answered; the store is to be told.
    Told(Lift),
    /// Its outcome is unknown, and the quarantine that it needs now is not acknowledged.
    Late,
    /// Its outcome is unknown.
    Orphan,
    /// It is over.
    Over,
    /// Its process died.
    Dead,
}

/// A session of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Session {
    /// It has not begun.
    #[default]
    New,
    /// It is marked as its process'.
    Live,
    /// It has ended, and what it did with it.
    Ended,
}

/// What the database does for a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Server {
    /// Nothing yet.
    #[default]
    Idle,
    /// It is at it. Whether the client lives does not matter.
    Running,
    /// It has committed.
    Committed,
    /// It has rolled back.
    Aborted,
}

/// The acknowledgement of a quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reply {
    /// The epoch.
    pub epoch: Id,
    /// The opening of the gate.
    pub opening: Option<Id>,
}

/// What a process knows of a writer whose outcome it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Guard {
    /// There is none.
    #[default]
    None,
    /// Its quarantine is not acknowledged.
    Outstanding,
    /// Its quarantine was acknowledged in that epoch.
    Known(Id),
}

/// A reader that fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Filler {
    /// It has nothing to do.
    #[default]
    Idle,
    /// It has captured the tokens.
    Captured(Captured),
    /// It has read the database. Others may join it.
    Loaded(Captured, u8),
    /// It has read the database, and knows what the result depends on.
    Sealed(Captured, u8),
    /// Broken: it has read the database, and done the first half of the late capture.
    Halfway(Captured, u8),
    /// Broken: it has read the database, and captures now.
    Early(u8),
    /// Broken: it has fetched what it would serve, and asks now whether it may.
    Holding(u8, u8),
}

impl Captured {
    /// With those tags alone.
    #[must_use]
    pub fn only(mut self, tags: Set) -> Self {
        self.tags = tags;
        for (tag, token) in self.tokens.iter_mut().enumerate() {
            if tags & 1 << tag == 0 {
                *token = 0;
            }
        }
        self
    }
}

impl PartialOrd for Captured {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Captured {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.tags, self.nonce, self.tokens).cmp(&(other.tags, other.nonce, other.tokens))
    }
}

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Process {
    /// Whether it lives.
    pub alive: bool,
    /// The epoch that it knows.
    pub known: Option<Id>,
    /// The opening that it knows.
    pub opening: Option<Id>,
    /// Its testimony on the way to the store.
    pub sending: Option<Id>,
    /// Whether its pool has a session.
    pub session: bool,
    /// Its catalogue.
    pub catalogue: Option<Catalogue>,
    /// Broken: whether its connection is to another incarnation.
    pub behind: bool,
}

/// What a process knows of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Catalogue {
    /// Whether it was read after the schema changed.
    pub changed: bool,
    /// The opening (or, broken, the epoch) known before it was read.
    pub label: Option<Id>,
}

/// A reader that wants to open the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Opener {
    /// It has nothing to do.
    #[default]
    Idle,
    /// The store told it the epoch and the testimonies.
    Standing(Id, Set),
    /// Broken: the database told it the sessions first.
    Marked(Set),
    /// It may open the gate in that epoch.
    May(Id),
}

impl World {
    /// How it begins: the gate is open, and nothing is stored.
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        let process = Process {
            alive: true,
            known: Some(1),
            opening: scope.catalogues.then_some(1),
            sending: None,
            session: false,
            catalogue: scope.catalogues.then_some(Catalogue {
                changed: false,
                label: Some(1),
            }),
            behind: false,
        };
        let mut processes = [process; PROCESSES];
        for (at, process) in processes.iter_mut().enumerate() {
            process.session = scope.catalogues && scope.has_process(at);
        }
        Self {
            log: Log::default(),
            store: Store {
                gate: Some(Gate {
                    epoch: 1,
                    nonce: 1,
                    opening: Some(1),
                }),
                ..Store::default()
            },
            old: None,
            writers: Default::default(),
            fillers: Default::default(),
            processes,
            opener: Opener::Idle,
            left: scope.faults,
        }
    }

    /// The store as a process' connection sees it.
    pub fn store_of(&mut self, process: usize) -> &mut Store {
        match &mut self.old {
            Some(old) if self.processes[process].behind => old,
            _ => &mut self.store,
        }
    }

    /// The store as a process' connection sees it.
    #[must_use]
    pub fn seen_by(&self, process: usize) -> &Store {
        match &self.old {
            Some(old) if self.processes[process].behind => old,
            _ => &self.store,
        }
    }
}
