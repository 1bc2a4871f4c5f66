//! What a statement does, by what is known of its database.

use std::sync::Arc;

use super::Tracker;
use crate::catalogue::Writes;
use crate::connection::unresolved::{unidentified, unresolved};
use crate::explain::WriteExplanation;
use crate::footprint;
use crate::resolve::Resolved;

impl Tracker {
    /// What a statement would write, as Diesel shows it with its binds.
    pub(crate) fn explain(&self, text: &str) -> Option<WriteExplanation> {
        let dialect = self.dialect()?;
        let sql = footprint::strip_binds(text, dialect);
        let binds = footprint::shown_binds(text, dialect);
        let mut resolved = self.resolve(text);
        if self.attached && !resolved.writes.is_empty() {
            resolved = Arc::new(resolved.everywhere());
        }
        // rule: what-is-explained-has-no-binds
        // Those that are shown on several lines are not told from the text.
        let shown = sql.split(" -- binds: [").next().unwrap_or_default();
        let mut explained = resolved.explain(sql, binds, dialect);
        explained.sql = shown.to_owned();
        Some(explained)
    }

    pub(super) fn resolve(&self, text: &str) -> Arc<Resolved> {
        match &self.database {
            Some(database) => {
                let sql = footprint::strip_binds(text, database.dialect);
                // rule: an-outdated-catalogue-resolves-no-write
                match database.resolver() {
                    Some(resolver) => {
                        let binds = footprint::shown_binds(text, database.dialect);
                        resolver
                            .resolve(sql)
                            .with_binds(sql, binds, database.dialect)
                    }
                    None => {
                        let was = Vec::from_iter(database.last_resolver());
                        Arc::new(unresolved(sql, database.dialect, &was))
                    }
                }
            }
            None => {
                let databases = self.cache.core().live_databases();
                let was: Vec<_> = databases
                    .iter()
                    .filter_map(|one| one.last_resolver())
                    .collect();
                Arc::new(unidentified(text, self.hint, &was))
            }
        }
    }

    /// Reads must not go by a catalogue that is about to change, or has just changed.
    pub(super) fn note_schema_change(&self, writes: &Writes) {
        if writes.root {
            self.cache.schema_changed(None);
        } else if writes.schema {
            self.cache.schema_changed(self.space());
        } else if writes.redefines
            && let Some(database) = &self.database
        {
            // rule: what-does-not-show-what-it-runs-may-change-the-schema
            self.cache.schema_suspected(database.id.tags);
        }
    }
}
