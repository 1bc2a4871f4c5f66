//! Keys on PostgreSQL.

use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::serialize::{IsNull, Output, ToSql};

use super::engine::Db;
use super::values_kit::{Big, Bound, Kind, Shown, Small, Spelled, Sql, Uuid, kinds};

type Query = BoxedSqlQuery<'static, Db, SqlQuery>;

impl ToSql<diesel::sql_types::Uuid, Pg> for Uuid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> diesel::serialize::Result {
        std::io::Write::write_all(out, &self.0.to_be_bytes())?;
        Ok(IsNull::No)
    }
}

pub(crate) fn bind_uuid(query: Query, uuid: Uuid) -> Query {
    query.bind::<diesel::sql_types::Uuid, _>(uuid)
}

const NUMBER: Kind = Kind {
    name: "integer",
    column: "INTEGER",
    shown: Shown::Number,
    rows: &["5", "6", "NULL", "2147483647"],
    spelled: &[
        Sql("5"),
        Sql("'5'"),
        Sql("5.0"),
        Sql("5.4"),
        Sql("' 5 '"),
        Sql("+5"),
        Sql("0x5"),
        Sql("5::bigint"),
        Sql("2147483648"),
        Sql("NULL"),
        Small(5),
        Big(6),
        Spelled::Double(5.0),
    ],
    apart: &[Sql("5"), Small(6), Sql("-7")],
    ..Kind::PLAIN
};

#[test]
fn hazard_14_whole_numbers_in_every_spelling() {
    let wide = Kind {
        shown: Shown::Nothing,
        ..NUMBER
    };
    let rows = &["5", "6", "NULL", "32767"];
    kinds(&[
        NUMBER,
        Kind {
            name: "bigint",
            column: "BIGINT",
            ..wide
        },
        Kind {
            name: "smallint",
            column: "SMALLINT",
            rows,
            ..wide
        },
    ]);
}

#[test]
fn hazard_14_other_numbers_in_every_spelling() {
    let wide = Kind {
        shown: Shown::Nothing,
        apart: &[],
        ..NUMBER
    };
    let rows = &["5", "5.04", "6", "NULL"];
    kinds(&[
        Kind {
            name: "numeric",
            column: "NUMERIC",
            ..wide
        },
        Kind {
            name: "numeric(9, 1)",
            column: "NUMERIC(9, 1)",
            rows,
            ..wide
        },
        Kind {
            name: "double",
            column: "DOUBLE PRECISION",
            ..wide
        },
        Kind {
            name: "real",
            column: "REAL",
            ..wide
        },
        Kind {
            name: "domain",
            before: "CREATE DOMAIN five AS INTEGER",
            column: "five",
            ..wide
        },
    ]);
}

const TEXTS: &[Spelled] = &[
    Sql("'a'"),
    Sql("'A'"),
    Sql("'a '"),
    Sql("'abc  '"),
    Sql("'abc'"),
    Sql("'é'"),
    Sql("'É'"),
    Sql("E'\\u00e9'"),
    Sql("U&'\\0061'"),
    Sql("$$a$$"),
    Sql("'a'::bpchar"),
    Sql("5"),
    Sql("NULL"),
    Bound("a"),
    Bound("A"),
    Bound("é"),
    Small(5),
];

#[test]
fn hazard_14_texts_in_every_spelling() {
    let text = Kind {
        name: "text",
        column: "TEXT",
        shown: Shown::Text,
        rows: &["'a'", "'A'", "'a '", "'é'", "'5'", "'abc'", "NULL"],
        spelled: TEXTS,
        apart: &[Sql("'a'"), Sql("'A'"), Sql("'a '"), Bound("b")],
        ..Kind::PLAIN
    };
    let wide = Kind { apart: &[], ..text };
    let ignores = "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', \
                   deterministic = false)";
    kinds(&[
        text,
        Kind {
            name: "varchar",
            column: "VARCHAR",
            ..text
        },
        Kind {
            name: "varchar(3)",
            column: "VARCHAR(3)",
            ..text
        },
        Kind {
            name: "char",
            column: "CHAR(3)",
            ..wide
        },
        Kind {
            name: "nondeterministic",
            before: ignores,
            column: "TEXT COLLATE ci",
            ..wide
        },
    ]);
}

#[test]
fn hazard_14_case_insensitive_texts_of_an_extension() {
    kinds(&[Kind {
        name: "citext",
        before: "CREATE EXTENSION citext",
        column: "CITEXT",
        rows: &["'a'", "'A'", "'a '", "'é'", "NULL"],
        spelled: TEXTS,
        ..Kind::PLAIN
    }]);
}

#[test]
fn hazard_14_texts_under_other_encodings() {
    kinds(&[Kind {
        name: "latin 1",
        column: "TEXT",
        rows: &["'a'", "'é'", "'Ã©'"],
        spelled: &[
            Sql("'a'"),
            Sql("'é'"),
            Sql("'Ã©'"),
            Sql("E'\\u00e9'"),
            Bound("é"),
            Bound("Ã©"),
            Bound("b"),
        ],
        apart: &[Sql("'a'"), Sql("'b'"), Bound("c")],
        sessions: &["", "SET client_encoding = 'LATIN1'"],
        ..Kind::PLAIN
    }]);
}

#[test]
fn hazard_14_times_under_other_zones() {
    let times = Kind {
        name: "timestamptz",
        column: "TIMESTAMPTZ",
        rows: &[
            "'2024-01-01 12:00+00'",
            "'2024-01-01 14:00+02'",
            "'2024-06-01 00:00+00'",
            "NULL",
        ],
        spelled: &[
            Sql("'2024-01-01 12:00'"),
            Sql("'2024-01-01 12:00+00'"),
            Sql("'2024-01-01 14:00+02'"),
            Sql("'2024-01-01 14:00'"),
            Sql("timestamp '2024-01-01 12:00'"),
            Sql("'2024-06-01'"),
        ],
        sessions: &[
            "",
            "SET TimeZone = 'Europe/Helsinki'",
            "SET TimeZone = 'America/New_York'",
        ],
        ..Kind::PLAIN
    };
    kinds(&[
        times,
        Kind {
            name: "timestamp",
            column: "TIMESTAMP",
            ..times
        },
    ]);
}

#[test]
fn hazard_14_truth_values_in_every_spelling() {
    kinds(&[Kind {
        name: "boolean",
        column: "BOOLEAN",
        shown: Shown::Bool,
        rows: &["true", "false", "NULL"],
        spelled: &[
            Sql("true"),
            Sql("false"),
            Sql("'t'"),
            Sql("'yes'"),
            Sql("'0'"),
            Sql("NULL"),
            Spelled::Bool(true),
            Spelled::Bool(false),
        ],
        apart: &[Sql("true"), Spelled::Bool(false)],
        reads: &[
            "SELECT id, body FROM notes WHERE k ORDER BY id",
            "SELECT id, body FROM notes WHERE NOT k ORDER BY id",
            "SELECT id, body FROM notes WHERE k IS TRUE ORDER BY id",
        ],
        writes: &[
            "UPDATE notes SET k = NOT k",
            "UPDATE notes SET body = 'new' WHERE k",
        ],
        ..Kind::PLAIN
    }]);
}

#[test]
fn hazard_14_uuids_in_every_spelling() {
    const ONE: u128 = 0xa0ee_bc99_9c0b_4ef8_bb6d_6bb9_bd38_0a11;
    kinds(&[Kind {
        name: "uuid",
        column: "UUID",
        rows: &[
            "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
            "'00000000-0000-0000-0000-000000000001'",
            "NULL",
        ],
        spelled: &[
            Sql("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
            Sql("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"),
            Sql("'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'"),
            Sql("'a0eebc999c0b4ef8bb6d6bb9bd380a11'"),
            Sql("'a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11'"),
            Sql("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid"),
            Sql("'00000000-0000-0000-0000-000000000001'"),
            Sql("NULL"),
            Spelled::Uuid(Uuid(ONE)),
            Spelled::Uuid(Uuid(1)),
        ],
        apart: &[
            Sql("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
            Sql("'00000000-0000-0000-0000-000000000001'"),
            Spelled::Uuid(Uuid(2)),
        ],
        ..Kind::PLAIN
    }]);
}

#[test]
fn hazard_14_names_of_an_enum() {
    kinds(&[Kind {
        name: "enum",
        before: "CREATE TYPE mood AS ENUM ('sad', 'ok', 'Ok')",
        column: "mood",
        rows: &["'sad'", "'ok'", "NULL"],
        spelled: &[
            Sql("'sad'"),
            Sql("'ok'"),
            Sql("'Ok'"),
            Sql("'ok'::mood"),
            Sql("NULL"),
            Bound("ok"),
        ],
        reads: &["SELECT id, body FROM notes WHERE k > 'sad' ORDER BY id"],
        ..Kind::PLAIN
    }]);
}

#[test]
fn hazard_14_a_key_that_is_made_of_another_column() {
    kinds(&[Kind {
        name: "stored",
        column: "INTEGER GENERATED ALWAYS AS (src / 2) STORED",
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
    }]);
}
