//! What one run of the model has: writers, readers, processes and faults.

use crate::rule::{Broken, Rule};

/// At most so many writers.
pub const WRITERS: usize = 3;
/// At most so many readers that fill. Readers that hit need no state.
pub const FILLERS: usize = 2;
/// At most so many processes.
pub const PROCESSES: usize = 3;
/// At most so many tags.
pub const TAGS: usize = 5;

/// Some tags, or some rows: a bit each.
pub type Set = u8;

/// In scopes with catalogues: the row, and the tag, that a cascade starts from.
pub const PARENT: Set = 1;
/// The one that it reaches.
pub const CHILD: Set = 2;
/// The tag of the schema.
pub const SCHEMA: Set = 4;

/// In scopes with rows: the tag of which rows there are. It comes first: readers ask for it.
pub const MEMBERS: Set = 1;
/// The tag of one row.
pub const ROW_A: Set = 2;
/// The tag of another row.
pub const ROW_B: Set = 4;
/// What every write of a row touches: a result whose rows are not told depends on it.
pub const ROWS: Set = 8;
/// What every write of the table touches.
pub const WINDOW: Set = 16;
/// What readers capture besides before they read.
pub const ALSO: Set = WINDOW | ROWS;

/// A writer: one transaction, or one autocommit statement.
#[derive(Debug, Clone, Copy)]
pub struct WriterSpec {
    /// Its process.
    pub process: usize,
    /// What it touches; with a catalogue, a writer of the parent may touch the child.
    pub touches: Set,
    /// Whether it quarantines before it writes.
    pub strong: bool,
    /// Whether it changes the schema.
    pub ddl: bool,
    /// Whether it is not attached, and what it did is followed by a `clear`.
    pub foreign: bool,
}

/// A reader that fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillerSpec {
    /// Its process.
    pub process: usize,
}

/// How many faults of each kind there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Faults {
    /// A process dies. What it sent may still arrive.
    pub crashes: u8,
    /// The store forgets everything. What was sent still arrives.
    pub flushes: u8,
    /// The store is another: restarted, restored or promoted. What was sent is lost.
    pub failovers: u8,
    /// The answer of a statement is lost.
    pub unknown: u8,
    /// A writer does not wait any longer for the store. What it sent may still arrive.
    pub silences: u8,
    /// The database ends a session.
    pub kills: u8,
    /// Somebody clears the cache.
    pub clears: u8,
}

/// What one run of the model has.
#[derive(Debug, Clone)]
pub struct Scope {
    /// How it is called.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// The writers.
    pub writers: Vec<WriterSpec>,
    /// The readers that fill.
    pub fillers: Vec<FillerSpec>,
    /// What all readers ask for.
    pub reads: Set,
    /// The faults.
    pub faults: Faults,
    /// Whether clean cells and entries may go at any time.
    pub evicts: bool,
    /// Whether a writer that cannot quarantine rolls back; else it proceeds.
    pub aborts: bool,
    /// Whether a testimony may be on its way while its process goes on.
    pub slow_testimony: bool,
    /// Whether there are catalogues, by which writers and readers find their tags.
    pub catalogues: bool,
    /// With catalogues: whether the readers ask a view, of the parent before the schema change
    /// and of the child after it. Else they ask for the child.
    pub view: bool,
    /// With catalogues: processes that may be without a session for a time.
    pub idle: &'static [usize],
    /// Whether readers depend on the row that the result shows. Which one that is, every write of
    /// the members changes.
    pub rows: bool,
    /// Whether states that cannot be told apart by what follows are one.
    pub reduced: bool,
    /// The rules that it lacks.
    pub broken: Broken,
}

impl Scope {
    /// Without writers, readers and faults.
    #[must_use]
    pub const fn new(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            writers: Vec::new(),
            fillers: Vec::new(),
            reads: 0b11,
            faults: Faults {
                crashes: 0,
                flushes: 0,
                failovers: 0,
                unknown: 0,
                silences: 0,
                kills: 0,
                clears: 0,
            },
            evicts: false,
            aborts: false,
            slow_testimony: false,
            catalogues: false,
            view: false,
            idle: &[],
            rows: false,
            reduced: true,
            broken: Broken(0),
        }
    }

    /// With another writer at level `strong`.
    #[must_use]
    pub fn strong(self, process: usize, touches: Set) -> Self {
        self.writer(process, touches, true, false)
    }

    /// With another writer at level `eventual`.
    #[must_use]
    pub fn eventual(self, process: usize, touches: Set) -> Self {
        self.writer(process, touches, false, false)
    }

    /// With a schema change.
    #[must_use]
    pub fn ddl(self, process: usize) -> Self {
        let mut scope = self.writer(process, SCHEMA, true, true);
        scope.catalogues = true;
        scope.reads = CHILD | SCHEMA;
        scope
    }

    /// With another writer of a table whose readers depend on what they see: it writes these rows.
    #[must_use]
    pub fn row(self, process: usize, rows: Set) -> Self {
        self.strong(process, rows | ROWS | WINDOW).with_rows()
    }

    /// With another writer of such a table, that changes which rows there are.
    #[must_use]
    pub fn member(self, process: usize) -> Self {
        self.strong(process, MEMBERS | WINDOW).with_rows()
    }

    /// Its readers depend on what they see.
    #[must_use]
    pub fn with_rows(self) -> Self {
        self.with(|scope| {
            scope.rows = true;
            scope.reads = MEMBERS;
        })
    }

    /// With another writer that is not attached. Somebody clears the cache after it.
    #[must_use]
    pub fn foreign(self, process: usize, touches: Set) -> Self {
        let mut scope = self.eventual(process, touches);
        scope
            .writers
            .iter_mut()
            .last()
            .into_iter()
            .for_each(|it| it.foreign = true);
        scope
    }

    fn writer(mut self, process: usize, touches: Set, strong: bool, ddl: bool) -> Self {
        self.writers.push(WriterSpec {
            process,
            touches,
            strong,
            ddl,
            foreign: false,
        });
        assert!(self.writers.len() <= WRITERS && process < PROCESSES);
        self
    }

    /// With another reader that fills.
    #[must_use]
    pub fn filler(mut self, process: usize) -> Self {
        self.fillers.push(FillerSpec { process });
        assert!(self.fillers.len() <= FILLERS && process < PROCESSES);
        self
    }

    /// With other values of whatever else there is.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Without these rules, and under that name.
    #[must_use]
    pub fn without(mut self, name: &'static str, rules: &[Rule]) -> Self {
        self.name = name;
        self.broken = rules.iter().fold(self.broken, |all, rule| all.and(*rule));
        self
    }

    /// What is captured besides with these tags.
    #[must_use]
    pub const fn also_of(&self, tags: Set) -> Set {
        if self.rows && tags == self.reads {
            ALSO
        } else {
            0
        }
    }

    /// Whether anything runs in that process.
    #[must_use]
    pub fn has_process(&self, process: usize) -> bool {
        self.writers.iter().any(|writer| writer.process == process)
            || self.fillers.iter().any(|filler| filler.process == process)
    }

    /// Whether that rule holds.
    #[must_use]
    pub const fn keeps(&self, rule: Rule) -> bool {
        !self.broken.has(rule)
    }
}
