//! What a database's catalogue says about its relations, and what follows from it
//! for the tables that a statement reads and writes.
//!
//! Relations are known by their bare name. Where several schemas have one of the
//! same name, they count as one that has the properties of all.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::bypass::Bypass;
use crate::dialect::Dialect;
use crate::footprint::{self, Access, Analysis, Name};
use crate::tag::Tag;

mod code;
mod columns;
mod effects;
mod trigger;

pub(crate) use self::code::runs_a_text;
pub use self::code::{Code, Language};
pub use self::columns::{ColumnInfo, Known, Shape};
pub use self::effects::Events;
pub use self::trigger::Trigger;

/// With more parts than this, a table counts as written without any being known.
const MOST_PARTS: usize = 4096;

/// The relations and functions of a database.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    relations: HashMap<Name, Relation>,
    routines: HashMap<Name, Vec<Code>>,
    /// Routines that a text may call by a mere word.
    attributes: BTreeSet<Name>,
    /// Routines that are called where no text names them: by operators, casts, domains.
    pub hidden_calls: BTreeSet<Name>,
    /// The settings of the application's own that code and policies look at; `None` if not
    /// all can be named.
    pub looked_at: Option<BTreeSet<Name>>,
    /// The functions that a change of the schema runs.
    pub event_triggers: BTreeSet<Name>,
    /// The functions that the defaults of domains call, wherever a value is made.
    pub domain_defaults: BTreeSet<Name>,
    /// Whether rows of the outbox may tell the name of a table that was not written: a trigger that
    /// is not known writes there, as one does whose table was renamed.
    pub doubts_outbox: bool,
    /// Whether foreign keys or triggers may exist that the user may not see.
    pub hidden_references: bool,
}

/// A relation, or several of one name.
#[derive(Debug, Clone, Default)]
pub struct Relation {
    /// The definitions of the views of this name.
    pub views: Vec<Analysis>,
    /// Whether its rows may change without a statement that names it: a foreign or
    /// virtual table, or a view whose definition is not understood.
    pub uncacheable: bool,
    /// Whether what is written to it stays in it and in its family, though it is
    /// uncacheable.
    pub confined: bool,
    /// What reading it reads besides: the tables of its row-level security policies.
    pub also_reads: BTreeSet<Name>,
    /// Whether row-level security decides who sees what.
    pub row_security: bool,
    /// What runs when it is read or written: the policies of row-level security.
    pub on_access: Vec<Code>,
    /// What runs when rows are added or changed: defaults, checks, indexes.
    pub on_write: Vec<Code>,
    /// Its triggers and rules.
    pub triggers: Vec<Trigger>,
    /// Whether an update may change columns that do not stand in `SET`: generated ones,
    /// those that the server or a trigger sets.
    pub changes_more: bool,
    /// Whether a write to it cannot be rolled back (`MyISAM`, `MEMORY`).
    pub non_transactional: bool,
    /// Whether an insert or update may remove rows: `ON CONFLICT REPLACE` in its definition.
    pub replaces: bool,
    /// The tables whose foreign keys refer to it.
    pub children: Vec<Child>,
    /// The tables that share rows with it: partitions, inheritance.
    pub family: BTreeSet<Name>,
    /// Its columns and its primary key, if all relations of this name have the same.
    pub shape: Known<Shape>,
}

/// A table that refers to another by a foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The referring table.
    pub table: Name,
    /// Whether deleting the referenced row changes the referring one.
    pub on_delete: bool,
    /// Whether updating the referenced key changes the referring row.
    pub on_update: bool,
    /// The referenced columns; empty when they are not known.
    pub columns: BTreeSet<Name>,
}

/// What a statement reads, once views are taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads {
    /// The relations, bare.
    pub tables: BTreeSet<Name>,
    /// Those of them that are read where the statement does not name them: by a view, or by the
    /// policy of another.
    pub indirect: BTreeSet<Name>,
    /// Whether row-level security decides who sees what.
    pub row_security: bool,
}

/// What a statement, or a transaction, writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Writes {
    /// Anything in a database that is not known.
    pub root: bool,
    /// Anything in the database.
    pub database: bool,
    /// The schema.
    pub schema: bool,
    /// The tables.
    pub tables: BTreeSet<Name>,
    /// For those of them of which more is known than that they are written, what is touched.
    pub parts: BTreeMap<Name, BTreeSet<Tag>>,
    /// Whether some of it cannot be rolled back.
    pub non_transactional: bool,
    /// Whether the session may change on the way.
    pub sets: bool,
    /// Whether temporary relations may be made on the way.
    pub temporaries: bool,
    /// Whether the schema may change on the way, by code that does not show what it runs.
    pub redefines: bool,
}

impl Writes {
    /// A write that may have changed anything in its database.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            database: true,
            ..Self::default()
        }
    }

    /// A write that may have changed anything in any database.
    #[must_use]
    pub fn root() -> Self {
        Self {
            root: true,
            ..Self::default()
        }
    }

    /// A write to one table.
    #[must_use]
    pub fn table(name: &str) -> Self {
        Self {
            tables: BTreeSet::from([Name::from(name)]),
            ..Self::default()
        }
    }

    /// Whether more may be written than the tables: anything in the database or in others,
    /// or the schema.
    #[must_use]
    pub fn is_unbounded(&self) -> bool {
        self.root || self.database || self.schema
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.is_unbounded() && self.tables.is_empty()
    }

    /// Adds what another statement writes.
    pub fn merge(&mut self, other: &Self) {
        self.root |= other.root;
        self.database |= other.database;
        self.schema |= other.schema;
        self.non_transactional |= other.non_transactional;
        self.sets |= other.sets;
        self.temporaries |= other.temporaries;
        self.redefines |= other.redefines;
        // rule: parts-of-two-writes-are-those-of-both
        for table in &other.tables {
            let is_new = self.tables.insert(table.clone());
            match (other.parts.get(table), self.parts.get_mut(table)) {
                (Some(parts), None) if is_new => {
                    self.parts.insert(table.clone(), parts.clone());
                }
                (Some(parts), Some(own)) => own.extend(parts.iter().copied()),
                _ => {}
            }
            let too_many = |parts: &BTreeSet<Tag>| parts.len() > MOST_PARTS;
            // rule: a-write-that-is-wide-stays-wide
            if !other.parts.contains_key(table) || self.parts.get(table).is_some_and(too_many) {
                self.parts.remove(table);
            }
        }
    }

    /// Whether it touches anything that `reads` depends on.
    #[must_use]
    pub fn touches(&self, reads: &Reads) -> bool {
        self.is_unbounded() || self.tables.iter().any(|table| reads.tables.contains(table))
    }
}

impl Catalogue {
    /// The relation of that name, in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Relation> {
        self.relations.get(name)
    }

    /// The relation of that name, made if there is none.
    pub fn relation(&mut self, name: &str) -> &mut Relation {
        self.relations
            .entry(name.to_lowercase().into_boxed_str())
            .or_default()
    }

    /// The table of that name is an outbox, if there is one: who reads it reads what the cache does.
    pub fn keep_outbox(&mut self, table: &str) {
        if let Some(relation) = self.relations.get_mut(table) {
            relation.uncacheable = true;
            relation.confined = true;
        }
    }

    /// Adds a routine. Of several with one name, each may be the one that is called.
    pub fn add_routine(&mut self, name: &str, code: Code, dialect: Dialect) {
        let name: Name = name.to_lowercase().into();
        // rule: a-routine-may-have-the-name-of-an-unlisted-function
        if code != Code::default() && footprint::is_unlisted_function(&name, dialect) {
            self.attributes.insert(name.clone());
        }
        self.routines.entry(name).or_default().push(code);
    }

    /// Adds a function that a query may call as if it were a column: `t.name` for `name(t)`.
    pub fn add_attribute(&mut self, name: &str) {
        self.attributes.insert(name.to_lowercase().into());
    }

    /// Whether the text may call a function without a parenthesis after its name.
    // rule: a-function-may-be-called-unseen
    #[must_use]
    pub fn calls_unseen(&self, sql: &str) -> bool {
        !self.hidden_calls.is_empty() || self.attributes_in(sql).next().is_some()
    }

    /// The routines that the text may call by a mere word.
    fn attributes_in(&self, sql: &str) -> impl Iterator<Item = &Name> {
        let words = sql
            .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
            .filter(|_| !self.attributes.is_empty());
        words.filter_map(|word| self.attributes.get(word.to_lowercase().as_str()))
    }

    /// Whether code that only reads may do more than that: change the session, or call one
    /// of the routines that are known so far, be it through a relation.
    #[must_use]
    pub fn matters(&self, code: &Code) -> bool {
        let may_call = |name: &Name| {
            let relation = self.relations.get(name);
            self.routines.contains_key(name)
                || relation.is_some_and(|r| !r.views.is_empty() || r.row_security)
        };
        code.opaque || code.sets || code.words.iter().any(may_call)
    }

    /// Whether a routine or a trigger may make temporary relations.
    #[must_use]
    pub fn makes_temporaries(&self) -> bool {
        let triggers = self.relations.values().flat_map(|r| &r.triggers);
        self.routines
            .values()
            .flatten()
            .chain(triggers.map(|trigger| &trigger.code))
            .any(Code::may_make_temporaries)
    }

    /// Makes two tables one family: a write to either may be read through the other.
    pub fn join_families(&mut self, one: &str, other: &str) {
        let (one, other) = (one.to_lowercase(), other.to_lowercase());
        let mut family: BTreeSet<Name> = BTreeSet::from([one.clone().into(), other.clone().into()]);
        family.extend(self.relation(&one).family.iter().cloned());
        family.extend(self.relation(&other).family.iter().cloned());
        for member in &family {
            self.relation(member).family.clone_from(&family);
        }
    }

    /// What a read depends on, or why it must not be cached.
    ///
    /// # Errors
    /// The reason to bypass the cache.
    pub fn reads(&self, access: &Access, pure: &BTreeSet<Name>) -> Result<Reads, Bypass> {
        let mut reads = Reads::default();
        self.collect(access, pure, &mut reads, false)?;
        Ok(reads)
    }

    fn collect(
        &self,
        access: &Access,
        pure: &BTreeSet<Name>,
        reads: &mut Reads,
        is_indirect: bool,
    ) -> Result<(), Bypass> {
        if let Some(refusal) = access.refusal {
            return Err(refusal.into());
        }
        // rule: unknown-function-is-not-cached
        if access.unknown_functions.iter().any(|f| !pure.contains(f)) {
            return Err(Bypass::UnknownFunction);
        }
        // rule: user-function-shadows-a-known-one
        if access
            .pure_functions
            .iter()
            .any(|f| self.routines.contains_key(f) && !pure.contains(f))
        {
            return Err(Bypass::UnknownFunction);
        }
        for name in &access.relations {
            let Some(relation) = self.relations.get(name) else {
                if access.ctes.contains(name) {
                    reads.tables.insert(name.clone());
                    continue;
                }
                return Err(Bypass::UnknownRelation);
            };
            if relation.uncacheable {
                return Err(Bypass::Uncacheable);
            }
            reads.row_security |= relation.row_security;
            // rule: what-a-view-reads-is-read-as-a-whole
            if is_indirect {
                reads.indirect.insert(name.clone());
            }
            if !reads.tables.insert(name.clone()) {
                continue;
            }
            // rule: a-policy-reads-its-tables
            let policies = Access {
                relations: relation.also_reads.clone(),
                ..Access::default()
            };
            self.collect(&policies, pure, reads, true)?;
            // rule: a-view-reads-its-base-tables
            for view in &relation.views {
                match view.is_single_read() {
                    Some(definition) => self.collect(definition, pure, reads, true)?,
                    None => return Err(Bypass::Uncacheable),
                }
            }
        }
        Ok(())
    }
}

/// Whether the text, or a routine's body, may make temporary relations, by itself or
/// through a text made at run time.
#[must_use]
pub fn may_make_temporaries(text: &str) -> bool {
    let text = text.to_lowercase();
    ["temporary", "prepare", "execute"]
        .iter()
        .any(|word| text.contains(word))
}

#[cfg(test)]
mod tests;
