//! What a statement depends on and writes, in words.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Precise, ReadFootprint, Resolved, Resolver};
use crate::datum::{self, Bound};
use crate::dialect::Dialect;
use crate::explain::{Extent, WholeReason, WriteExplanation};
use crate::footprint::columns::{self, Change, Detail};
use crate::footprint::{self, Name, Step};
use crate::precision::{self, Binds};
use crate::tag::Tag;

impl Resolver {
    /// What the tags of a read stand for.
    pub(crate) fn names(
        &self,
        sql: &str,
        bound: &[Bound],
        precise: Option<&Precise>,
        footprint: &ReadFootprint,
    ) -> HashMap<Tag, String> {
        let mut names = HashMap::from([
            (Tag::root(), "everything".to_owned()),
            (Tag::database(self.space), "the database".to_owned()),
            (Tag::schema(self.space), "the schema".to_owned()),
        ]);
        for table in &footprint.reads.tables {
            let any = Tag::any(self.space, table);
            names.insert(any, format!("{table}: any write"));
            let by_hand = Tag::by_hand(table);
            names.insert(by_hand, format!("{table}: invalidated by its name"));
        }
        for label in footprint.labels.iter() {
            names.insert(Tag::label(label), format!("tag {label}"));
        }
        if let Some(Precise::Read(selection, tables)) = precise {
            let places = footprint::places(sql, self.dialect);
            let binds = Binds::new(&places, bound);
            for (source, table) in selection.sources.iter().zip(tables) {
                if let Some(table) = table {
                    names.extend(precision::names(table, source, tables, binds));
                }
            }
        }
        names
    }
}

impl Resolved {
    /// What the statement writes, in words. `binds` are those that it was resolved
    /// [with](Self::with_binds), as Diesel shows them.
    pub(crate) fn explain(&self, sql: &str, binds: &str, dialect: Dialect) -> WriteExplanation {
        let writes = &self.writes;
        let mut tables = BTreeMap::new();
        for table in &writes.tables {
            let extent = match (self.precise.as_deref(), writes.parts.get(table)) {
                (Some(Precise::Write(known, change)), Some(_)) if known.name == *table => {
                    part(known, change, sql, binds, dialect)
                }
                (Some(Precise::Write(known, _)), None) if known.name == *table => {
                    Extent::Whole(WholeReason::TooMany)
                }
                _ => Extent::Whole(self.why_whole(table, sql, dialect)),
            };
            tables.insert(table.clone(), extent);
        }
        WriteExplanation {
            sql: sql.to_owned(),
            everything: writes.root || writes.database,
            schema: writes.schema,
            tables,
        }
    }

    fn why_whole(&self, table: &Name, sql: &str, dialect: Dialect) -> WholeReason {
        let [Step::Write(write)] = self.analysis.steps.as_slice() else {
            return WholeReason::Follows;
        };
        if !write.targets.iter().any(|target| target.relation == *table) {
            return WholeReason::Follows;
        }
        if !matches!(columns::detail(sql, dialect), Some(Detail::Write(_))) {
            return WholeReason::NotUnderstood;
        }
        match self.has_key {
            true => WholeReason::MayWriteMore,
            false => WholeReason::NoKey,
        }
    }
}

fn part(
    table: &Arc<precision::KeyedTable>,
    change: &Change,
    sql: &str,
    binds: &str,
    dialect: Dialect,
) -> Extent {
    let places = footprint::places(sql, dialect);
    let values = datum::shown(binds);
    let binds = Binds::new(&places, &values);
    let (told, untold): (Vec<_>, Vec<_>) = precision::told_keys(table, change, binds)
        .into_iter()
        .partition(|(_, told)| *told);
    let keys = |list: Vec<(precision::Key, bool)>| list.into_iter().map(|(key, _)| key).collect();
    Extent::Part {
        columns: match change {
            Change::Update { columns, .. } => {
                Some(columns.union(&table.set_by_server).cloned().collect())
            }
            Change::Insert(_) | Change::Delete { .. } => None,
        },
        keys: keys(told),
        unknown: keys(untold),
    }
}
