//! What the reference holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use crate::backend::{Databases, Declarations};
use crate::database::TagSpace;
use crate::entry::Entry;
use crate::key::Key;
use crate::tag::Tag;
use crate::token::{Epoch, Nonce, Opening, ProcessId, Token, WriterId};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) gate: Option<Gate>,
    pub(super) cells: HashMap<Tag, Cell>,
    pub(super) writers: HashMap<WriterId, Record>,
    pub(super) entries: HashMap<Key, Entry>,
    pub(super) leases: HashMap<Key, (ProcessId, Instant)>,
    pub(super) catalogues: HashMap<(TagSpace, String), [u8; 32]>,
}

#[derive(Debug)]
pub(super) struct Gate {
    pub(super) epoch: Epoch,
    pub(super) nonce: Nonce,
    pub(super) open: BTreeMap<TagSpace, Opening>,
    pub(super) testified: BTreeSet<(ProcessId, TagSpace)>,
    pub(super) declared: BTreeMap<TagSpace, Declarations>,
}

#[derive(Debug, Clone)]
pub(super) enum Cell {
    Clean(Token),
    Held {
        writers: BTreeSet<WriterId>,
        dirty: bool,
        old: Option<Token>,
    },
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) process: ProcessId,
    pub(super) space: Option<TagSpace>,
    pub(super) session: Option<String>,
    pub(super) tags: BTreeSet<Tag>,
}

impl State {
    /// The gate; of a store that has none, one in which no database is open.
    pub(super) fn gate(&mut self) -> &mut Gate {
        self.gate.get_or_insert_with(|| Gate {
            epoch: Epoch::fresh(),
            nonce: Nonce::fresh(),
            open: BTreeMap::new(),
            testified: BTreeSet::new(),
            declared: BTreeMap::new(),
        })
    }

    pub(super) fn opened(&self, databases: Databases<'_>) -> Option<Nonce> {
        let gate = self.gate.as_ref()?;
        let is_open = |space: &TagSpace| gate.open.contains_key(space);
        let open = match databases {
            Databases::One(space) => is_open(&space),
            Databases::All(attached) => attached.iter().all(is_open),
            Databases::None => true,
        };
        open.then_some(gate.nonce)
    }

    pub(super) fn opening(&self, space: TagSpace) -> Option<Opening> {
        self.gate.as_ref()?.open.get(&space).copied()
    }
}
