//! What the catalogue knows of PostgreSQL's columns, and what it takes for granted of them.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::catalogue::{Catalogue, Shape};
use diesel_cache::datum::Comparison;
use diesel_cache::test;

use super::engine::{self, Conn};

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    x: String,
}

fn text(conn: &mut Conn, sql: &str) -> String {
    diesel::sql_query(sql).get_result::<Text>(conn).unwrap().x
}

fn is_true(conn: &mut Conn, condition: &str) -> bool {
    text(conn, &format!("SELECT ({condition})::text AS x")) == "true"
}

fn shape<'c>(catalogue: &'c Catalogue, table: &str) -> Option<&'c Shape> {
    catalogue.get(table).unwrap().shape()
}

fn primary(catalogue: &Catalogue, table: &str) -> Vec<String> {
    let primary = &shape(catalogue, table).unwrap().primary;
    primary.iter().map(ToString::to_string).collect()
}

#[test]
fn how_columns_are_compared() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE EXTENSION IF NOT EXISTS citext;
         CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE COLLATION german (provider = icu, locale = 'de');
         CREATE DOMAIN age AS integer;
         CREATE TYPE mood AS ENUM ('good', 'bad');
         CREATE TABLE t (
           i2 smallint, i4 serial, i8 bigint, id uuid, body text, c text COLLATE \"C\",
           g text COLLATE german, v varchar, v3 varchar(3), \"Odd\" integer,
           n text COLLATE nocase, nv varchar(9) COLLATE nocase, ci citext, ch char(3), one \"char\",
           name name, num numeric(9, 0), f real, d double precision, b boolean, at timestamptz,
           day date, list integer[], j jsonb, o oid, age age, mood mood, bytes bytea, m money,
           twice integer GENERATED ALWAYS AS (i2 * 2) STORED,
           counted integer GENERATED ALWAYS AS IDENTITY, gone integer);
         ALTER TABLE t DROP COLUMN gone",
    )
    .unwrap();
    let catalogue = test::catalogue(&mut conn).unwrap();
    let shape = shape(&catalogue, "t").unwrap();
    assert!(shape.primary.is_empty());
    let known = [
        ("b", Comparison::Bools),
        ("body", Comparison::Texts(u32::MAX)),
        ("c", Comparison::Texts(u32::MAX)),
        ("counted", Comparison::signed(4)),
        ("g", Comparison::Texts(u32::MAX)),
        ("i2", Comparison::signed(2)),
        ("i4", Comparison::signed(4)),
        ("i8", Comparison::signed(8)),
        ("id", Comparison::Uuids),
        ("odd", Comparison::signed(4)),
        ("twice", Comparison::signed(4)),
        ("v", Comparison::Texts(u32::MAX)),
        ("v3", Comparison::Texts(3)),
    ];
    let found: Vec<(&str, Comparison)> = shape
        .columns
        .iter()
        .map(|(name, column)| (&**name, column.comparison))
        .filter(|(_, comparison)| *comparison != Comparison::Unknown)
        .collect();
    assert_eq!(found, known);
    assert_eq!(shape.columns.len(), 31);
    for (name, column) in &shape.columns {
        assert_eq!(column.set_by_server, &**name == "twice", "{name}");
    }
}

#[test]
fn keys() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE one (id integer PRIMARY KEY, name text UNIQUE NOT NULL);
         CREATE TABLE two (a integer, b text, c integer, PRIMARY KEY (c, a) INCLUDE (b));
         CREATE TABLE late (id integer, n integer, PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TABLE none (id integer UNIQUE NOT NULL);
         CREATE TABLE moved (id integer NOT NULL);
         CREATE UNIQUE INDEX i ON moved (id);
         ALTER TABLE moved ADD PRIMARY KEY USING INDEX i",
    )
    .unwrap();
    let catalogue = test::catalogue(&mut conn).unwrap();
    assert_eq!(primary(&catalogue, "one"), ["id"]);
    assert_eq!(primary(&catalogue, "two"), ["c", "a"]);
    assert_eq!(primary(&catalogue, "late"), ["id"]);
    assert_eq!(primary(&catalogue, "moved"), ["id"]);
    assert_eq!(primary(&catalogue, "none"), [""; 0]);
}

#[test]
fn what_has_no_shape() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    let long = "x".repeat(70);
    conn.batch_execute(&format!(
        "CREATE TABLE plain (id integer PRIMARY KEY);
         CREATE VIEW v AS SELECT id FROM plain;
         CREATE MATERIALIZED VIEW m AS SELECT id FROM plain;
         CREATE TABLE parent (id integer PRIMARY KEY);
         CREATE TABLE child () INHERITS (parent);
         CREATE TABLE parts (id integer PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (0) TO (9);
         CREATE TABLE lonely (id integer PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE secured (id integer PRIMARY KEY);
         ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
         CREATE TABLE twice (id integer PRIMARY KEY, \"ID\" integer);
         CREATE TABLE cut (id integer PRIMARY KEY, {long} integer);
         CREATE SCHEMA elsewhere;
         CREATE TABLE same (id integer PRIMARY KEY, a text);
         CREATE TABLE elsewhere.same (a text, gone integer, id integer PRIMARY KEY);
         ALTER TABLE elsewhere.same DROP COLUMN gone;
         CREATE TABLE typed (id integer PRIMARY KEY);
         CREATE TABLE elsewhere.typed (id bigint PRIMARY KEY);
         CREATE TABLE keyed (id integer PRIMARY KEY, n integer);
         CREATE TABLE elsewhere.keyed (id integer, n integer PRIMARY KEY);
         CREATE TABLE viewed (id integer PRIMARY KEY);
         CREATE VIEW elsewhere.viewed AS SELECT id FROM plain;
         CREATE TABLE built (id integer PRIMARY KEY);
         CREATE MATERIALIZED VIEW elsewhere.built AS SELECT id FROM plain;
         CREATE TEMP TABLE plain (id text)"
    ))
    .unwrap();
    let catalogue = test::catalogue(&mut conn).unwrap();
    for table in ["plain", "same"] {
        assert!(shape(&catalogue, table).is_some(), "{table}");
        assert_eq!(primary(&catalogue, table), ["id"], "{table}");
    }
    for table in [
        "v", "m", "parent", "child", "parts", "part_1", "lonely", "secured", "twice", "cut",
        "typed", "keyed", "viewed", "built",
    ] {
        assert_eq!(shape(&catalogue, table), None, "{table}");
    }
}

#[test]
fn triggers_tell_whether_they_change_the_row() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    )
    .unwrap();
    for (name, sql, before) in [
        (
            "a",
            "TRIGGER x AFTER UPDATE ON a FOR EACH ROW EXECUTE FUNCTION f()",
            false,
        ),
        (
            "b",
            "TRIGGER x BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION f()",
            true,
        ),
        (
            "c",
            "TRIGGER x BEFORE UPDATE ON c FOR EACH ROW EXECUTE FUNCTION
               tsvector_update_trigger(words, 'pg_catalog.english', body)",
            true,
        ),
        ("d", "RULE x AS ON INSERT TO d DO INSTEAD NOTHING", true),
        (
            "e",
            "CONSTRAINT TRIGGER x AFTER DELETE ON e FOR EACH ROW EXECUTE FUNCTION f()",
            false,
        ),
    ] {
        conn.batch_execute(&format!(
            "CREATE TABLE {name} (id integer, body text, words tsvector); CREATE {sql}"
        ))
        .unwrap();
        let catalogue = test::catalogue(&mut conn).unwrap();
        let triggers = &catalogue.get(name).unwrap().triggers;
        assert!(!triggers.is_empty(), "{sql}");
        assert!(
            triggers.iter().all(|trigger| trigger.before == before),
            "{sql}"
        );
    }
}

#[test]
fn the_function_of_diesel_sets_one_column() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE FUNCTION diesel_set_updated_at() RETURNS trigger AS $$
         BEGIN
             IF (
                 NEW IS DISTINCT FROM OLD AND
                 NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at
             ) THEN
                 NEW.updated_at := current_timestamp;
             END IF;
             RETURN NEW;
         END;
         $$ LANGUAGE plpgsql",
    )
    .unwrap();
    for (table, columns, event, known) in [
        ("a", "id integer, updated_at timestamp", "UPDATE", true),
        (
            "b",
            "id integer, updated_at timestamp",
            "INSERT OR UPDATE",
            false,
        ),
        ("c", "id integer", "UPDATE", false),
    ] {
        conn.batch_execute(&format!(
            "CREATE TABLE {table} ({columns});
             CREATE TRIGGER set_updated_at BEFORE {event} ON {table}
             FOR EACH ROW EXECUTE PROCEDURE diesel_set_updated_at()"
        ))
        .unwrap();
        let catalogue = test::catalogue(&mut conn).unwrap();
        let [trigger] = catalogue.get(table).unwrap().triggers.as_slice() else {
            panic!("{table}");
        };
        assert_eq!(trigger.before, !known, "{table}");
        for (name, column) in &shape(&catalogue, table).unwrap().columns {
            let set = known && &**name == "updated_at";
            assert_eq!(column.set_by_server, set, "{table}.{name}");
        }
    }
}

#[test]
fn a_change_of_columns_changes_the_fingerprint() {
    let arena = engine::arena();
    let (mut one, mut two) = (arena.connect(), arena.connect());
    one.batch_execute(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TABLE t (id integer NOT NULL, a text, b integer)",
    )
    .unwrap();
    for sql in [
        "ALTER TABLE t ALTER COLUMN b TYPE bigint",
        "ALTER TABLE t ALTER COLUMN a TYPE varchar(9)",
        "ALTER TABLE t ALTER COLUMN a TYPE varchar(11)",
        "ALTER TABLE t ALTER COLUMN a TYPE varchar(11) COLLATE \"C\"",
        "ALTER TABLE t ADD PRIMARY KEY (id)",
        "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, b)",
        "ALTER TABLE t DROP CONSTRAINT t_pkey",
        "ALTER TABLE t ADD COLUMN g integer GENERATED ALWAYS AS (id * 2) STORED",
        "ALTER TABLE t ALTER COLUMN g DROP EXPRESSION",
        "ALTER TABLE t RENAME COLUMN b TO c",
        "ALTER TABLE t DROP COLUMN c",
        "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "DROP TRIGGER x ON t",
        "CREATE TRIGGER x AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE RULE x AS ON INSERT TO t DO INSTEAD NOTHING",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE TABLE u () INHERITS (t)",
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.t (id bigint)",
    ] {
        let before = test::fingerprint(&mut two).unwrap();
        assert_eq!(test::fingerprint(&mut two).unwrap(), before, "{sql}");
        one.batch_execute(sql).unwrap();
        assert_ne!(test::fingerprint(&mut two).unwrap(), before, "{sql}");
    }
}

#[test]
fn equality_of_texts() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE EXTENSION IF NOT EXISTS citext;
         CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE COLLATION lax (provider = icu, locale = 'und-u-ks-level2');
         CREATE TABLE t (a text, l text COLLATE lax, n text COLLATE nocase, ci citext,
                         ch char(5), v varchar(3));
         INSERT INTO t VALUES ('a ', 'a', 'a', 'a', 'a ', 'abc  ')",
    )
    .unwrap();
    for (condition, expected) in [
        ("a = 'a'", false),
        ("a = 'a '", true),
        // A deterministic collation compares bytes, whatever its order ignores.
        ("l = 'A'", false),
        ("n = 'A'", true),
        ("ci = 'A'", true),
        ("ch = 'a'", true),
        // The spaces were cut without a word.
        ("v = 'abc'", true),
        ("v = 'abc  '", false),
        ("v = 'abcd'", false),
    ] {
        let condition = format!("SELECT {condition} FROM t");
        assert_eq!(is_true(&mut conn, &condition), expected, "{condition}");
    }
    let error = conn.batch_execute("INSERT INTO t (v) VALUES ('abcd')");
    assert!(error.unwrap_err().to_string().contains("too long"));
    // A prepared one, too.
    diesel::sql_query("UPDATE t SET v = $1")
        .bind::<diesel::sql_types::Text, _>("abc   ")
        .execute(&mut conn)
        .unwrap();
    assert_eq!(text(&mut conn, "SELECT v AS x FROM t"), "abc");
}

#[test]
fn uuids_have_many_spellings() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    let plain = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    for spelling in [
        plain.to_uppercase(),
        format!("{{{plain}}}"),
        plain.replace('-', ""),
    ] {
        assert!(
            is_true(&mut conn, &format!("'{spelling}'::uuid = '{plain}'")),
            "{spelling}"
        );
        // What is not plain is not known, or the same.
        let bytes =
            Comparison::Uuids.bytes(&diesel_cache::datum::Datum::Text(spelling.as_str().into()));
        let plain = Comparison::Uuids.bytes(&diesel_cache::datum::Datum::Text(plain.into()));
        assert!(bytes.is_none() || bytes == plain, "{spelling}");
    }
}

#[test]
fn a_name_that_is_too_long_is_cut() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    // The sixty-third byte is the second of two: the whole character goes.
    let name = format!("{}éé", "x".repeat(60));
    conn.batch_execute(&format!("CREATE TABLE t ({name}_1 integer)"))
        .unwrap();
    let sql =
        "SELECT attname::text AS x FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum = 1";
    assert_eq!(text(&mut conn, sql), format!("{}é", "x".repeat(60)));
    conn.batch_execute(&format!("UPDATE t SET {name}_2 = 1"))
        .unwrap();
}
