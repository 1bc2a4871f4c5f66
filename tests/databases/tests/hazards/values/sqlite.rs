//! Keys on SQLite.

use diesel::query_builder::{BoxedSqlQuery, SqlQuery};

use super::engine::Db;
use super::values_kit::{Big, Bound, Kind, Shown, Small, Spelled, Sql, Uuid, kinds};

type Query = BoxedSqlQuery<'static, Db, SqlQuery>;

pub(crate) fn bind_uuid(_: Query, _: Uuid) -> Query {
    unreachable!("there are none")
}

const NUMBERS: &[Spelled] = &[
    Sql("5"),
    Sql("'5'"),
    Sql("5.0"),
    Sql("' 5 '"),
    Sql("5.5"),
    Sql("'x'"),
    Sql("+5"),
    Sql("0x5"),
    Sql("9223372036854775807"),
    Sql("9223372036854775808"),
    Sql("true"),
    Sql("x'35'"),
    Sql("NULL"),
    Small(5),
    Big(6),
    Bound("5"),
    Spelled::Double(5.0),
];

const TEXTS: &[Spelled] = &[
    Sql("'a'"),
    Sql("'A'"),
    Sql("'a '"),
    Sql("'é'"),
    Sql("'É'"),
    Sql("5"),
    Sql("'5'"),
    Sql("5.0"),
    Sql("x'61'"),
    Sql("NULL"),
    Bound("a"),
    Bound("A"),
    Small(5),
];

#[test]
fn hazard_14_numbers_in_every_spelling() {
    let number = Kind {
        name: "number",
        column: "INTEGER",
        shown: Shown::Text,
        rows: &["5", "5.0", "6", "NULL", "5.5", "'x'"],
        spelled: NUMBERS,
        apart: &[Sql("5"), Sql("6"), Sql("-7")],
        ..Kind::PLAIN
    };
    kinds(&[
        number,
        Kind {
            name: "numeric",
            column: "NUMERIC",
            ..number
        },
        Kind {
            name: "real",
            column: "REAL",
            apart: &[],
            ..number
        },
        Kind {
            name: "none",
            column: "",
            apart: &[],
            ..number
        },
        Kind {
            name: "blob",
            column: "BLOB",
            apart: &[],
            ..number
        },
        Kind {
            name: "bool",
            column: "BOOLEAN",
            apart: &[Sql("5"), Sql("6")],
            ..number
        },
    ]);
}

#[test]
fn hazard_14_texts_in_every_spelling() {
    let text = Kind {
        name: "text",
        column: "TEXT",
        shown: Shown::Text,
        rows: &["'a'", "'A'", "'a '", "'é'", "5", "NULL", "x'61'"],
        spelled: TEXTS,
        apart: &[Sql("'a'"), Sql("'A'"), Sql("'a '")],
        ..Kind::PLAIN
    };
    kinds(&[
        text,
        Kind {
            name: "char",
            column: "CHAR(1)",
            ..text
        },
        Kind {
            name: "nocase",
            column: "TEXT COLLATE NOCASE",
            apart: &[],
            ..text
        },
        Kind {
            name: "rtrim",
            column: "TEXT COLLATE RTRIM",
            apart: &[],
            ..text
        },
    ]);
}

#[test]
fn hazard_14_a_key_that_is_made_of_another_column() {
    let made = Kind {
        name: "virtual",
        column: "INTEGER AS (src / 2)",
        made: true,
        shown: Shown::Text,
        rows: &["4", "5", "12"],
        spelled: &[
            Sql("2"),
            Sql("3"),
            Sql("6"),
            Sql("5"),
            Sql("'4'"),
            Small(2),
            Sql("NULL"),
        ],
        apart: &[Sql("2"), Sql("6")],
        writes: &[
            "UPDATE notes SET src = src + 2",
            "UPDATE notes SET src = 12 WHERE id = 1",
            "INSERT INTO notes (id, body) VALUES (9, 'x')",
        ],
        ..Kind::PLAIN
    };
    kinds(&[
        made,
        Kind {
            name: "stored",
            column: "INTEGER AS (src / 2) STORED",
            ..made
        },
    ]);
}
