//! What a reader gets: the library's own judgement of what the store holds.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use diesel_cache::entry::{Entry, Payload, Vector};
use diesel_cache::protocol::cell::Cell;
use diesel_cache::protocol::{Fetched, Further, Judgement, Leased, TagState, judge};
use diesel_cache::tag::Tag;
use diesel_cache::token::{Nonce, Token};

use crate::rule::Rule;
use crate::scope::{CHILD, MEMBERS, PARENT, ROW_A, ROW_B, SCHEMA, Scope, Set, TAGS, WINDOW};
use crate::store::members;
use crate::world::{Captured, Id, Store, Stored, World};

/// What a fetch comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The entry is served.
    Hit(u8),
    /// The database is asked, and the result may be stored for this.
    Miss(Captured),
    /// Tokens are missing.
    Establish,
    /// The database is asked, and nothing is stored.
    Bypass,
}

/// The names of the tags, for each set of them.
static NAMES: LazyLock<Vec<Arc<[Tag]>>> = LazyLock::new(|| {
    let name = |tag: usize| Tag::label(&tag.to_string());
    (0..1 << TAGS)
        .map(|set| members(set).map(name).collect())
        .collect()
});

static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);
static NOTHING: LazyLock<Payload> = LazyLock::new(|| Payload::Typed(Arc::new(())));
static NO_TAGS: LazyLock<Arc<[Tag]>> = LazyLock::new(|| Arc::from([]));

fn token(id: Id) -> Token {
    Token::from_bytes([id; 16])
}

fn nonce(id: Id) -> Nonce {
    Nonce::from_bits(u64::from(id))
}

/// What a fetch of the entry and of these tags comes to.
#[must_use]
pub fn look(scope: &Scope, store: &Store, tags: Set) -> Look {
    fetch(scope, store, tags, store.entry)
}

/// What a fetch of these tags alone comes to.
#[must_use]
pub fn look_at(scope: &Scope, store: &Store, tags: Set) -> Look {
    fetch(scope, store, tags, None)
}

fn fetch(scope: &Scope, store: &Store, tags: Set, stored: Option<Stored>) -> Look {
    let Some(gate) = store.gate.filter(|gate| gate.opening.is_some()) else {
        return Look::Bypass;
    };
    let state = |tag: usize| match &store.cells[tag] {
        Cell::Missing => TagState::Missing,
        Cell::Clean(id) => TagState::Clean(token(*id)),
        Cell::Quarantined { kept: Some(id), .. } if !scope.keeps(Rule::QuarantineBlocks) => {
            TagState::Clean(token(*id))
        }
        Cell::Quarantined { .. } => TagState::Quarantined,
    };
    let current = |tag: usize| match &store.cells[tag] {
        Cell::Clean(id) | Cell::Quarantined { kept: Some(id), .. } => *id,
        _ => 0,
    };
    let entry = stored.map(|stored| {
        let mut captured = stored.captured;
        if !scope.keeps(Rule::CompareTokens) {
            captured = captured_now(gate.nonce, tags, current);
        }
        if !scope.keeps(Rule::NonceInEntries) {
            captured.nonce = gate.nonce;
        }
        entry(&captured)
    });
    let further = stored.map_or(Further::None, |stored| {
        let captured = stored.captured;
        let further = members(captured.tags & !tags);
        let word = Further::of(further.map(|tag| (state(tag), token(captured.tokens[tag]))));
        match word {
            Further::Outdated | Further::Quarantined if !scope.keeps(Rule::CompareFurther) => {
                Further::Current
            }
            word => word,
        }
    });
    let also = scope.also_of(tags);
    let fetched = Fetched {
        opening: None,
        gate: Some(nonce(gate.nonce)),
        entry,
        states: members(tags).map(state).collect(),
        also: members(also).map(state).collect(),
        further,
        leased: Leased::NotAsked,
    };
    match judge(fetched, &NAMES[usize::from(tags)]) {
        Judgement::Hit(_) => stored.map_or(Look::Bypass, |entry| Look::Hit(entry.value)),
        Judgement::Miss(_) => {
            let mut captured = captured_now(gate.nonce, tags, current);
            captured.tags |= also;
            for tag in members(also) {
                captured.tokens[tag] = store.clean(tag);
            }
            Look::Miss(captured)
        }
        Judgement::Establish => Look::Establish,
        Judgement::Quarantined | Judgement::Closed => Look::Bypass,
    }
}

fn captured_now(nonce: Id, tags: Set, current: impl Fn(usize) -> Id) -> Captured {
    let mut tokens = [0; TAGS];
    for tag in members(tags) {
        tokens[tag] = current(tag);
    }
    Captured {
        tags,
        nonce,
        tokens,
    }
}

fn entry(captured: &Captured) -> Entry {
    Entry {
        tags: Arc::clone(&NAMES[usize::from(captured.tags)]),
        vector: Vector {
            nonce: nonce(captured.nonce),
            tokens: members(captured.tags)
                .map(|tag| token(captured.tokens[tag]))
                .collect(),
        },
        payload: NOTHING.clone(),
        weight: 0,
        expires_at: *NOW,
        lifetime: Duration::ZERO,
        stale_until: *NOW,
        not_after: None,
        removed_with: Arc::clone(&NO_TAGS),
    }
}

impl World {
    /// The tags of the readers of a process, if it may look into the cache now.
    #[must_use]
    pub fn plan(&self, scope: &Scope, process: usize) -> Option<Set> {
        if !scope.catalogues {
            return Some(scope.reads);
        }
        let process = &self.processes[process];
        let catalogue = process.catalogue?;
        let gate = self.store.gate?;
        let current = catalogue.label.is_some() && catalogue.label == gate.opening;
        let compares =
            scope.keeps(Rule::ReadersCompareLabels) && scope.keeps(Rule::LabelledByOpening);
        if !process.session || !process.alive || compares && !current {
            return None;
        }
        Some(match (scope.view, catalogue.changed) {
            (true, false) => PARENT | SCHEMA,
            _ => scope.reads,
        })
    }

    /// Whether the readers of a process go to the database, since it could not deliver a
    /// write of theirs.
    #[must_use]
    pub fn bypasses(&self, scope: &Scope, process: usize) -> bool {
        let also = match scope.keeps(Rule::BypassByWindow) {
            true => scope.also_of(scope.reads),
            false => 0,
        };
        self.withholds(scope, process, scope.reads | also)
    }

    /// Whether a process could not deliver a write of one of these tags.
    #[must_use]
    pub fn withholds(&self, scope: &Scope, process: usize, tags: Set) -> bool {
        let writers = scope.writers.iter().enumerate();
        let mut own = writers.filter(|(_, spec)| spec.process == process);
        own.any(|(at, _)| self.writers[at].withheld && self.tags_of(scope, at) & tags != 0)
    }

    /// The tags that a writer says it touches.
    #[must_use]
    pub fn tags_of(&self, scope: &Scope, at: usize) -> Set {
        let (spec, writer) = (&scope.writers[at], &self.writers[at]);
        if scope.rows && !scope.keeps(Rule::WritersTouchWindow) {
            return spec.touches & !WINDOW;
        }
        let cascades = writer.changed && spec.touches & PARENT != 0 && !scope.view;
        match (writer.wide, cascades) {
            (true, _) => PARENT | CHILD | SCHEMA,
            (false, true) => spec.touches | CHILD,
            (false, false) => spec.touches,
        }
    }

    /// The version that a reader of a process must see at least, if it begins now: that of the
    /// last commit that matters to a reader of that version. Every writer commits once.
    #[must_use]
    pub fn needs(&self, scope: &Scope, process: usize, value: u8) -> u8 {
        let shown = self.shown(scope, value);
        let matters = |at: &u8| {
            let writer = self.log.at(*at);
            let spec = &scope.writers[writer];
            // At level strong a process sees its own writes, whether they are delivered or not.
            let own = spec.process == process && spec.strong && self.processes[process].alive;
            (self.writers[writer].due || own) && self.touches(scope, *at, true, shown)
        };
        let last = (0..self.log.len()).rev().find(matters);
        last.map_or(0, |at| at + 1)
    }

    /// What a reader of the database sees now: the version of the last commit that changed
    /// anything for it.
    #[must_use]
    pub fn snapshot(&self, scope: &Scope) -> u8 {
        self.snapshot_at(scope, self.log.len())
    }

    /// The same, when only so many had committed.
    #[must_use]
    pub fn snapshot_at(&self, scope: &Scope, len: u8) -> u8 {
        let shown = self.shown(scope, len);
        let last = (0..len)
            .rev()
            .find(|at| self.touches(scope, *at, false, shown));
        last.map_or(0, |at| at + 1)
    }

    /// The row that a result shows when so many have committed.
    #[must_use]
    pub fn shown(&self, scope: &Scope, len: u8) -> Set {
        let moves = |at: &u8| scope.writers[self.log.at(*at)].touches & MEMBERS != 0;
        match (0..len).filter(moves).count() % 2 {
            _ if !scope.rows => 0,
            0 => ROW_A,
            _ => ROW_B,
        }
    }

    /// Whether a commit changed what the readers ask for, if that row is what they see. `told`: as
    /// far as the writer can know; a schema change that could not be announced is not known to
    /// others before it is.
    fn touches(&self, scope: &Scope, at: u8, told: bool, shown: Set) -> bool {
        let spec = &scope.writers[self.log.at(at)];
        if spec.ddl {
            return true;
        }
        let mut rows = spec.touches;
        if !scope.catalogues {
            return rows & (scope.reads | shown) != 0;
        }
        let known = |at: u8| !told || self.writers[self.log.at(at)].due;
        let changed = (0..at).any(|at| scope.writers[self.log.at(at)].ddl && known(at));
        if changed && rows & PARENT != 0 && !scope.view {
            rows |= CHILD;
        }
        let read = if scope.view && !changed {
            PARENT
        } else {
            CHILD
        };
        rows & read != 0
    }
}
