//! What a statement reads and writes of its tables' rows and columns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ReadFootprint, Resolved, Resolver};
use crate::datum::{self, Bound};
use crate::dialect::Dialect;
use crate::footprint::columns::{self, Change, Detail, Selection};
use crate::footprint::{self, Name, Step};
use crate::key::Key;
use crate::precision::{self, Binds, KeyedTable, Observed, PreciseRead};
use crate::strategy::Strategies;
use crate::tag::Tag;

#[cfg(test)]
mod tests;

/// With more tags than this, a read depends on every write of its tables.
const MOST_TAGS: usize = 1000;

/// A statement of which more is known than its tables. What it depends on or touches is told by
/// its binds.
#[derive(Debug)]
pub enum Precise {
    /// A query, and its sources' tables: those that rows of can be told apart.
    Read(Selection, Vec<Option<Arc<KeyedTable>>>),
    /// A write to a table.
    Write(Arc<KeyedTable>, Change),
}

/// What a read with these binds depends on.
#[derive(Debug)]
pub struct Refined {
    /// The tags, whatever the result is.
    pub tags: Arc<[Tag]>,
    /// What its rows add to them; `None` if nothing.
    pub late: Option<Late>,
}

/// What the rows of a result add to what it depends on.
#[derive(Debug)]
pub struct Late {
    /// How to tell the rows of tables from those of the result.
    pub observed: Vec<Observed>,
    /// Tags that every write to those tables touches, and behind them, from `window` on, what the
    /// result depends on besides if the rows are not told.
    pub also: Arc<[Tag]>,
    /// How many of those every write touches.
    pub window: usize,
}

impl Resolver {
    /// What more is known of the one statement of a text, which is normalized.
    pub(super) fn precise(&self, sql: &str, resolved: &Resolved) -> Option<Precise> {
        let [step] = resolved.analysis.steps.as_slice() else {
            return None;
        };
        match (step, columns::detail(sql, self.dialect)?) {
            (Step::Read(_), Detail::Query(selection)) if resolved.read.is_ok() => {
                let sources = selection.sources.iter();
                let tables: Vec<_> = sources.map(|source| self.table(&source.relation)).collect();
                let any = tables.iter().any(Option::is_some);
                any.then_some(Precise::Read(selection, tables))
            }
            (Step::Write(write), Detail::Write(change)) => {
                let [target] = write.targets.as_slice() else {
                    return None;
                };
                let (catalogue, pure) = (&self.catalogue, &self.pure);
                catalogue
                    .writes_only_what_it_names(sql, write, target, pure)
                    .then_some(())?;
                Some(Precise::Write(self.table(&target.relation)?, change))
            }
            _ => None,
        }
    }

    /// A table whose rows can be told apart.
    fn table(&self, name: &Name) -> Option<Arc<KeyedTable>> {
        let shape = self.catalogue.shape(name)?;
        let mut keys = vec![shape.primary.clone()];
        let declared = self.keys.get(name).into_iter().flatten();
        for key in declared {
            // rule: a-key-that-the-table-has-not-is-none
            let known = key.iter().all(|column| shape.columns.contains_key(column));
            if known && !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        // Of those that a read fixes, the longest says most.
        keys[1..].sort_by_key(|key: &crate::precision::Key| std::cmp::Reverse(key.len()));
        let columns = shape.columns.iter();
        let comparisons = columns
            .clone()
            .map(|(name, column)| (name.clone(), column.comparison));
        let mut table = KeyedTable::new(self.space, name.clone(), comparisons.collect(), keys)?;
        table.set_by_server = columns
            .filter(|(_, column)| column.set_by_server)
            .map(|(name, _)| name.clone())
            .collect();
        // rule: a-zero-may-become-the-next-number
        table.counts_for_zero = self.dialect == Dialect::Mysql;
        Some(Arc::new(table))
    }

    /// What a read with these binds depends on; remembered under the key of its entry.
    pub(crate) fn refined(
        &self,
        key: &Key,
        sql: &str,
        bound: impl FnOnce() -> Vec<Bound>,
        precise: &Precise,
        footprint: &ReadFootprint,
    ) -> Option<Arc<Refined>> {
        let Precise::Read(selection, tables) = precise else {
            return None;
        };
        if let Some(found) = self.refinements.get(key) {
            return Some(found);
        }
        let places = footprint::places(sql, self.dialect);
        let bound = bound();
        let binds = Binds::new(&places, &bound);
        let refined = Arc::new(self.refine(selection, tables, binds, footprint)?);
        self.refinements.insert(key.clone(), Arc::clone(&refined));
        Some(refined)
    }

    fn refine(
        &self,
        selection: &Selection,
        tables: &[Option<Arc<KeyedTable>>],
        binds: Binds<'_>,
        footprint: &ReadFootprint,
    ) -> Option<Refined> {
        let mut parts: BTreeMap<Name, BTreeSet<Tag>> = BTreeMap::new();
        let (mut observed, mut unobserved) = (Vec::new(), BTreeSet::new());
        let mut window = BTreeSet::new();
        for (source, table) in selection.sources.iter().zip(tables) {
            let name = &source.relation;
            let strategies = self.settings.strategies(name);
            let is_followed = strategies.is_none_or(Strategies::follow_writes);
            // rule: what-is-read-elsewhere-too-is-read-as-a-whole
            let whole = selection.nested.contains(name)
                || footprint.declared.contains(name)
                || footprint.reads.indirect.contains(name);
            let Some(table) = table.as_ref().filter(|_| is_followed && !whole) else {
                continue;
            };
            let read = PreciseRead::new(table, source, selection, tables, binds);
            parts.entry(name.clone()).or_default().extend(read.tags);
            if let Some(of_rows) = read.observed {
                observed.push(of_rows);
                unobserved.extend(read.unobserved);
                window.insert(Tag::any(self.space, name));
            }
        }
        let count = parts.values().map(BTreeSet::len).sum::<usize>() + unobserved.len();
        if count > MOST_TAGS || parts.is_empty() {
            return None;
        }
        let late = (!observed.is_empty()).then(|| Late {
            observed,
            window: window.len(),
            also: window.into_iter().chain(unobserved).collect(),
        });
        let mut tags = self.read_tags(&footprint.reads, &parts);
        tags.extend(footprint.labels.iter().map(|label| Tag::label(label)));
        Some(Refined {
            tags: tags.into(),
            late,
        })
    }
}

impl Resolved {
    /// The same statement as it was run: with its text, and its binds as Diesel shows them.
    #[must_use]
    pub fn with_binds(self: Arc<Self>, sql: &str, binds: &str, dialect: Dialect) -> Arc<Self> {
        let Some(Precise::Write(table, change)) = self.precise.as_deref() else {
            return self;
        };
        let places = footprint::places(sql, dialect);
        let values = datum::shown(binds);
        let binds = Binds::new(&places, &values);
        let Some(parts) = precision::touched(table, change, binds) else {
            return self;
        };
        let mut resolved = Self::clone(&self);
        resolved.writes.parts.insert(table.name.clone(), parts);
        Arc::new(resolved)
    }
}
