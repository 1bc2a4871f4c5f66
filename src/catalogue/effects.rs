//! What a statement writes, with everything that follows from it: triggers and rules,
//! cascades, partitions, the tables beneath views, and the routines that are called on
//! the way.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::BitOr;

use super::{Catalogue, Child, Code, Relation, Writes};
use crate::footprint::{Access, Analysis, Name, Step, Target, Write, WriteKind};

/// The events that fire a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events(u8);

impl Events {
    /// No event.
    pub const NONE: Self = Self(0);
    /// Rows are added.
    pub const INSERT: Self = Self(1);
    /// Rows are changed.
    pub const UPDATE: Self = Self(2);
    /// Rows are removed.
    pub const DELETE: Self = Self(4);
    /// All rows are removed at once.
    pub const TRUNCATE: Self = Self(8);
    /// All of them.
    pub const ALL: Self = Self(15);

    fn of(kind: &WriteKind) -> Self {
        match kind {
            WriteKind::Insert => Self::INSERT,
            WriteKind::Update { .. } => Self::UPDATE,
            // rule: an-upsert-fires-all-triggers
            WriteKind::Replace => Self::INSERT | Self::UPDATE | Self::DELETE,
            WriteKind::Delete => Self::DELETE,
            WriteKind::Truncate { .. } => Self::TRUNCATE,
        }
    }

    fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Events {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Catalogue {
    /// What a statement of that text writes.
    #[must_use]
    pub fn writes(&self, sql: &str, analysis: &Analysis, pure: &BTreeSet<Name>) -> Writes {
        let mut effects = Effects::new(self, pure);
        for step in &analysis.steps {
            match step {
                Step::Read(access) => effects.open.push(Task::Access(access)),
                Step::Write(write) => {
                    effects.open.push(Task::Access(&write.access));
                    for target in &write.targets {
                        effects.write(&target.relation, target.kind.clone());
                    }
                }
                // rule: ddl-changes-the-schema
                Step::Ddl => effects.writes.schema = true,
                // rule: an-unknown-statement-writes-everything
                Step::Unknown => {
                    effects.anything();
                    effects.writes.schema = true;
                }
                Step::CreateTemporary(_) | Step::Control(_) | Step::Session(_) | Step::Harmless => {
                }
            }
        }
        // rule: what-is-called-unseen-may-write
        let runs = |step: &Step| matches!(step, Step::Read(_) | Step::Write(_));
        if analysis.steps.iter().any(runs) {
            for name in self.hidden_calls.iter().chain(self.attributes_in(sql)) {
                effects.call(name, true);
            }
        }
        // rule: a-default-of-a-domain-may-call-what-writes
        let makes_values = |step: &Step| match step {
            Step::Read(access) => !access.unknown_functions.is_empty(),
            Step::Write(_) => true,
            _ => false,
        };
        if analysis.steps.iter().any(makes_values) {
            for name in &self.domain_defaults {
                effects.call(name, true);
            }
        }
        // rule: a-change-of-the-schema-fires-event-triggers
        let changes = |step: &Step| matches!(step, Step::Ddl | Step::CreateTemporary(_));
        if analysis.steps.iter().any(changes) || is_refresh(sql) {
            for name in &self.event_triggers {
                effects.call(name, true);
            }
        }
        // rule: maintenance-evaluates-indexes
        let is_harmless = analysis.steps.iter().all(|step| *step == Step::Harmless);
        if is_harmless && is_maintenance(sql) {
            for relation in self.relations.values() {
                effects.open.extend(relation.on_write.iter().map(Task::Run));
            }
        }
        effects.settle()
    }
}

impl Catalogue {
    /// Whether a statement writes no other rows of that table than those it names itself: no
    /// trigger changes them before they are stored, nothing that follows from the write comes
    /// back to the table, and it shows all it writes.
    // rule: a-table-that-is-written-again-is-written-anyhow
    #[must_use]
    pub fn writes_only_what_it_names(
        &self,
        sql: &str,
        write: &Write,
        target: &Target,
        pure: &BTreeSet<Name>,
    ) -> bool {
        let Some(relation) = self.relations.get(&target.relation) else {
            return false;
        };
        let events = Events::of(&target.kind);
        let mut triggers = relation.triggers.iter();
        // rule: a-row-may-be-changed-before-it-is-stored
        let changed = triggers.any(|trigger| trigger.before && trigger.events.meets(events));
        if relation.shape().is_none() || relation.replaces || changed || self.calls_unseen(sql) {
            return false;
        }
        if !self.domain_defaults.is_empty() {
            return false;
        }
        let mut effects = Effects::new(self, pure);
        effects.open.push(Task::Access(&write.access));
        effects.written(target.relation.clone(), target.kind.clone());
        // What is written from here on follows from it.
        effects.writes.tables.clear();
        let follows = effects.settle();
        !follows.is_unbounded() && !follows.tables.contains(&target.relation)
    }
}

impl Catalogue {
    /// What is written, with all that follows from it, when a table is written in these ways by a
    /// statement that is not known.
    pub(crate) fn writes_to(
        &self,
        table: &str,
        kinds: impl IntoIterator<Item = WriteKind>,
        pure: &BTreeSet<Name>,
    ) -> Writes {
        let mut effects = Effects::new(self, pure);
        for kind in kinds {
            effects.write(&table.to_lowercase(), kind);
        }
        effects.settle()
    }
}

/// Whether the text has PostgreSQL look at the expressions and conditions of indexes.
fn is_maintenance(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    let words = ["analyze", "analyse", "vacuum", "reindex", "cluster"];
    words.iter().any(|word| sql.contains(word))
}

/// Whether the text refreshes a materialized view: a write that changes the schema, too.
fn is_refresh(sql: &str) -> bool {
    sql.to_ascii_lowercase().contains("refresh")
}

/// What is still to be followed.
enum Task<'c> {
    /// A relation is written.
    Write(Name, WriteKind),
    /// A relation is read, or written.
    Reach(&'c Relation),
    /// A view's definition or a statement is run.
    Access(&'c Access),
    /// Code is run.
    Run(&'c Code),
}

struct Effects<'c> {
    catalogue: &'c Catalogue,
    pure: &'c BTreeSet<Name>,
    writes: Writes,
    open: Vec<Task<'c>>,
    written: HashMap<Name, Vec<WriteKind>>,
    reached: HashSet<&'c str>,
    called: HashSet<&'c str>,
}

impl<'c> Effects<'c> {
    fn new(catalogue: &'c Catalogue, pure: &'c BTreeSet<Name>) -> Self {
        Self {
            catalogue,
            pure,
            writes: Writes::default(),
            open: Vec::new(),
            written: HashMap::new(),
            reached: HashSet::new(),
            called: HashSet::new(),
        }
    }

    fn settle(mut self) -> Writes {
        while let Some(task) = self.open.pop() {
            match task {
                Task::Write(name, kind) => self.written(name, kind),
                Task::Reach(relation) => self.reached(relation),
                Task::Access(access) => self.accessed(access),
                Task::Run(code) => self.ran(code),
            }
        }
        self.writes
    }

    /// Something is run of which nothing is known.
    fn anything(&mut self) {
        self.writes.database = true;
        self.writes.sets = true;
        self.writes.temporaries = true;
        self.writes.redefines = true;
        self.keeps_some();
    }

    /// What is written may be in a table that ignores a rollback.
    fn keeps_some(&mut self) {
        let mut relations = self.catalogue.relations.values();
        self.writes.non_transactional |= relations.any(|relation| relation.non_transactional);
    }

    fn write(&mut self, name: &str, kind: WriteKind) {
        self.open.push(Task::Write(name.into(), kind));
    }

    fn reach(&mut self, name: &str) {
        if let Some((name, relation)) = self.catalogue.relations.get_key_value(name)
            && self.reached.insert(name)
        {
            self.open.push(Task::Reach(relation));
        }
    }

    /// A routine is called. One that is not known may do anything, if it must be known.
    // rule: unknown-function-may-write
    fn call(&mut self, name: &str, must_be_known: bool) {
        if self.pure.contains(name) {
            return;
        }
        match self.catalogue.routines.get_key_value(name) {
            Some((name, codes)) if self.called.insert(name) => {
                self.open.extend(codes.iter().map(Task::Run));
            }
            None if must_be_known => self.anything(),
            _ => {}
        }
    }

    fn accessed(&mut self, access: &'c Access) {
        for name in &access.unknown_functions {
            self.call(name, true);
        }
        // A user's function may have the name of one that this crate knows.
        for name in &access.pure_functions {
            self.call(name, false);
        }
        for name in &access.relations {
            self.reach(name);
        }
    }

    fn reached(&mut self, relation: &'c Relation) {
        // rule: a-policy-may-call-what-writes
        self.open.extend(relation.on_access.iter().map(Task::Run));
        // rule: a-view-may-call-what-writes
        for view in &relation.views {
            match view.is_single_read() {
                Some(definition) => self.open.push(Task::Access(definition)),
                None => self.anything(),
            }
        }
    }

    // rule: code-writes-what-it-names
    fn ran(&mut self, code: &'c Code) {
        if code.opaque {
            self.writes.database = true;
            self.writes.redefines = true;
            self.keeps_some();
        }
        self.writes.sets |= code.sets;
        self.writes.temporaries |= code.temporaries;
        for name in &code.words {
            // rule: code-calls-what-it-names
            self.call(name, false);
            self.reach(name);
        }
        for name in &code.written {
            if !self.catalogue.relations.contains_key(name) {
                continue;
            }
            self.write(name, WriteKind::Replace);
            if code.truncates {
                self.write(name, WriteKind::Truncate { cascade: true });
            }
        }
        for name in &code.calls {
            self.call(name, true);
        }
    }

    fn written(&mut self, name: Name, kind: WriteKind) {
        // rule: what-may-not-be-seen-may-cascade
        if self.catalogue.hidden_references && !matches!(kind, WriteKind::Insert) {
            self.writes.database = true;
        }
        self.writes.tables.insert(name.clone());
        self.reach(&name);
        let Some(relation) = self.catalogue.relations.get(&name) else {
            // A target the catalogue does not know may have triggers and references.
            self.anything();
            return;
        };
        // The columns of one update are not those of another.
        let kinds = self.written.entry(name).or_default();
        if kinds.contains(&kind) {
            return;
        }
        kinds.push(kind.clone());
        // rule: what-is-not-understood-may-write-anything
        self.writes.database |= relation.uncacheable && !relation.confined;
        self.writes.non_transactional |= relation.non_transactional;
        let kind = actual(kind, relation);
        // rule: a-trigger-writes-what-its-code-writes
        let events = Events::of(&kind);
        let fired = relation
            .triggers
            .iter()
            .filter(|trigger| trigger.events.meets(events));
        self.open
            .extend(fired.map(|trigger| Task::Run(&trigger.code)));
        // rule: a-default-may-call-what-writes
        self.open.extend(relation.on_write.iter().map(Task::Run));
        // rule: partitions-share-their-rows
        for member in &relation.family {
            self.write(member, kind.clone());
        }
        // rule: a-write-to-a-view-writes-its-base-tables
        for view in &relation.views {
            match view.is_single_read() {
                Some(definition) => {
                    let is_cte = |base: &&Name| {
                        definition.ctes.contains(*base)
                            && !self.catalogue.relations.contains_key(*base)
                    };
                    let bases: Vec<&Name> =
                        definition.relations.iter().filter(|b| !is_cte(b)).collect();
                    for base in bases {
                        self.write(base, WriteKind::Replace);
                    }
                }
                None => self.anything(),
            }
        }
        for child in &relation.children {
            if let Some(kind) = cascade(&kind, child) {
                self.write(&child.table, kind);
            }
        }
    }
}

/// How a relation is written in fact, when a statement writes it like that.
fn actual(kind: WriteKind, relation: &Relation) -> WriteKind {
    match kind {
        // rule: a-table-may-replace-its-rows
        WriteKind::Insert | WriteKind::Update { .. } if relation.replaces => WriteKind::Replace,
        // rule: an-update-may-move-a-row-to-another-partition
        WriteKind::Update { .. } if !relation.family.is_empty() => WriteKind::Replace,
        // rule: columns-may-change-without-standing-in-set
        WriteKind::Update { .. } if relation.changes_more => WriteKind::Update { columns: None },
        kind => kind,
    }
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
