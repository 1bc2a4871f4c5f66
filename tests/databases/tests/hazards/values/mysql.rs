//! Keys on MySQL and MariaDB.

use diesel::query_builder::{BoxedSqlQuery, SqlQuery};

use super::engine::Db;
use super::values_kit::{Big, Bound, Kind, Shown, Small, Spelled, Sql, Uuid, kinds};

type Query = BoxedSqlQuery<'static, Db, SqlQuery>;

pub(crate) fn bind_uuid(_: Query, _: Uuid) -> Query {
    unreachable!("there are none")
}

const LOOSE: &[&str] = &["", "SET sql_mode = ''"];

#[test]
fn hazard_14_numbers_in_every_spelling() {
    let number = Kind {
        name: "int",
        column: "INTEGER",
        shown: Shown::Number,
        rows: &["5", "6", "NULL", "2147483647", "0"],
        spelled: &[
            Sql("5"),
            Sql("'5'"),
            Sql("5.0"),
            Sql("5.4"),
            Sql("'5x'"),
            Sql("'x'"),
            Sql("true"),
            Sql("0x05"),
            Sql("9999999999"),
            Sql("-9999999999"),
            Sql("NULL"),
            Small(5),
            Big(9_999_999_999),
            Bound("5"),
            Spelled::Double(5.0),
        ],
        apart: &[Sql("5"), Small(6), Sql("-7")],
        sessions: LOOSE,
        ..Kind::PLAIN
    };
    let wide = Kind {
        shown: Shown::Nothing,
        apart: &[],
        ..number
    };
    let small = Kind {
        rows: &["5", "6", "127", "0"],
        ..wide
    };
    kinds(&[
        number,
        Kind {
            name: "tinyint",
            column: "TINYINT",
            apart: number.apart,
            ..small
        },
        Kind {
            name: "bool",
            column: "BOOLEAN",
            apart: number.apart,
            ..small
        },
        Kind {
            name: "unsigned",
            column: "SMALLINT UNSIGNED",
            apart: &[Sql("5"), Sql("6")],
            ..small
        },
        Kind {
            name: "decimal",
            column: "DECIMAL(9, 1)",
            ..small
        },
        Kind {
            name: "double",
            column: "DOUBLE",
            ..small
        },
        Kind {
            name: "float",
            column: "FLOAT",
            ..small
        },
        Kind {
            name: "bit",
            column: "BIT(8)",
            ..small
        },
        Kind {
            name: "year",
            column: "YEAR",
            rows: &["5", "2005", "NULL"],
            ..wide
        },
    ]);
}

const TEXTS: &[Spelled] = &[
    Sql("'a'"),
    Sql("'A'"),
    Sql("'a '"),
    Sql("'abc  '"),
    Sql("'abcd'"),
    Sql("'abc'"),
    Sql("'é'"),
    Sql("'e'"),
    Sql("\"a\""),
    Sql("0x61"),
    Sql("_latin1'a'"),
    Sql("5"),
    Sql("'5'"),
    Sql("NULL"),
    Bound("a"),
    Bound("A"),
    Small(5),
];

#[test]
fn hazard_14_texts_in_every_spelling() {
    let text = Kind {
        name: "binary collation",
        column: "VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        shown: Shown::Text,
        rows: &["'a'", "'A'", "'a '", "'é'", "'5'", "'abc'", "NULL"],
        spelled: TEXTS,
        apart: &[Sql("'a'"), Sql("'A'"), Sql("'a '"), Bound("b")],
        sessions: LOOSE,
        ..Kind::PLAIN
    };
    let wide = Kind {
        apart: &[],
        shown: Shown::Nothing,
        ..text
    };
    kinds(&[
        text,
        Kind {
            name: "default",
            column: "VARCHAR(3)",
            ..wide
        },
        Kind {
            name: "pads",
            column: "VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            ..wide
        },
        Kind {
            name: "char",
            column: "CHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
            ..wide
        },
        Kind {
            name: "binary",
            column: "BINARY(3)",
            ..wide
        },
        Kind {
            name: "varbinary",
            column: "VARBINARY(3)",
            ..wide
        },
        Kind {
            name: "enum",
            column: "ENUM('a', 'b', 'abc', '5')",
            rows: &["'a'", "'abc'", "'5'"],
            ..wide
        },
        Kind {
            name: "set",
            column: "SET('a', 'b')",
            rows: &["'a'", "'a,b'", "3"],
            ..wide
        },
    ]);
}

#[test]
fn hazard_14_texts_under_other_encodings() {
    kinds(&[Kind {
        name: "latin 1",
        column: "VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        rows: &["'a'", "'é'", "'Ã©'"],
        spelled: &[
            Sql("'a'"),
            Sql("'é'"),
            Sql("'Ã©'"),
            Sql("_utf8mb4 0xc3a9"),
            Bound("é"),
            Bound("Ã©"),
            Bound("b"),
        ],
        apart: &[Sql("'a'"), Sql("'b'"), Bound("c")],
        sessions: &["", "SET NAMES latin1"],
        ..Kind::PLAIN
    }]);
}

#[test]
fn hazard_14_numbers_that_the_server_counts() {
    let counted = Kind {
        name: "counted",
        column: "INTEGER AUTO_INCREMENT UNIQUE",
        shown: Shown::Number,
        rows: &["5", "6", "7"],
        spelled: &[
            Sql("0"),
            Sql("NULL"),
            Sql("''"),
            Sql("'0'"),
            Sql("false"),
            Sql("0.3"),
            Sql("DEFAULT"),
            Sql("8"),
            Sql("9"),
            Sql("-0"),
            Small(0),
            Small(8),
        ],
        apart: &[Sql("5"), Sql("6")],
        sessions: &[
            "",
            "SET sql_mode = ''",
            "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
        ],
        writes: &[
            "INSERT INTO notes (id, body) VALUES (9, 'x')",
            "ALTER TABLE notes AUTO_INCREMENT = 1",
        ],
        ..Kind::PLAIN
    };
    kinds(&[counted]);
}

#[test]
fn hazard_14_times_that_the_server_sets() {
    let set = Kind {
        name: "on update",
        column: "TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
        rows: &["'2024-01-01 12:00'", "'2024-01-01 14:00'", "'2024-06-01'"],
        spelled: &[
            Sql("'2024-01-01 12:00'"),
            Sql("'2024-01-01 12:00:00'"),
            Sql("20240101120000"),
            Sql("'2024-01-01 14:00'"),
            Sql("timestamp '2024-01-01 14:00:00'"),
            Sql("'2024-06-01'"),
            Sql("NULL"),
        ],
        sessions: &["", "SET time_zone = '+02:00'"],
        writes: &[
            "UPDATE notes SET body = 'new' WHERE id = 1",
            "UPDATE notes SET body = 'old' WHERE id = 2",
            "UPDATE notes SET body = 'new', k = k WHERE id = 1",
        ],
        reads: &[
            "SELECT id, body FROM notes ORDER BY k DESC, id LIMIT 1",
            "SELECT id, body FROM notes WHERE k > '2024-12-01' ORDER BY id",
        ],
        ..Kind::PLAIN
    };
    kinds(&[
        set,
        Kind {
            name: "datetime",
            column: "DATETIME",
            ..set
        },
        Kind {
            name: "datetime on update",
            column: "DATETIME NULL ON UPDATE CURRENT_TIMESTAMP",
            ..set
        },
        Kind {
            name: "date",
            column: "DATE",
            ..set
        },
    ]);
}

#[test]
fn hazard_14_a_key_that_is_made_of_another_column() {
    let made = Kind {
        name: "virtual",
        column: "INTEGER AS (src DIV 2) VIRTUAL",
        made: true,
        shown: Shown::Number,
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
            column: "INTEGER AS (src DIV 2) STORED",
            ..made
        },
    ]);
}
