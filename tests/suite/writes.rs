//! `post_write`: of statements, where there is no instance.

use std::panic::resume_unwind;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::footprint::WriteKind;
use diesel_cache::{Cache, SaveDsl};

use crate::support::{Author, Notes, attached, authors, memory, posts};

fn noted(cache: &Cache) -> Notes {
    let notes = Notes::new();
    let told = notes.clone();
    cache.on_post_write(move |event| {
        let targets = event.targets.iter().map(|target| {
            let kind = match &target.kind {
                WriteKind::Update { columns } => {
                    let columns: Vec<&str> = columns.iter().flatten().map(|c| &**c).collect();
                    format!("update {}", columns.join("+"))
                }
                other => format!("{other:?}").to_lowercase(),
            };
            format!("{kind} {}", target.relation)
        });
        let tables: Vec<&str> = event.tables.iter().map(|table| &**table).collect();
        told.add(&format!(
            "{}: {}{}{}",
            targets.collect::<Vec<_>>().join(", "),
            tables.join(" "),
            if event.anything { " and more" } else { "" },
            if event.in_transaction { ", open" } else { "" },
        ));
        Ok(())
    });
    notes
}

#[test]
fn every_statement_that_wrote_is_told_of() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = noted(&cache);
    diesel::update(authors::table)
        .set(authors::name.eq(authors::name.concat("!")))
        .execute(&mut conn)
        .unwrap();
    assert_eq!(notes.take(), ["update name authors: authors"]);
    diesel::sql_query("INSERT INTO tags SELECT id, 'c', 3 FROM posts")
        .execute(&mut conn)
        .unwrap();
    assert_eq!(notes.take(), ["insert tags: tags"]);
    conn.batch_execute("DELETE FROM tags; DELETE FROM authors WHERE id = 1")
        .unwrap();
    assert_eq!(
        notes.take(),
        ["delete tags, delete authors: authors posts tags"],
        "what is deleted by the way counts, too"
    );
    Author {
        id: 2,
        name: "B".into(),
    }
    .save(&mut conn)
    .unwrap();
    assert_eq!(notes.take(), ["update name authors: authors"]);
    conn.batch_execute("CREATE TABLE more (id INTEGER)")
        .unwrap();
    assert_eq!(notes.take(), [":  and more"]);
    posts::table.count().get_result::<i64>(&mut conn).unwrap();
    conn.batch_execute("BEGIN; ROLLBACK").unwrap();
    assert_eq!(notes.take(), [""; 0]);
}

#[test]
fn it_says_whether_a_transaction_is_open() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = noted(&cache);
    let delete = |conn: &mut SqliteConnection| diesel::delete(authors::table.find(9)).execute(conn);
    delete(&mut conn).unwrap();
    assert_eq!(notes.take(), ["delete authors: authors posts"]);
    conn.transaction(delete).unwrap();
    assert_eq!(notes.take(), ["delete authors: authors posts, open"]);
}

#[test]
fn a_statement_that_fails_is_not_told_of() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = noted(&cache);
    let twice = diesel::sql_query("INSERT INTO authors VALUES (1, 'twice')").execute(&mut conn);
    assert!(twice.is_err());
    assert_eq!(notes.take(), [""; 0]);
}

#[test]
fn receivers_of_statements_cannot_fail_them() {
    let cache = memory();
    let mut conn = attached(&cache);
    cache.on_post_write(|_| Err("no".into()));
    cache.on_post_write(|_| resume_unwind(Box::new("on purpose")));
    let notes = noted(&cache);
    diesel::delete(authors::table.find(1))
        .execute(&mut conn)
        .unwrap();
    assert_eq!(notes.take(), ["delete authors: authors posts"]);
    assert_eq!(cache.stats().receivers_failed, 2);
    assert_eq!(authors::table.count().get_result::<i64>(&mut conn), Ok(1));
}

#[test]
fn receivers_of_statements_can_be_disconnected() {
    let cache = memory();
    let mut conn = attached(&cache);
    let id = cache.on_post_write(|_| Err("no".into()));
    assert!(cache.disconnect(id));
    assert!(!cache.disconnect(id));
    assert!(!cache.signals().post_write().has_receivers());
    diesel::delete(authors::table.find(1))
        .execute(&mut conn)
        .unwrap();
    assert_eq!(cache.stats().receivers_failed, 0);
}
