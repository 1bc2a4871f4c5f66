//! What a database's catalogue says about its relations, and what follows from it
//! for the tables that a statement reads and writes.
//!
//! Relations are known by their bare name. Where several schemas have one of the
//! same name, they count as one that has the properties of all.

use std::collections::{BTreeSet, HashMap};

use crate::bypass::Bypass;
use crate::footprint::{Access, Analysis, Name, Step, Target, WriteKind};

/// The relations and functions of a database.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    relations: HashMap<Name, Relation>,
    functions: HashMap<Name, FunctionKind>,
    attributes: BTreeSet<Name>,
    /// Whether functions are called where no text names them: by operators, casts, domains.
    pub hidden_calls: bool,
    /// Whether a routine or trigger may create temporary relations. Only MySQL, which
    /// cannot list them, is asked.
    pub hidden_temporaries: bool,
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
    /// What reading it reads besides: the tables of its row-level security policies.
    pub also_reads: BTreeSet<Name>,
    /// Whether row-level security decides who sees what.
    pub row_security: bool,
    /// Whether it has triggers or rules, which may write anything.
    pub triggers: bool,
    /// Whether a write to it cannot be rolled back (`MyISAM`, `MEMORY`).
    pub non_transactional: bool,
    /// Whether an insert or update may remove rows: `ON CONFLICT REPLACE` in its definition.
    pub replaces: bool,
    /// The tables whose foreign keys refer to it.
    pub children: Vec<Child>,
    /// The tables that share rows with it: partitions, inheritance.
    pub family: BTreeSet<Name>,
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

/// What a user-defined function may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionKind {
    /// The database keeps it from writing (`STABLE` or `IMMUTABLE` on PostgreSQL).
    ReadOnly,
    /// It may write.
    MayWrite,
}

/// What a statement reads, once views are taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads {
    /// The relations, bare.
    pub tables: BTreeSet<Name>,
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
    /// Whether some of it cannot be rolled back.
    pub non_transactional: bool,
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

    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.root && !self.database && !self.schema && self.tables.is_empty()
    }

    /// Adds what another statement writes.
    pub fn merge(&mut self, other: &Self) {
        self.root |= other.root;
        self.database |= other.database;
        self.schema |= other.schema;
        self.non_transactional |= other.non_transactional;
        self.tables.extend(other.tables.iter().cloned());
    }

    /// Whether it touches anything that `reads` depends on.
    #[must_use]
    pub fn touches(&self, reads: &Reads) -> bool {
        self.root
            || self.database
            || self.schema
            || self.tables.iter().any(|table| reads.tables.contains(table))
    }
}

impl Catalogue {
    /// The relation of that name, made if there is none.
    pub fn relation(&mut self, name: &str) -> &mut Relation {
        self.relations
            .entry(name.to_lowercase().into_boxed_str())
            .or_default()
    }

    /// Adds a user-defined function. Of several with one name, the worst counts.
    pub fn add_function(&mut self, name: &str, kind: FunctionKind) {
        let known = self
            .functions
            .entry(name.to_lowercase().into_boxed_str())
            .or_insert(kind);
        if kind == FunctionKind::MayWrite {
            *known = kind;
        }
    }

    /// Adds a function that a query may call as if it were a column: `t.name` for `name(t)`.
    pub fn add_attribute(&mut self, name: &str) {
        self.attributes.insert(name.to_lowercase().into());
    }

    /// Whether the text may call a function without a parenthesis after its name.
    // rule: a-function-may-be-called-unseen
    #[must_use]
    pub fn calls_unseen(&self, sql: &str) -> bool {
        self.hidden_calls
            || (!self.attributes.is_empty()
                && sql
                    .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
                    .any(|word| self.attributes.contains(word.to_lowercase().as_str())))
    }

    /// A column of the table changes without standing in `SET`: which key an update changes
    /// is then not known.
    pub fn add_generated(&mut self, table: &str) {
        for child in &mut self.relation(table).children {
            child.columns.clear();
        }
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
        self.collect(access, pure, &mut reads)?;
        Ok(reads)
    }

    fn collect(
        &self,
        access: &Access,
        pure: &BTreeSet<Name>,
        reads: &mut Reads,
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
            .any(|f| self.functions.contains_key(f) && !pure.contains(f))
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
            if !reads.tables.insert(name.clone()) {
                continue;
            }
            // rule: a-policy-reads-its-tables
            let policies = Access {
                relations: relation.also_reads.clone(),
                ..Access::default()
            };
            self.collect(&policies, pure, reads)?;
            // rule: a-view-reads-its-base-tables
            for view in &relation.views {
                match view.is_single_read() {
                    Some(definition) => self.collect(definition, pure, reads)?,
                    None => return Err(Bypass::Uncacheable),
                }
            }
        }
        Ok(())
    }

    /// What a statement writes.
    #[must_use]
    pub fn writes(&self, analysis: &Analysis, pure: &BTreeSet<Name>) -> Writes {
        let mut writes = Writes::default();
        for step in &analysis.steps {
            match step {
                Step::Read(access) => self.functions_write(access, pure, &mut writes),
                Step::Write(write) => {
                    self.functions_write(&write.access, pure, &mut writes);
                    for target in &write.targets {
                        self.write_target(target, &mut writes);
                    }
                }
                // rule: ddl-changes-the-schema
                Step::Ddl => writes.schema = true,
                // rule: an-unknown-statement-writes-everything
                Step::Unknown => {
                    writes.database = true;
                    writes.schema = true;
                }
                Step::CreateTemporary(_) | Step::Control(_) | Step::Session(_) | Step::Harmless => {
                }
            }
        }
        writes
    }

    /// Unknown functions may write, unless the database says that they cannot.
    fn functions_write(&self, access: &Access, pure: &BTreeSet<Name>, writes: &mut Writes) {
        let mut seen = BTreeSet::new();
        self.calls_write(access, pure, writes, &mut seen);
    }

    fn calls_write<'c>(
        &'c self,
        access: &'c Access,
        pure: &BTreeSet<Name>,
        writes: &mut Writes,
        seen: &mut BTreeSet<&'c str>,
    ) {
        // rule: unknown-function-may-write
        let harmless =
            |f: &Name| pure.contains(f) || self.functions.get(f) == Some(&FunctionKind::ReadOnly);
        let shadowed = |f: &Name| self.functions.get(f) == Some(&FunctionKind::MayWrite);
        if access.unknown_functions.iter().any(|f| !harmless(f))
            || access
                .pure_functions
                .iter()
                .any(|f| shadowed(f) && !pure.contains(f))
        {
            writes.database = true;
        }
        // rule: a-view-may-call-what-writes
        for name in &access.relations {
            let Some(relation) = self.relations.get(name).filter(|_| seen.insert(name)) else {
                continue;
            };
            for view in &relation.views {
                match view.is_single_read() {
                    Some(definition) => self.calls_write(definition, pure, writes, seen),
                    None => writes.database = true,
                }
            }
        }
    }

    fn write_target(&self, target: &Target, writes: &mut Writes) {
        // rule: what-may-not-be-seen-may-cascade
        if self.hidden_references && !matches!(target.kind, WriteKind::Insert) {
            writes.database = true;
        }
        let mut seen = BTreeSet::new();
        let mut open = vec![(target.relation.clone(), target.kind.clone())];
        while let Some((name, kind)) = open.pop() {
            writes.tables.insert(name.clone());
            if !seen.insert((name.clone(), kind_rank(&kind))) {
                continue;
            }
            let Some(relation) = self.relations.get(&name) else {
                // A target the catalogue does not know may have triggers and references.
                writes.database = true;
                continue;
            };
            // rule: a-trigger-may-write-anything
            if relation.triggers || relation.uncacheable {
                writes.database = true;
            }
            writes.non_transactional |= relation.non_transactional;
            // rule: a-table-may-replace-its-rows
            let kind = match kind {
                WriteKind::Insert | WriteKind::Update { .. } if relation.replaces => {
                    WriteKind::Replace
                }
                kind => kind,
            };
            // rule: partitions-share-their-rows
            for member in &relation.family {
                open.push((member.clone(), kind.clone()));
            }
            // rule: a-write-to-a-view-writes-its-base-tables
            for view in &relation.views {
                match view.is_single_read() {
                    Some(definition) => {
                        for base in &definition.relations {
                            open.push((base.clone(), WriteKind::Replace));
                        }
                    }
                    None => writes.database = true,
                }
            }
            for child in &relation.children {
                if let Some(kind) = cascade(&kind, child) {
                    open.push((child.table.clone(), kind));
                }
            }
        }
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

/// How a write to the referenced table writes the referring one, if it does.
// rule: cascades-write-the-child-tables
fn cascade(kind: &WriteKind, child: &Child) -> Option<WriteKind> {
    let hits_key = |columns: &Option<BTreeSet<Name>>| match columns {
        // SQLite knows a key by these names, too.
        Some(columns)
            if ["rowid", "oid", "_rowid_"]
                .iter()
                .any(|alias| columns.contains(*alias)) =>
        {
            true
        }
        Some(columns) if !child.columns.is_empty() => !columns.is_disjoint(&child.columns),
        _ => true,
    };
    match kind {
        WriteKind::Insert => None,
        WriteKind::Truncate { cascade: true } => Some(WriteKind::Truncate { cascade: true }),
        WriteKind::Truncate { cascade: false } | WriteKind::Delete => {
            child.on_delete.then_some(WriteKind::Replace)
        }
        WriteKind::Update { columns } => {
            (child.on_update && hits_key(columns)).then_some(WriteKind::Update { columns: None })
        }
        WriteKind::Replace => (child.on_delete || child.on_update).then_some(WriteKind::Replace),
    }
}

/// A number per kind, so that the closure visits each table once per kind.
fn kind_rank(kind: &WriteKind) -> u8 {
    match kind {
        WriteKind::Insert => 0,
        WriteKind::Update { columns: Some(_) } => 1,
        WriteKind::Update { columns: None } => 2,
        WriteKind::Replace => 3,
        WriteKind::Delete => 4,
        WriteKind::Truncate { cascade: false } => 5,
        WriteKind::Truncate { cascade: true } => 6,
    }
}

#[cfg(test)]
mod tests;
