//! From the texts of a read and a write to whether the write matters to the read.

use super::*;
use crate::catalogue::{Catalogue, ColumnInfo, Shape, Trigger};
use crate::database::TagSpace;
use crate::datum::{Comparison, Datum};
use crate::precision::Seen;
use crate::resolve::{Keys, Settings, TableSettings, write_tags};

const NUMBER: Comparison = Comparison::Integers(i32::MIN as i128, i32::MAX as i128);
const TEXT: Comparison = Comparison::Texts(9);

/// What a result shows: nothing that is looked at, or the values of each row.
type Rows<'r> = Option<&'r [&'r [Cell]]>;

/// A value of a row.
#[derive(Debug, Clone, Copy)]
enum Cell {
    Int(i32),
    Null,
}

use Cell::{Int, Null};

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|&name| name.into()).collect()
}

/// The tables `t` (by `id`, `a`, and `b` with `c`; the server sets `g`), `o` (by `id` and `x`),
/// `busy`, whose trigger writes it again, and `big`, with many columns.
fn resolver(dialect: Dialect) -> Resolver {
    let space = TagSpace::of(b"test");
    let mut catalogue = Catalogue::default();
    let mut add = |name: &str, columns: &[(&str, Comparison)]| {
        let columns = columns.iter().map(|(name, comparison)| {
            let info = ColumnInfo {
                comparison: *comparison,
                set_by_server: *name == "g",
            };
            (*name, info)
        });
        let shape = Shape::new(columns, ["id"]);
        catalogue.relation(name).shape.tell(shape);
    };
    let numbers = |names: &[&'static str]| -> Vec<(&'static str, Comparison)> {
        names.iter().map(|&name| (name, NUMBER)).collect()
    };
    let mut t = numbers(&["id", "a", "b", "c", "d", "e", "f", "g"]);
    t.push(("s", TEXT));
    add("t", &t);
    let mut o = numbers(&["id", "x", "y"]);
    o.extend([("s", TEXT), ("u", Comparison::Unknown)]);
    add("o", &o);
    add("busy", &numbers(&["id", "a", "b"]));
    let many: Vec<String> = (10..40).map(|at| format!("c{at}")).collect();
    let mut big = vec![("id", NUMBER)];
    big.extend(many.iter().map(|name| (name.as_str(), NUMBER)));
    add("big", &big);
    let again = "CREATE TRIGGER again AFTER UPDATE ON busy BEGIN \
                 UPDATE busy SET b = b + 1 WHERE id = 1; END";
    let trigger = Trigger::of_sqlite(again);
    assert!(!trigger.before);
    catalogue.relation("busy").triggers.push(trigger);
    let key = |table: &str, keys: &[&[&str]]| {
        let keys = keys.iter().map(|key| names(key)).collect();
        (Name::from(table), keys)
    };
    let keys = Keys::from([
        key("t", &[&["a"], &["b", "c"], &["none"], &["a", "none"]]),
        key("o", &[&["x"]]),
        key("big", &[&["none"]]),
    ]);
    let mut settings = Settings::default();
    let depends = TableSettings {
        depends_on: BTreeSet::from(["o".into()]),
        ..TableSettings::default()
    };
    settings.declared.insert("big".into(), depends);
    Resolver::new(
        dialect,
        space,
        Arc::new(catalogue),
        Arc::new(settings),
        Arc::default(),
        Arc::new(keys),
    )
}

/// What a read depends on, its result being that.
fn depends(resolver: &Resolver, sql: &str, rows: Rows<'_>) -> BTreeSet<Tag> {
    let resolved = resolver.resolve(sql);
    let footprint = resolved.read.as_ref().expect(sql);
    let Some(Precise::Read(selection, tables)) = resolved.precise.as_deref() else {
        return footprint.tags.iter().copied().collect();
    };
    let binds = Binds::default();
    let Some(refined) = resolver.refine(selection, tables, binds, footprint) else {
        return footprint.tags.iter().copied().collect();
    };
    let mut tags: BTreeSet<Tag> = refined.tags.iter().copied().collect();
    let Some(late) = refined.late else {
        return tags;
    };
    let told = rows.and_then(|rows| {
        let mut told = BTreeSet::new();
        for observed in &late.observed {
            let mut seen = Seen::default();
            for row in rows {
                let cell = |at: usize| match row[at] {
                    Int(number) => Ok(Some(Datum::Integer(number.into()))),
                    Null => Ok(None),
                };
                observed.see(cell, &mut seen)?;
            }
            told.extend(observed.finish(seen));
        }
        Some(told)
    });
    match told {
        Some(told) => tags.extend(told),
        None => tags.extend(&late.also[late.window..]),
    }
    tags
}

/// Whether a write matters to a read whose result is that.
fn matters_on(dialect: Dialect, read: &str, rows: Rows<'_>, write: &str) -> bool {
    let resolver = resolver(dialect);
    let written = resolver.resolve(write).with_binds(write, "", dialect);
    assert!(!written.writes.is_empty(), "{write}");
    let touched = write_tags(&written.writes, Some(resolver.space));
    let depends = depends(&resolver, read, rows);
    touched.iter().any(|tag| depends.contains(tag))
}

fn matters(read: &str, rows: Rows<'_>, write: &str) -> bool {
    matters_on(Dialect::Sqlite, read, rows, write)
}

#[test]
fn a_star_shows_all_columns() {
    let read = "SELECT * FROM t WHERE id = 1";
    assert!(matters(read, None, "UPDATE t SET d = 1 WHERE id = 1"));
    assert!(!matters(read, None, "UPDATE t SET d = 1 WHERE id = 2"));
    // One of many, the last of them.
    let columns: Vec<String> = (10..39).map(|at| format!("c{at}")).collect();
    let read = format!("SELECT id, {} FROM big", columns.join(", "));
    assert!(matters(&read, None, "UPDATE big SET c38 = 1"));
    let few = "SELECT id, c10 FROM big";
    assert!(!matters(few, None, "UPDATE big SET c38 = 1"));
}

#[test]
fn what_the_server_sets_is_set_with_any_column() {
    let read = "SELECT id, g FROM t WHERE id = 1";
    assert!(matters(read, None, "UPDATE t SET d = 1 WHERE id = 1"));
    let read = "SELECT id, e FROM t WHERE id = 1";
    assert!(!matters(read, None, "UPDATE t SET d = 1 WHERE id = 1"));
}

#[test]
fn a_row_that_is_renamed_goes_from_where_it_is_shown() {
    let read = "SELECT id, d FROM t WHERE id = 5";
    let rows: Rows<'_> = Some(&[&[Int(5), Int(1)]]);
    assert!(matters(read, rows, "UPDATE t SET id = 7 WHERE id = 5"));
    assert!(matters(read, rows, "UPDATE t SET id = 7 WHERE a = 5"));
    assert!(!matters(read, rows, "UPDATE t SET id = 7 WHERE id = 6"));
    assert!(matters(read, rows, "UPDATE t SET id = 5 WHERE id = 6"));
}

#[test]
fn a_row_that_moves_matters_where_it_comes_from_and_goes() {
    let count = "SELECT count(*) FROM t WHERE a = 5 AND d = 1";
    for write in [
        "UPDATE t SET a = 5, d = 2 WHERE id = 1",
        "UPDATE t SET a = 6 WHERE a = 5",
        "UPDATE t SET a = 6 WHERE id = 1",
        "UPDATE t SET d = 1 WHERE a = 5",
        "UPDATE t SET a = b WHERE id = 1",
        "UPDATE t SET a = 5, d = 1 WHERE a IN (5, 6)",
    ] {
        assert!(matters(count, None, write), "{write}");
    }
    assert!(!matters(count, None, "UPDATE t SET a = 6 WHERE a = 7"));
    // By its key it was shown: it is another row that has this value now.
    let list = "SELECT id, a, d FROM t WHERE d = 1";
    let rows: Rows<'_> = Some(&[&[Int(1), Int(5), Int(1)]]);
    assert!(matters(list, rows, "UPDATE t SET a = 6 WHERE id = 1"));
    assert!(matters(list, rows, "UPDATE t SET d = 2 WHERE a = 5"));
    assert!(!matters(list, rows, "UPDATE t SET d = 2 WHERE a = 6"));
}

#[test]
fn a_value_passes_only_between_columns_that_compare_alike() {
    let same = "SELECT t.id FROM t JOIN o ON o.x = t.a WHERE o.x = 5";
    let write = "INSERT INTO t (id, a) VALUES (1, 6)";
    assert!(!matters(same, None, write));
    for other in ["o.s = t.a", "o.u = t.a"] {
        let read = format!("SELECT t.id FROM t JOIN o ON {other} WHERE t.a = 5");
        let write = "UPDATE o SET s = 'x', u = 1 WHERE id = 1";
        assert!(matters(&read, None, write), "{read}");
        let read =
            format!("SELECT t.id FROM t JOIN o ON {other} AND o.x = 1 WHERE o.s = '5' AND o.u = 5");
        assert!(matters(&read, None, "INSERT INTO t (id, a) VALUES (1, 6)"));
    }
    // What ignores the case equals more than its bytes.
    let read = "SELECT t.id FROM t JOIN o ON o.u = t.s JOIN o AS p ON p.s = o.u WHERE p.s = 'a'";
    assert!(matters(read, None, "UPDATE t SET s = 'A' WHERE s = 'b'"));
    let write = "DELETE FROM o WHERE s = u AND u = 'a'";
    assert!(matters("SELECT count(*) FROM o WHERE s = 'A'", None, write));
    let write = "DELETE FROM t WHERE a = s AND s = 5";
    assert!(matters("SELECT count(*) FROM t WHERE a = 6", None, write));
}

#[test]
fn a_row_is_shown_by_what_equals_its_key_alike() {
    let rows: Rows<'_> = Some(&[&[Int(5), Int(1)]]);
    let write = "UPDATE t SET e = 1 WHERE id = 6";
    let read = "SELECT o.x, t.e FROM o JOIN t ON t.id = o.x";
    assert!(!matters(read, rows, write));
    assert!(matters(read, rows, "UPDATE t SET e = 1 WHERE id = 5"));
    // As texts compare, 5 may be 6.
    let read = "SELECT o.s, t.e FROM o JOIN t ON t.id = o.s";
    assert!(matters(read, rows, write));
}

#[test]
fn a_row_that_is_not_there_is_no_row() {
    let read = "SELECT t.id, o.id, o.y FROM t LEFT JOIN o ON o.x = t.id";
    let rows: Rows<'_> = Some(&[&[Int(1), Int(2), Int(0)], &[Int(2), Null, Null]]);
    assert!(matters(read, rows, "UPDATE o SET y = 1 WHERE id = 2"));
    assert!(!matters(read, rows, "UPDATE o SET y = 1 WHERE id = 3"));
}

#[test]
fn what_is_skipped_counts() {
    let read = "SELECT id FROM t ORDER BY id LIMIT 1";
    let rows: Rows<'_> = Some(&[&[Int(2)]]);
    assert!(!matters(read, rows, "DELETE FROM t WHERE id = 1"));
    for skips in [
        "SELECT id FROM t ORDER BY id LIMIT 1 OFFSET 1",
        "SELECT id FROM t ORDER BY id LIMIT 1, 1",
    ] {
        assert!(
            matters(skips, rows, "DELETE FROM t WHERE id = 1"),
            "{skips}"
        );
    }
}

#[test]
fn what_counts_many_rows_shows_none() {
    let count = "SELECT count(*) FROM t WHERE d = 1";
    assert!(matters(count, None, "UPDATE t SET d = 2 WHERE id = 1"));
    assert!(matters(count, None, "DELETE FROM t WHERE id = 1"));
    let sum = "SELECT sum(e) FROM t";
    assert!(matters(sum, None, "UPDATE t SET e = 2 WHERE id = 1"));
    assert!(!matters(sum, None, "UPDATE t SET d = 2 WHERE id = 1"));
}

#[test]
fn any_number_but_zero_is_true() {
    let read = "SELECT id FROM t WHERE f";
    let rows: Rows<'_> = Some(&[&[Int(1)]]);
    for write in [
        "UPDATE t SET f = 2 WHERE id = 3",
        "UPDATE t SET f = TRUE WHERE id = 3",
        "UPDATE t SET f = e WHERE id = 3",
        "UPDATE t SET f = 0 WHERE id = 1",
    ] {
        assert!(matters(read, rows, write), "{write}");
    }
    assert!(!matters(read, rows, "UPDATE t SET f = 0 WHERE id = 3"));
}

#[test]
fn a_row_comes_by_a_value_that_may_be_any() {
    let read = "SELECT id FROM t WHERE d = 1";
    let rows: Rows<'_> = Some(&[&[Int(1)]]);
    assert!(matters(read, rows, "UPDATE t SET d = 1 WHERE id = 3"));
    assert!(matters(read, rows, "UPDATE t SET d = d + 1 WHERE id = 3"));
    assert!(!matters(read, rows, "UPDATE t SET d = 2 WHERE id = 3"));
    // It goes by any.
    assert!(matters(read, rows, "UPDATE t SET d = 2 WHERE id = 1"));
    assert!(matters(read, None, "UPDATE t SET d = 2 WHERE id = 3"));
}

#[test]
fn a_zero_may_become_the_next_number() {
    let read = "SELECT id FROM t WHERE a = 7";
    let write = "INSERT INTO t (id, a) VALUES (1, 0)";
    assert!(matters_on(Dialect::Mysql, read, None, write));
    assert!(!matters(read, None, write));
    let listed = "INSERT INTO t (id, a) VALUES (1, 6), (2, 0)";
    assert!(matters_on(Dialect::Mysql, read, None, listed));
    let other = "INSERT INTO t (id, a) VALUES (1, 6)";
    assert!(!matters_on(Dialect::Mysql, read, None, other));
}

#[test]
fn a_key_that_the_table_has_not_hides_no_other() {
    let read = "SELECT id, d FROM t WHERE a = 1";
    assert!(!matters(read, None, "DELETE FROM t WHERE a = 2"));
    let read = "SELECT id, c10 FROM big WHERE id = 1";
    assert!(!matters(read, None, "DELETE FROM big WHERE id = 2"));
}

#[test]
fn a_table_that_is_read_elsewhere_is_read_as_a_whole() {
    let of_another = "UPDATE t SET d = 1 WHERE id = 9";
    for nested in [
        "SELECT id FROM t WHERE id = 1 AND EXISTS (SELECT 1 FROM t s WHERE s.d = 1)",
        "SELECT id FROM t WHERE id = 1 AND a IN (SELECT a FROM t WHERE d = 1)",
        "SELECT id, (SELECT max(d) FROM t) FROM t WHERE id = 1",
    ] {
        assert!(matters(nested, None, of_another), "{nested}");
    }
    // One that a model names besides.
    let read = "SELECT big.id, o.x FROM big JOIN o ON o.id = big.id WHERE big.id = 1";
    assert!(matters(read, None, "UPDATE o SET y = 1 WHERE id = 9"));
    // A join with itself is none of that.
    let read = "SELECT p.id, q.d FROM t p JOIN t q ON q.id = p.a WHERE p.id = 1 AND q.id = 2";
    assert!(!matters(read, None, of_another));
    assert!(matters(read, None, "UPDATE t SET d = 1 WHERE id = 2"));
}

#[test]
fn a_table_that_is_written_again_is_written_anyhow() {
    let read = "SELECT id, b FROM busy WHERE id = 1";
    assert!(matters(read, None, "UPDATE busy SET a = 1 WHERE id = 2"));
}

#[test]
fn binds_are_those_of_their_places() {
    let dialect = Dialect::Postgres;
    let resolver = resolver(dialect);
    let touched = |sql: &str, binds: &str| {
        let written = resolver.resolve(sql).with_binds(sql, binds, dialect);
        write_tags(&written.writes, Some(resolver.space))
    };
    let plain = touched("DELETE FROM t WHERE a = 5", "");
    let turned = "DELETE FROM t WHERE d > $2 AND a = $1";
    assert_eq!(touched(turned, "[5, 1]"), plain);
    assert_ne!(touched(turned, "[1, 5]"), plain);
    let unknown = touched("DELETE FROM t WHERE a = b", "");
    for binds in ["[Id(5), 1]", "[5.0, 1]", "[\"5\", 1]", "[", "[]"] {
        assert_eq!(touched(turned, binds), unknown, "{binds}");
    }
}

#[test]
fn another_primary_key_is_another_row() {
    let write = "UPDATE t SET id = 7 WHERE id = 1";
    for read in [
        "SELECT max(id) FROM t WHERE a = 5",
        "SELECT d FROM t WHERE a = 5 ORDER BY id",
        "SELECT id, d FROM t WHERE a = 5 ORDER BY id DESC LIMIT 1",
    ] {
        let rows: Rows<'_> = Some(&[&[Int(3), Int(0)]]);
        assert!(matters(read, rows, write), "{read}");
    }
}
