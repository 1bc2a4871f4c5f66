//! What follows from the catalogue.

use super::*;
use crate::footprint::analyze;

mod code;
mod columns;
mod effects;

fn pg(sql: &str) -> Analysis {
    analyze(sql, Dialect::Postgres)
}

fn child(table: &str, on_delete: bool, on_update: bool, columns: &[&str]) -> Child {
    Child {
        table: table.into(),
        on_delete,
        on_update,
        columns: columns.iter().map(|name| Name::from(*name)).collect(),
    }
}

/// authors ← posts (deletes cascade) ← comments (deletes cascade, key updates cascade);
/// `recent` is a view of `posts`, `newest` a view of `recent`; `p` has the partition `p_1`.
fn blog() -> Catalogue {
    let mut blog = Catalogue::default();
    for table in [
        "authors", "posts", "comments", "tags", "audited", "far", "p", "p_1",
    ] {
        blog.relation(table);
    }
    blog.relation("authors")
        .children
        .push(child("posts", true, false, &["id"]));
    blog.relation("posts")
        .children
        .push(child("comments", true, true, &["id"]));
    blog.relation("comments")
        .children
        .push(child("tags", false, false, &["id"]));
    blog.relation("recent")
        .views
        .push(pg("SELECT id FROM posts"));
    blog.relation("newest")
        .views
        .push(pg("SELECT id FROM recent"));
    blog.relation("clock")
        .views
        .push(pg("SELECT now() FROM tags"));
    blog.relation("opaque").views.push(pg("SELECT (("));
    blog.relation("calling")
        .views
        .push(pg("SELECT unheard_of(1)"));
    blog.relation("indirect")
        .views
        .push(pg("SELECT * FROM calling"));
    blog.add_attribute("full_name");
    blog.relation("audited").triggers.push(Trigger {
        events: Events::ALL,
        before: true,
        code: Code::opaque(),
    });
    blog.relation("far").uncacheable = true;
    blog.relation("secret").row_security = true;
    blog.join_families("p", "p_1");
    blog.add_routine("lower", Code::opaque(), Dialect::Postgres);
    blog.add_routine("peek", Code::default(), Dialect::Postgres);
    blog
}

fn written(sql: &str) -> (bool, Vec<String>) {
    let writes = blog().writes(sql, &pg(sql), &BTreeSet::new());
    let tables = writes.tables.iter().map(ToString::to_string).collect();
    (writes.database, tables)
}

fn tables(names: &[&str]) -> (bool, Vec<String>) {
    (false, names.iter().map(ToString::to_string).collect())
}

fn read(sql: &str) -> Result<Vec<String>, Bypass> {
    let analysis = pg(sql);
    let access = analysis.is_single_read().expect("a read");
    let reads = blog().reads(access, &BTreeSet::new())?;
    Ok(reads.tables.iter().map(ToString::to_string).collect())
}

#[test]
fn deletes_and_key_updates_cascade() {
    assert_eq!(
        written("DELETE FROM authors"),
        tables(&["authors", "comments", "posts"])
    );
    assert_eq!(written("DELETE FROM comments"), tables(&["comments"]));
    assert_eq!(
        written("INSERT INTO authors VALUES (1)"),
        tables(&["authors"])
    );
    assert_eq!(
        written("UPDATE posts SET id = 2"),
        tables(&["comments", "posts"])
    );
    assert_eq!(written("UPDATE posts SET title = ''"), tables(&["posts"]));
    let upsert = "INSERT INTO posts (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2";
    assert_eq!(written(upsert), tables(&["comments", "posts"]));
    assert_eq!(
        written("TRUNCATE comments CASCADE"),
        tables(&["comments", "tags"])
    );
    assert_eq!(written("TRUNCATE comments"), tables(&["comments"]));
}

#[test]
fn a_view_reads_and_writes_its_base_tables() {
    assert_eq!(
        read("SELECT id FROM newest").unwrap(),
        ["newest", "posts", "recent"]
    );
    let (all, written) = written("UPDATE newest SET id = 1");
    assert!(!all && written.contains(&"posts".to_owned()), "{written:?}");
    assert_eq!(read("SELECT * FROM clock"), Err(Bypass::Volatile));
    assert_eq!(read("SELECT * FROM opaque"), Err(Bypass::Uncacheable));
}

#[test]
fn what_is_not_shown_may_write_anything() {
    assert!(written("INSERT INTO audited VALUES (1)").0);
    assert!(written("INSERT INTO unheard_of VALUES (1)").0);
    assert!(written("SELECT unheard_of(1)").0);
    assert!(
        !written("SELECT peek(1)").0,
        "the database keeps it from writing"
    );
    assert!(
        written("SELECT lower('A')").0,
        "a user's function of a known name"
    );
    assert!(written("DO $$ BEGIN END $$").0);
    assert!(
        written("SELECT * FROM indirect").0,
        "a view's function may write"
    );
    assert!(written("INSERT INTO tags SELECT * FROM calling").0);
    assert!(blog().calls_unseen("SELECT t.Full_Name FROM tags t"));
    assert!(!blog().calls_unseen("SELECT t.full_names FROM tags t"));
}

#[test]
fn partitions_share_their_rows() {
    assert_eq!(written("INSERT INTO p_1 VALUES (1)"), tables(&["p", "p_1"]));
    assert_eq!(written("DELETE FROM p"), tables(&["p", "p_1"]));
}

#[test]
fn what_must_not_be_cached() {
    assert_eq!(read("SELECT * FROM far"), Err(Bypass::Uncacheable));
    assert_eq!(
        read("SELECT * FROM unheard_of"),
        Err(Bypass::UnknownRelation)
    );
    assert_eq!(
        read("SELECT peek(id) FROM posts"),
        Err(Bypass::UnknownFunction)
    );
    assert_eq!(
        read("SELECT lower(title) FROM posts"),
        Err(Bypass::UnknownFunction)
    );
    assert_eq!(
        read("SELECT id FROM posts FOR UPDATE"),
        Err(Bypass::Locking)
    );
    let with = "WITH x AS (SELECT id FROM posts) SELECT id FROM x";
    assert_eq!(read(with).unwrap(), ["posts", "x"]);
    let declared = BTreeSet::from([Name::from("peek")]);
    let analysis = pg("SELECT peek(id) FROM posts");
    let access = analysis.is_single_read().expect("a read");
    assert!(blog().reads(access, &declared).is_ok());
}

#[test]
fn ddl_changes_the_schema() {
    let writes = blog().writes(
        "CREATE TABLE x (id INTEGER)",
        &pg("CREATE TABLE x (id INTEGER)"),
        &BTreeSet::new(),
    );
    assert!(writes.schema);
}

#[test]
fn a_generated_key_may_change_without_standing_in_set() {
    let mut blog = blog();
    assert!(
        !blog
            .writes(
                "UPDATE posts SET title = ''",
                &pg("UPDATE posts SET title = ''"),
                &BTreeSet::new()
            )
            .tables
            .contains("comments")
    );
    blog.relation("posts").changes_more = true;
    assert!(
        blog.writes(
            "UPDATE posts SET title = ''",
            &pg("UPDATE posts SET title = ''"),
            &BTreeSet::new()
        )
        .tables
        .contains("comments")
    );
}

#[test]
fn sqlite_knows_a_key_by_other_names() {
    assert_eq!(
        written("UPDATE posts SET rowid = 2"),
        tables(&["comments", "posts"])
    );
}

#[test]
fn a_table_may_replace_its_rows() {
    let mut blog = blog();
    blog.relation("authors").replaces = true;
    let writes = blog.writes(
        "INSERT INTO authors VALUES (1)",
        &pg("INSERT INTO authors VALUES (1)"),
        &BTreeSet::new(),
    );
    assert!(writes.tables.contains("comments"));
}

#[test]
fn a_policy_reads_its_tables() {
    let mut blog = blog();
    blog.relation("posts").also_reads.insert("authors".into());
    let analysis = pg("SELECT id FROM posts");
    let access = analysis.is_single_read().expect("a read");
    let reads = blog.reads(access, &BTreeSet::new()).expect("cacheable");
    assert!(reads.tables.contains("authors"));
}

#[test]
fn what_may_not_be_seen_may_cascade() {
    let mut blog = blog();
    blog.hidden_references = true;
    assert!(
        blog.writes(
            "DELETE FROM tags",
            &pg("DELETE FROM tags"),
            &BTreeSet::new()
        )
        .database
    );
    assert!(
        !blog
            .writes(
                "INSERT INTO tags VALUES (1)",
                &pg("INSERT INTO tags VALUES (1)"),
                &BTreeSet::new()
            )
            .database
    );
}
