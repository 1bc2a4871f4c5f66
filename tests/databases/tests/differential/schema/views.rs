//! Views.

use super::{Offer, Postgres, RoutineKind, Schema, Sqlite, View};
use crate::chance::Chance;

impl Schema {
    pub(super) fn make_view(&mut self, chance: &mut Chance, offer: &mut Offer<'_>) {
        let again = self.engine != Sqlite && !self.views.is_empty() && chance.percent(30);
        // What is compared when it is read must never write: no such view becomes one.
        let old = again
            .then(|| self.views[chance.below(self.views.len())].clone())
            .filter(|view| !view.materialised && !view.writes);
        let (name, island) = match &old {
            Some(view) => (view.name.clone(), view.island),
            _ => {
                let bare = self.fresh_name(["Seen ", "seen"][chance.below(2)]);
                (self.engine.quote(&bare), self.any_island(chance))
            }
        };
        let number = chance.between(0, 20);
        let x = self.near(chance, island).1.name.clone();
        let y = self.near(chance, island).1.name.clone();
        let call = |kind: RoutineKind| {
            self.routines
                .iter()
                .find(|routine| routine.kind == kind && routine.island == island)
                .map(|routine| routine.name.clone())
        };
        let inner = self
            .views
            .iter()
            .find(|view| {
                view.island == island && view.name != name && !(view.writes && old.is_some())
            })
            .cloned();
        let mut writes = false;
        let mut updatable = false;
        let definition = match chance.below(10) {
            0..=2 => {
                updatable = true;
                format!("SELECT id, v AS a, w AS b FROM {x} WHERE v >= {number}")
            }
            3 => format!("SELECT x.id, x.v AS a, y.v AS b FROM {x} x JOIN {y} y ON x.r = y.id"),
            4 => {
                format!("SELECT id % 3 AS id, count(*) AS a, max(v) AS b FROM {x} GROUP BY id % 3")
            }
            5 => format!("SELECT id, v AS a, 0 AS b FROM {x} UNION ALL SELECT id, w, 1 FROM {y}"),
            6 => format!(
                "SELECT id, v AS a, (SELECT count(*) FROM {y} y WHERE y.q = x.id) AS b FROM {x} x"
            ),
            7 | 8 if let Some(inner) = &inner => {
                writes = inner.writes;
                format!("SELECT id, a, b + 1 AS b FROM {} WHERE id < 7", inner.name)
            }
            9 if let Some(reader) = call(RoutineKind::Reader) => {
                format!("SELECT id, v AS a, {reader}(id) AS b FROM {x}")
            }
            _ => match call(RoutineKind::Writer) {
                Some(writer) if old.is_none() => {
                    writes = true;
                    format!("SELECT id, v AS a, {writer}(id) AS b FROM {x}")
                }
                _ => format!("SELECT id, g AS a, k AS b FROM {x}"),
            },
        };
        let materialised = self.engine == Postgres && old.is_none() && chance.percent(20);
        let sql = if materialised {
            format!("CREATE MATERIALIZED VIEW {name} AS {definition}")
        } else if old.is_some() {
            format!("CREATE OR REPLACE VIEW {name} AS {definition}")
        } else {
            format!("CREATE VIEW {name} AS {definition}")
        };
        if !offer(&sql) {
            return;
        }
        self.views.push(View {
            name,
            island,
            // Where the rows are kept, only a refresh calls what writes.
            writes: writes && !materialised,
            materialised,
            updatable: updatable && !materialised,
        });
    }
}
