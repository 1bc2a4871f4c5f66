//! What the catalogue knows of the columns of MySQL and MariaDB, and what it takes for granted
//! of them.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::catalogue::{Catalogue, Shape};
use diesel_cache::datum::Comparison;
use diesel_cache::{Bypass, CachedDsl, test};

use super::engine::{self, Conn};

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    x: String,
}

fn text(conn: &mut Conn, sql: &str) -> String {
    diesel::sql_query(sql).get_result::<Text>(conn).unwrap().x
}

/// Whether it is MariaDB: each has types and collations of its own.
fn is_mariadb(conn: &mut Conn) -> bool {
    text(conn, "SELECT VERSION() AS x").contains("MariaDB")
}

/// The collation that compares bytes.
fn binary(conn: &mut Conn) -> &'static str {
    match is_mariadb(conn) {
        true => "utf8mb4_nopad_bin",
        false => "utf8mb4_0900_bin",
    }
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
    let binary = binary(&mut conn);
    conn.batch_execute(&format!(
        "CREATE TABLE t (
           id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, i1 TINYINT, u1 TINYINT UNSIGNED,
           i2 SMALLINT, u2 SMALLINT UNSIGNED, i3 MEDIUMINT, u3 MEDIUMINT UNSIGNED, i4 INT,
           u4 INT(5) UNSIGNED ZEROFILL, i8 BIGINT, b BOOLEAN, `Odd` INT,
           v VARCHAR(5) COLLATE {binary}, tt TINYTEXT COLLATE {binary}, tx TEXT COLLATE {binary},
           mt MEDIUMTEXT COLLATE {binary}, lt LONGTEXT COLLATE {binary},
           padded VARCHAR(5) COLLATE utf8mb4_bin, ci VARCHAR(5) COLLATE utf8mb4_general_ci,
           latin VARCHAR(5) CHARACTER SET latin1 COLLATE latin1_bin,
           ch CHAR(5) COLLATE {binary}, vb VARBINARY(5), bl BLOB, e ENUM('a') COLLATE {binary},
           s SET('a') COLLATE {binary}, y YEAR, bits BIT(8), d DECIMAL(9), f FLOAT, dp DOUBLE,
           j JSON, at DATETIME, day DATE, tm TIME,
           changed TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
           made TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
           twice INT AS (i4 * 2) STORED, thrice INT AS (i4 * 3) VIRTUAL)"
    ))
    .unwrap();
    if is_mariadb(&mut conn) {
        conn.batch_execute("ALTER TABLE t ADD COLUMN u UUID")
            .unwrap();
    }
    let catalogue = test::catalogue(&mut conn).unwrap();
    let shape = shape(&catalogue, "t").unwrap();
    let known = [
        ("b", Comparison::signed(1)),
        ("i1", Comparison::signed(1)),
        ("i2", Comparison::signed(2)),
        ("i3", Comparison::signed(3)),
        ("i4", Comparison::signed(4)),
        ("i8", Comparison::signed(8)),
        ("id", Comparison::Integers(1, u64::MAX.into())),
        ("lt", Comparison::Texts(u32::MAX)),
        ("mt", Comparison::Texts(16_777_215)),
        ("odd", Comparison::signed(4)),
        ("thrice", Comparison::signed(4)),
        ("tt", Comparison::Texts(255)),
        ("twice", Comparison::signed(4)),
        ("tx", Comparison::Texts(65_535)),
        ("u1", Comparison::unsigned(1)),
        ("u2", Comparison::unsigned(2)),
        ("u3", Comparison::unsigned(3)),
        ("u4", Comparison::unsigned(4)),
        ("v", Comparison::Texts(5)),
    ];
    let found: Vec<(&str, Comparison)> = shape
        .columns
        .iter()
        .map(|(name, column)| (&**name, column.comparison))
        .filter(|(_, comparison)| *comparison != Comparison::Unknown)
        .collect();
    assert_eq!(found, known);
    for (name, column) in &shape.columns {
        let set = matches!(&**name, "changed" | "twice" | "thrice");
        assert_eq!(column.set_by_server, set, "{name}");
    }
}

#[test]
fn keys() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE one (id INT PRIMARY KEY, name VARCHAR(5) UNIQUE NOT NULL);
         CREATE TABLE two (a INT, b INT, c INT, PRIMARY KEY (c, a));
         CREATE TABLE refers (id INT PRIMARY KEY, one_id INT, FOREIGN KEY (one_id) REFERENCES one (id));
         CREATE TABLE `none` (id INT UNIQUE NOT NULL)",
    )
    .unwrap();
    let catalogue = test::catalogue(&mut conn).unwrap();
    assert_eq!(primary(&catalogue, "one"), ["id"]);
    assert_eq!(primary(&catalogue, "two"), ["c", "a"]);
    assert_eq!(primary(&catalogue, "refers"), ["id"]);
    assert_eq!(primary(&catalogue, "none"), [""; 0]);
}

#[test]
fn what_has_no_shape() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    let other = format!("{}_other", text(&mut conn, "SELECT DATABASE() AS x"));
    conn.batch_execute(&format!(
        "CREATE DATABASE {other};
         CREATE TABLE plain (id INT PRIMARY KEY);
         CREATE VIEW v AS SELECT id FROM plain;
         CREATE TABLE same (id INT PRIMARY KEY, a INT);
         CREATE TABLE {other}.same (a INT, id INT PRIMARY KEY);
         CREATE TABLE typed (id INT PRIMARY KEY);
         CREATE TABLE {other}.typed (id BIGINT PRIMARY KEY);
         CREATE TABLE viewed (id INT PRIMARY KEY);
         CREATE VIEW {other}.viewed AS SELECT 1 AS id"
    ))
    .unwrap();
    let mut none = vec!["v", "typed", "viewed"];
    if is_mariadb(&mut conn) {
        conn.batch_execute(
            "CREATE SEQUENCE s;
             CREATE TABLE versioned (id INT PRIMARY KEY) WITH SYSTEM VERSIONING",
        )
        .unwrap();
        none.extend(["s", "versioned"]);
    }
    let catalogue = test::catalogue(&mut conn).unwrap();
    conn.batch_execute(&format!("DROP DATABASE {other}"))
        .unwrap();
    for table in ["plain", "same"] {
        assert_eq!(primary(&catalogue, table), ["id"], "{table}");
    }
    for table in none {
        assert_eq!(shape(&catalogue, table), None, "{table}");
    }
}

/// MariaDB shows nowhere that a table has a period, but in the columns of a key that it is in.
#[test]
fn a_period_in_a_key_is_columns_of_no_known_comparison() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    if !is_mariadb(&mut conn) {
        return;
    }
    conn.batch_execute(
        "CREATE TABLE t (id INT, a DATE, b DATE, PERIOD FOR p (a, b),
                         PRIMARY KEY (id, p WITHOUT OVERLAPS))",
    )
    .unwrap();
    let catalogue = test::catalogue(&mut conn).unwrap();
    assert_eq!(primary(&catalogue, "t"), ["id", "b", "a"]);
    let columns = &shape(&catalogue, "t").unwrap().columns;
    assert_eq!(columns["a"].comparison, Comparison::Unknown);
    // The statements that cut rows in two by it are not understood.
    for sql in [
        "DELETE FROM t FOR PORTION OF p FROM '2000-01-01' TO '2001-01-01' WHERE id = 1",
        "UPDATE t FOR PORTION OF p FROM '2000-01-01' TO '2001-01-01' SET a = b WHERE id = 1",
    ] {
        let dialect = diesel_cache::dialect::Dialect::Mysql;
        let detail = diesel_cache::footprint::columns::detail(sql, dialect);
        assert!(detail.is_none(), "{sql}: {detail:?}");
    }
}

#[test]
fn a_table_that_is_not_seen_whole_has_no_shape() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    let database = text(&mut conn, "SELECT DATABASE() AS x");
    let user = format!("u{}", std::process::id());
    conn.batch_execute(&format!(
        "CREATE TABLE part (id INT, n INT, secret INT, PRIMARY KEY (id, secret));
         CREATE TABLE `all` (id INT PRIMARY KEY);
         DROP USER IF EXISTS {user}@'%'; CREATE USER {user}@'%' IDENTIFIED BY 'x';
         GRANT SELECT (id, n), INSERT ON {database}.part TO {user}@'%';
         GRANT SELECT ON {database}.`all` TO {user}@'%'"
    ))
    .unwrap();
    let url = arena.url();
    let (_, place) = url.split_once('@').unwrap();
    let mut theirs = Conn::establish(&format!("mysql://{user}:x@{place}")).unwrap();
    let catalogue = test::catalogue(&mut theirs).unwrap();
    assert_eq!(shape(&catalogue, "part"), None);
    assert_eq!(primary(&catalogue, "all"), ["id"]);
    // Before and after a right on the whole schema.
    let before = test::fingerprint(&mut theirs).unwrap();
    conn.batch_execute(&format!("GRANT SELECT ON {database}.* TO {user}@'%'"))
        .unwrap();
    let mut theirs = Conn::establish(&format!("mysql://{user}:x@{place}")).unwrap();
    assert_ne!(test::fingerprint(&mut theirs).unwrap(), before);
    let catalogue = test::catalogue(&mut theirs).unwrap();
    assert_eq!(primary(&catalogue, "part"), ["id", "secret"]);
    conn.batch_execute(&format!("DROP USER {user}@'%'"))
        .unwrap();
}

#[test]
fn triggers_tell_when_they_fire() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    for (name, timing) in [("a", "AFTER"), ("b", "BEFORE")] {
        conn.batch_execute(&format!(
            "CREATE TABLE {name} (id INT);
             CREATE TRIGGER x_{name} {timing} UPDATE ON {name} FOR EACH ROW SET @x = 1"
        ))
        .unwrap();
        let catalogue = test::catalogue(&mut conn).unwrap();
        let [trigger] = catalogue.get(name).unwrap().triggers.as_slice() else {
            panic!("{timing}");
        };
        assert_eq!(trigger.before, timing == "BEFORE", "{timing}");
    }
}

#[test]
fn a_change_of_columns_changes_the_fingerprint() {
    let arena = engine::arena();
    let (mut one, mut two) = (arena.connect(), arena.connect());
    let binary = binary(&mut one);
    one.batch_execute("CREATE TABLE t (id INT NOT NULL, a VARCHAR(5), b INT)")
        .unwrap();
    for sql in [
        "ALTER TABLE t MODIFY b BIGINT",
        "ALTER TABLE t MODIFY b BIGINT UNSIGNED",
        "ALTER TABLE t MODIFY a VARCHAR(9)",
        &format!("ALTER TABLE t MODIFY a VARCHAR(9) COLLATE {binary}"),
        "ALTER TABLE t CONVERT TO CHARACTER SET latin1",
        "ALTER TABLE t ADD PRIMARY KEY (id)",
        "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id, b)",
        "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b, id)",
        "ALTER TABLE t DROP PRIMARY KEY",
        "ALTER TABLE t ADD PRIMARY KEY (id), MODIFY id INT NOT NULL AUTO_INCREMENT",
        "ALTER TABLE t ADD COLUMN g INT AS (b * 2) STORED",
        "ALTER TABLE t ADD COLUMN at TIMESTAMP DEFAULT CURRENT_TIMESTAMP",
        "ALTER TABLE t MODIFY at TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
        "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW SET @x = 1",
        "DROP TRIGGER x",
        "CREATE TRIGGER x AFTER UPDATE ON t FOR EACH ROW SET @x = 1",
        "ALTER TABLE t DROP COLUMN g",
    ] {
        let before = test::fingerprint(&mut two).unwrap();
        assert_eq!(test::fingerprint(&mut two).unwrap(), before, "{sql}");
        one.batch_execute(sql).unwrap();
        assert_ne!(test::fingerprint(&mut two).unwrap(), before, "{sql}");
    }
    if is_mariadb(&mut one) {
        let before = test::fingerprint(&mut two).unwrap();
        one.batch_execute("ALTER TABLE t ADD SYSTEM VERSIONING")
            .unwrap();
        assert_ne!(test::fingerprint(&mut two).unwrap(), before);
    }
}

#[test]
fn equality_of_texts() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    let binary = binary(&mut conn);
    conn.batch_execute(&format!(
        "CREATE TABLE t (a VARCHAR(5) COLLATE {binary}, tx TEXT COLLATE {binary},
                         padded VARCHAR(5) COLLATE utf8mb4_bin, ch CHAR(5) COLLATE {binary});
         INSERT INTO t VALUES ('a ', 'a ', 'a ', 'a ')"
    ))
    .unwrap();
    for (condition, expected) in [
        ("a = 'a '", true),
        ("a = 'a'", false),
        ("a = 'A '", false),
        ("a = 'a\\t'", false),
        ("tx = 'a '", true),
        ("tx = 'a'", false),
        ("padded = 'a'", true),
        // It has lost its space.
        ("ch = 'a'", true),
    ] {
        let sql = format!("SELECT CAST({condition} AS CHAR) AS x FROM t");
        assert_eq!(text(&mut conn, &sql) == "1", expected, "{condition}");
    }
    // What is too long is cut, without a word if only spaces are.
    conn.batch_execute("UPDATE t SET a = 'abcde   '").unwrap();
    assert_eq!(text(&mut conn, "SELECT a AS x FROM t"), "abcde");
    conn.batch_execute("SET sql_mode = ''; UPDATE t SET a = 'abcdefgh'")
        .unwrap();
    assert_eq!(text(&mut conn, "SELECT a AS x FROM t"), "abcde");
}

#[test]
fn numbers_that_a_column_does_not_keep() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n TINYINT, u INT UNSIGNED);
         INSERT INTO t VALUES (7, 1, 1)",
    )
    .unwrap();
    // A zero is the next number.
    conn.batch_execute("INSERT INTO t VALUES (0, 2, 2)")
        .unwrap();
    let id = "SELECT CAST(id AS CHAR) AS x FROM t WHERE n = 2";
    assert_eq!(text(&mut conn, id), "8");
    conn.batch_execute("SET sql_mode = ''; INSERT INTO t VALUES (20, 200, -1)")
        .unwrap();
    let row = "SELECT CONCAT(n, ' ', u) AS x FROM t WHERE id = 20";
    assert_eq!(text(&mut conn, row), "127 0");
}

diesel::table! { notes (id) { id -> Integer } }

#[test]
fn a_session_in_swe7_reads_uncached() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute("CREATE TABLE notes (id INT PRIMARY KEY)")
        .unwrap();
    let read = |conn: &mut Conn| {
        notes::table
            .select(notes::id)
            .cached()
            .load::<i32>(conn)
            .unwrap()
    };
    let (mut attached, cache) = (arena.connect(), test::cache());
    cache.attach(&mut attached).unwrap();
    // Another encoding is another session.
    for names in ["latin1", "utf8mb4"] {
        let set = format!("SET NAMES {names}");
        attached.batch_execute(&set).unwrap();
        test::assert_miss(&cache, || read(&mut attached));
        test::assert_hit(&cache, || read(&mut attached));
    }
    let cache = test::cache();
    conn.batch_execute("SET character_set_client = swe7")
        .unwrap();
    cache.attach(&mut conn).unwrap();
    test::assert_bypass(&cache, Bypass::UnknownTransaction, || read(&mut conn));
}

/// The one encoding of a client that is not ASCII where it has seven bits.
#[test]
fn ascii_is_another_text_in_swe7() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE t (a VARCHAR(5) CHARACTER SET utf8mb4); SET NAMES swe7;
         INSERT INTO t VALUES ('[')",
    )
    .unwrap();
    assert_eq!(text(&mut conn, "SELECT HEX(a) AS x FROM t"), "C384");
    // Of all that a client may have.
    let rows = "SELECT GROUP_CONCAT(character_set_name ORDER BY 1) AS x
                  FROM information_schema.character_sets
                 WHERE character_set_name NOT IN ('swe7', 'binary') AND maxlen < 10";
    let sets = text(&mut conn, rows);
    let printable: String = (32_u8..127).map(|byte| format!("{byte:02X}")).collect();
    for set in sets.split(',') {
        // Those of several bytes for each character are no client's.
        if matches!(set, "ucs2" | "utf16" | "utf16le" | "utf32") {
            assert!(
                conn.batch_execute(&format!("SET character_set_client = {set}"))
                    .is_err()
            );
            continue;
        }
        let sql = format!("SELECT HEX(CONVERT(_{set} X'{printable}' USING utf8mb4)) AS x");
        assert_eq!(text(&mut conn, &sql), printable, "{set}");
    }
}
