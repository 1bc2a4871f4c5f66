//! MySQL's and MariaDB's columns.

use std::collections::HashMap;

use super::super::{Texts, cell};
use super::Told;
use crate::catalogue::{ColumnInfo, Shape};
use crate::datum::Comparison;

/// What to ask of `information_schema.columns`.
pub(in super::super) const COLUMNS: &str = "table_schema, table_name, column_name, data_type, \
    column_type, IFNULL(character_maximum_length, ''), IFNULL(collation_name, ''), extra, \
    IFNULL(generation_expression, '')";

/// The collations that compare texts byte by byte, trailing spaces included.
// rule: a-collation-that-pads-does-not-compare-bytes
const BINARY: [&str; 2] = ["utf8mb4_0900_bin", "utf8mb4_nopad_bin"];

/// The tables of a server, as they are told.
#[derive(Debug, Default)]
pub(in super::super) struct Tables(HashMap<(String, String), Told>);

impl Tables {
    /// Adds a row of [`COLUMNS`]. Returns whether an update may change the column without
    /// its standing in `SET`.
    pub(in super::super) fn column(&mut self, row: &Texts) -> bool {
        let extra = cell(row, 7).to_lowercase();
        // `DEFAULT_GENERATED` is only of inserts.
        let set_by_server = extra.split_whitespace().any(|word| word == "generated")
            || extra.contains("on update")
            || !cell(row, 8).is_empty();
        let column = ColumnInfo {
            comparison: comparison(row, extra.contains("auto_increment")),
            set_by_server,
        };
        let told = self.table(cell(row, 0), cell(row, 1));
        told.columns.push((cell(row, 2).to_owned(), column));
        set_by_server || extra.contains("generated")
    }

    /// Adds a column of a primary key.
    pub(in super::super) fn key(&mut self, schema: &str, table: &str, place: &str, name: &str) {
        self.table(schema, table).key(place, name);
    }

    fn table(&mut self, schema: &str, table: &str) -> &mut Told {
        let name = (schema.to_owned(), table.to_owned());
        self.0.entry(name).or_default()
    }

    /// The shape of a table.
    pub(in super::super) fn shape(&mut self, schema: &str, table: &str) -> Option<Shape> {
        let name = (schema.to_owned(), table.to_owned());
        self.0.remove(&name)?.shape()
    }
}

/// How values of the column are compared.
fn comparison(row: &Texts, counts_up: bool) -> Comparison {
    let is_binary = BINARY.contains(&cell(row, 6));
    let bytes = match cell(row, 3) {
        "tinyint" => 1,
        "smallint" => 2,
        "mediumint" => 3,
        "int" => 4,
        "bigint" => 8,
        // `CHAR` loses its trailing spaces.
        "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" if is_binary => {
            let most = cell(row, 5).parse();
            return most.map_or(Comparison::Unknown, Comparison::Texts);
        }
        _ => return Comparison::Unknown,
    };
    let numbers = match cell(row, 4).to_lowercase().contains("unsigned") {
        true => Comparison::unsigned(bytes),
        false => Comparison::signed(bytes),
    };
    match numbers {
        // rule: a-zero-may-become-the-next-number
        Comparison::Integers(_, last) if counts_up => Comparison::Integers(1, last),
        numbers => numbers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(row: [&str; 9]) -> Texts {
        row.map(|cell| Some(cell.to_owned())).to_vec()
    }

    #[test]
    fn collations_of_both_servers() {
        let text = |collation| {
            let row = of([
                "s",
                "t",
                "c",
                "varchar",
                "varchar(5)",
                "5",
                collation,
                "",
                "",
            ]);
            comparison(&row, false)
        };
        assert_eq!(text("utf8mb4_0900_bin"), Comparison::Texts(5));
        assert_eq!(text("utf8mb4_nopad_bin"), Comparison::Texts(5));
        for other in [
            "",
            "binary",
            "utf8mb4_bin",
            "utf8mb4_0900_ai_ci",
            "utf8mb4_0900_as_cs",
            "utf8mb4_uca1400_nopad_as_cs",
            "swe7_nopad_bin",
            "latin1_bin",
        ] {
            assert_eq!(text(other), Comparison::Unknown, "{other}");
        }
    }

    #[test]
    fn what_mysql_8_says_of_a_column() {
        let mut tables = Tables::default();
        let extras = [
            ("id", "auto_increment", "", false),
            ("made", "DEFAULT_GENERATED", "", true),
            (
                "changed",
                "DEFAULT_GENERATED on update CURRENT_TIMESTAMP",
                "",
                true,
            ),
            ("sum", "VIRTUAL GENERATED", "(`a` + `b`)", true),
            ("kept", "STORED GENERATED", "(`a` + `b`)", true),
            ("plain", "INVISIBLE", "", false),
        ];
        for (name, extra, expression, changes) in extras {
            let row = of(["s", "t", name, "int", "int", "", "", extra, expression]);
            assert_eq!(tables.column(&row), changes, "{name}");
        }
        let shape = tables.shape("s", "t").unwrap();
        let set: Vec<&str> = shape
            .columns
            .iter()
            .filter(|(_, column)| column.set_by_server)
            .map(|(name, _)| &**name)
            .collect();
        assert_eq!(set, ["changed", "kept", "sum"]);
        assert_eq!(tables.shape("s", "t"), None);
    }
}
