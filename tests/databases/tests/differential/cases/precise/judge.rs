//! By which rule a result outlives a write, as far as query and statement tell.

use std::collections::BTreeSet;

use super::plan::Plan;
use super::queries::Use;
use super::text::Val;
use super::writes::{Kind, Write};

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// The query does not look at the columns that are set.
    Column,
    /// The rows have another value in a column whose value the query fixes.
    Row,
    /// What is set becomes a value that the query does not ask for.
    Value,
    /// The rows are none of those that are shown.
    Observed,
    /// A row that is added has a key that none has.
    Made,
}

pub(super) const RULES: [Rule; 5] = [
    Rule::Column,
    Rule::Row,
    Rule::Value,
    Rule::Observed,
    Rule::Made,
];

/// The rule by which a result may outlive the write; of several the plainest.
pub(super) fn rule(plan: &Plan, write: &Write, uses: &[Use]) -> Rule {
    let uses: Vec<&Use> = uses.iter().filter(|of| of.table == write.table).collect();
    let each = |survives: &dyn Fn(&Use) -> bool| uses.iter().all(|of| survives(of));
    if let Kind::Update { set, .. } = &write.kind {
        let mut columns: BTreeSet<&str> = set.iter().map(|(column, _)| *column).collect();
        if plan.tables[write.table].generated.is_some() {
            columns.insert("g");
        }
        if each(&|of| of.columns.is_disjoint(&columns)) {
            return Rule::Column;
        }
    }
    if each(&|of| is_of_other_rows(&write.kind, of)) {
        return Rule::Row;
    }
    match &write.kind {
        Kind::Update { set, .. } => {
            let is_other = |of: &Use| {
                let mut set = set.iter();
                set.any(|(column, val)| is_none_of(of, column, val.as_ref()))
            };
            match each(&is_other) {
                true => Rule::Value,
                false => Rule::Observed,
            }
        }
        Kind::Insert(_) => Rule::Made,
        Kind::Delete(_) | Kind::Other => Rule::Observed,
    }
}

/// Whether a value is none of those that the query asks for in a column.
fn is_none_of(of: &Use, column: &str, val: Option<&Val>) -> bool {
    let Some(val) = val else {
        return false;
    };
    let mut equal = of.equal.iter().filter(|(other, _)| *other == column);
    equal.any(|(_, vals)| !vals.contains(val))
}

fn is_of_other_rows(kind: &Kind, of: &Use) -> bool {
    of.equal.iter().any(|(column, vals)| match kind {
        Kind::Insert(rows) => rows
            .iter()
            .all(|row| row.get(column).is_some_and(|val| !vals.contains(val))),
        Kind::Update { set, equal } => {
            let becomes = set.iter().find(|(other, _)| other == column);
            let stays_out = match becomes {
                None => true,
                Some((_, Some(val))) => !vals.contains(val),
                Some((_, None)) => false,
            };
            stays_out && excludes(equal, column, vals)
        }
        Kind::Delete(equal) => excludes(equal, column, vals),
        Kind::Other => false,
    })
}

fn excludes(equal: &[(&'static str, Vec<Val>)], column: &str, vals: &[Val]) -> bool {
    let mut own = equal.iter().filter(|(other, _)| *other == column);
    own.any(|(_, own)| own.iter().all(|val| !vals.contains(val)))
}
