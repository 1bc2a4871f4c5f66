//! What the items say that are no entries.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::backend::{Databases, Declarations, Holder};
use crate::database::TagSpace;
use crate::protocol::TagState;
use crate::protocol::cell::{Cell, Writers};
use crate::tag::Tag;
use crate::token::{Epoch, Nonce, Opening, ProcessId, Token, WriterId};

/// Any of the random numbers, or a database.
pub(super) type Id = [u8; 16];

/// What is not understood is not there.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

/// The bytes of a document: none, if it cannot be written.
pub(super) fn write(document: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(document).unwrap_or_default()
}

/// Whether results may be relied on. Every read gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gate {
    pub(super) epoch: Id,
    pub(super) nonce: Id,
    pub(super) open: BTreeMap<Id, Id>,
    /// What was declared of each database when its gate was last closed for it, as a digest.
    pub(super) declared: BTreeMap<Id, Id>,
    /// What catalogues look like to somebody, as digests. They are forgotten with the entries.
    pub(super) catalogues: BTreeMap<Id, Id>,
}

impl Gate {
    /// A time in which nothing is open.
    pub(super) fn begin() -> Self {
        Self {
            epoch: Epoch::fresh().to_bytes(),
            nonce: Nonce::fresh().to_bytes(),
            open: BTreeMap::new(),
            declared: BTreeMap::new(),
            catalogues: BTreeMap::new(),
        }
    }

    pub(super) fn opening(&self, space: TagSpace) -> Option<Opening> {
        self.open
            .get(&space.0)
            .map(|opening| Opening::from_bytes(*opening))
    }

    /// The nonce, if the gate is open for these databases.
    pub(super) fn opened(&self, databases: Databases<'_>) -> Option<Nonce> {
        let is_open = |space: &TagSpace| self.open.contains_key(&space.0);
        let open = match databases {
            Databases::One(space) => is_open(&space),
            // rule: a-memcached-store-opens-for-what-is-attached
            Databases::All(attached) => attached.iter().all(is_open),
            Databases::None => true,
        };
        open.then(|| Nonce::from_bytes(self.nonce))
    }

    /// Begins a generation: what was stored before is dead.
    pub(super) fn renew(&mut self) {
        self.nonce = Nonce::fresh().to_bytes();
        self.catalogues.clear();
    }

    /// Closes the gate of a database, of all without one, and begins a new epoch.
    pub(super) fn close(&mut self, space: Option<TagSpace>) {
        self.epoch = Epoch::fresh().to_bytes();
        match space {
            Some(space) => drop(self.open.remove(&space.0)),
            None => self.open.clear(),
        }
    }
}

/// Who has testified, in one epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Testimonies {
    pub(super) epoch: Id,
    pub(super) of: BTreeSet<(u64, Id)>,
}

/// What is declared of a database.
pub(super) fn digest_of(declarations: &Declarations) -> Id {
    let mut hasher = blake3::Hasher::new();
    for declaration in declarations {
        hasher.update(&(declaration.len() as u64).to_be_bytes());
        hasher.update(declaration);
    }
    let mut digest = [0; 16];
    hasher.finalize_xof().fill(&mut digest);
    digest
}

/// Who holds a quarantine.
pub(super) type Records = BTreeMap<Id, Record>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) process: u64,
    pub(super) space: Option<Id>,
    pub(super) session: Option<String>,
    pub(super) tags: BTreeSet<Id>,
}

impl Record {
    pub(super) fn holder(&self, writer: Id) -> Holder {
        Holder {
            writer: WriterId::from_bytes(writer),
            process: ProcessId::of(self.process),
            space: self.space.map(TagSpace),
            session: self.session.clone(),
            tags: self.tags.iter().map(|tag| Tag::from_bytes(*tag)).collect(),
        }
    }
}

/// A cell, as it is written.
#[derive(Debug, Serialize, Deserialize)]
enum Written {
    Clean(Id),
    Held(Vec<Id>, Option<Id>),
}

pub(super) fn cell(bytes: Option<&[u8]>) -> Cell<WriterId, Token> {
    match bytes.and_then(read) {
        Some(Written::Clean(token)) => Cell::Clean(Token::from_bytes(token)),
        Some(Written::Held(writers, kept)) if !writers.is_empty() => {
            let writers = writers.into_iter().map(WriterId::from_bytes);
            Cell::Quarantined {
                writers: writers.collect::<Writers<WriterId>>(),
                kept: kept.map(Token::from_bytes),
            }
        }
        // A cell that is not understood may be one that somebody holds.
        // rule: an-unreadable-cell-is-held
        _ if bytes.is_some() => Cell::Quarantined {
            writers: Writers::from_iter([WriterId::from_bytes([0; 16])]),
            kept: None,
        },
        _ => Cell::Missing,
    }
}

/// Nothing, for a cell that is missing.
pub(super) fn written(cell: &Cell<WriterId, Token>) -> Option<Vec<u8>> {
    let written = match cell {
        Cell::Missing => return None,
        Cell::Clean(token) => Written::Clean(token.to_bytes()),
        Cell::Quarantined { writers, kept } => {
            let writers = writers.iter().map(|writer| writer.to_bytes());
            Written::Held(writers.collect(), kept.map(Token::to_bytes))
        }
    };
    Some(write(&written))
}

pub(super) fn state(bytes: Option<&[u8]>) -> TagState {
    cell(bytes).state()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_comes_back_as_it_was() {
        let writer = WriterId::fresh();
        let token = Token::fresh();
        let mut held = Cell::Clean(token);
        held.quarantine(writer);
        for cell_ in [Cell::Clean(token), held] {
            assert_eq!(cell(written(&cell_).as_deref()), cell_);
        }
        assert_eq!(cell(None), Cell::Missing);
        assert_eq!(written(&Cell::Missing), None);
    }

    #[test]
    fn a_cell_that_is_not_understood_is_held() {
        for bytes in [&[][..], &[0], &[7; 40], &[1, 0, 0]] {
            assert_eq!(state(Some(bytes)), TagState::Quarantined, "{bytes:?}");
        }
    }
}
