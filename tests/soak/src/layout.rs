//! The tables of a run, and the numbers of their rows.

/// How many tables there are. The first four have models; see `worker/typed.rs`.
pub(crate) const TABLES: usize = 32;
/// How many of them have models.
pub(crate) const TYPED: usize = 4;
/// How many rows a table has.
pub(crate) const ROWS: usize = 12;
/// How many owners the rows of a table have. An owner has rows in each table.
pub(crate) const OWNERS: usize = 3;
/// How many rows there are.
pub(crate) const KEYS: usize = TABLES * ROWS;

/// A row of a table, by the number that the history knows it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(pub(crate) u32);

impl Key {
    pub(crate) fn new(table: usize, row: usize) -> Self {
        Self((table * ROWS + row) as u32)
    }

    pub(crate) fn table(self) -> usize {
        self.0 as usize / ROWS
    }

    pub(crate) fn row(self) -> usize {
        self.0 as usize % ROWS
    }

    /// Its `id` in the database.
    pub(crate) fn id(self) -> i64 {
        self.row() as i64
    }

    pub(crate) fn owner(self) -> usize {
        owner(self.row())
    }
}

/// Who owns a row.
pub(crate) fn owner(row: usize) -> usize {
    row % OWNERS
}

/// The rows of an owner in a table, by their ids.
pub(crate) fn owned(table: usize, owner: usize) -> impl Iterator<Item = Key> {
    (owner..ROWS)
        .step_by(OWNERS)
        .map(move |row| Key::new(table, row))
}

/// Whether somebody writes to a table besides the application, at the level that can tell.
pub(crate) fn is_outside(table: usize) -> bool {
    table % 2 == 1
}

/// A table's name.
pub(crate) fn name(table: usize) -> String {
    format!("soak_{table:02}")
}

/// The statements that make the tables.
pub(crate) fn create() -> Vec<String> {
    (0..TABLES)
        .flat_map(|table| {
            let name = name(table);
            let rows: Vec<String> = (0..ROWS)
                .map(|row| format!("({row}, {}, 0, 'note {row}')", owner(row)))
                .collect();
            [
                format!(
                    "CREATE TABLE {name} (id BIGINT NOT NULL PRIMARY KEY, \
                     owner BIGINT NOT NULL, value BIGINT NOT NULL, note VARCHAR(64) NOT NULL)"
                ),
                format!("INSERT INTO {name} VALUES {}", rows.join(", ")),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_one_number_and_one_owner() {
        let mut seen = vec![0; KEYS];
        for table in 0..TABLES {
            for who in 0..OWNERS {
                for key in owned(table, who) {
                    assert_eq!((key.table(), key.owner()), (table, who));
                    seen[key.0 as usize] += 1;
                }
            }
        }
        assert!(seen.iter().all(|n| *n == 1));
    }
}
