//! The signals of a model, inside of its transaction.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::result::Error;
use diesel_cache::signal::{Change, Lifecycle, Veto};
use diesel_cache::{Cache, CreateDsl, DeleteDsl, SaveDsl};

use crate::support::{Author, NewAuthor, Notes, Post, Tag, attached, authors, memory, posts, tags};

diesel::table! {
    audit (id) {
        id -> Integer,
        what -> Text,
    }
}

fn audited(cache: &Cache) -> SqliteConnection {
    let mut conn = attached(cache);
    conn.batch_execute("CREATE TABLE audit (id INTEGER PRIMARY KEY, what TEXT NOT NULL)")
        .unwrap();
    conn
}

fn log(conn: &mut SqliteConnection, what: &str) -> QueryResult<()> {
    diesel::insert_into(audit::table)
        .values(audit::what.eq(what))
        .execute(conn)?;
    Ok(())
}

fn logged(conn: &mut SqliteConnection) -> Vec<String> {
    let query = audit::table.order(audit::id).select(audit::what);
    query.load(conn).unwrap()
}

fn names(conn: &mut SqliteConnection) -> Vec<String> {
    let query = authors::table.order(authors::id).select(authors::name);
    query.load(conn).unwrap()
}

fn ada(name: &str) -> Author {
    Author {
        id: 1,
        name: name.into(),
    }
}

#[test]
fn every_signal_of_every_helper_in_order() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = Notes::new();
    let told = notes.clone();
    cache.on_pre_save::<Author>(move |event| {
        let name = event.instance.map_or("nobody", |author| &author.name);
        told.add(&format!("pre_save {name} {}", event.created));
        Ok(())
    });
    let told = notes.clone();
    cache.on_post_save::<Author>(move |event| {
        told.add(&format!(
            "post_save {} {}",
            event.instance.name, event.created
        ));
        Ok(())
    });
    let told = notes.clone();
    cache.on_pre_delete::<Author>(move |event| {
        told.add(&format!("pre_delete {}", event.instance.name));
        Ok(())
    });
    let told = notes.clone();
    cache.on_post_delete::<Author>(move |event| {
        told.add(&format!("post_delete {}", event.instance.name));
        Ok(())
    });
    let told = notes.clone();
    cache.on_post_commit::<Author>(move |event| {
        told.add(&format!("{:?} {}", event.change, event.instance.name));
        Ok(())
    });
    let chen: Author = NewAuthor { name: "Chen" }.create(&mut conn).unwrap();
    assert_eq!(
        notes.take(),
        [
            "pre_save nobody true",
            "post_save Chen true",
            "Created Chen"
        ]
    );
    chen.save(&mut conn).unwrap();
    assert_eq!(
        notes.take(),
        ["pre_save Chen false", "post_save Chen false", "Saved Chen"]
    );
    chen.delete(&mut conn).unwrap();
    assert_eq!(
        notes.take(),
        ["pre_delete Chen", "post_delete Chen", "Deleted Chen"]
    );
}

#[test]
fn a_veto_stops_the_statement() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = Notes::new();
    cache.on_pre_save::<Author>(|_| Err(Veto::new("the books are closed").into()));
    cache.on_pre_delete::<Author>(|_| Err(Veto::new("not even you").into()));
    let told = notes.clone();
    cache.on_post_save::<Author>(move |_| {
        told.add("saved");
        Ok(())
    });
    let told = notes.clone();
    cache.on_post_commit::<Author>(move |_| {
        told.add("committed");
        Ok(())
    });
    let told = notes.clone();
    cache.on_post_write(move |_| {
        told.add("a statement");
        Ok(())
    });
    let reason = |result: QueryResult<()>| {
        let error = result.unwrap_err();
        Veto::of(&error).map(|veto| veto.reason().to_owned())
    };
    let closed = Some("the books are closed".to_owned());
    assert_eq!(reason(ada("changed").save(&mut conn)), closed);
    let created = NewAuthor { name: "Chen" }.create::<Author>(&mut conn);
    assert_eq!(reason(created.map(drop)), closed);
    assert_eq!(
        reason(ada("Ada").delete(&mut conn)),
        Some("not even you".into())
    );
    assert_eq!(names(&mut conn), ["Ada", "Brian"]);
    assert_eq!(notes.take(), [""; 0], "nothing was written or told");
}

#[test]
fn an_error_of_a_post_receiver_undoes_the_write() {
    let cache = memory();
    let mut conn = attached(&cache);
    cache.on_post_save::<Author>(|_| Err(Veto::new("no").into()));
    let told = Notes::new();
    let notes = told.clone();
    cache.on_post_commit::<Author>(move |_| {
        told.add("committed");
        Ok(())
    });
    assert!(ada("changed").save(&mut conn).is_err());
    assert_eq!(names(&mut conn), ["Ada", "Brian"]);
    assert_eq!(notes.take(), [""; 0]);
}

#[test]
fn changed_names_the_columns_that_stood_in_set() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = Notes::new();
    let told = notes.clone();
    cache.on_post_save::<Post>(move |event| {
        let columns: Vec<_> = event.changed.unwrap().iter().map(|c| &**c).collect();
        told.add(&columns.join(" "));
        Ok(())
    });
    let told = notes.clone();
    cache.on_post_commit::<Post>(move |event| {
        told.add(&event.changed.unwrap().len().to_string());
        Ok(())
    });
    let mut post = Post {
        id: 2,
        author_id: 1,
        title: "deux".into(),
        body: None,
    };
    post.save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["author_id title", "2"]);
    post.body = Some("texte".into());
    post.save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["author_id body title", "3"]);
}

#[test]
fn a_receiver_writes_in_the_same_transaction() {
    let cache = memory();
    let mut conn = audited(&cache);
    cache.on_post_save_with::<Author, SqliteConnection>(|event, conn| {
        log(conn, &format!("saved {}", event.instance.name))
    });
    cache.on_post_delete_with::<Author, SqliteConnection>(|event, conn| {
        log(conn, &format!("deleted {}", event.instance.name))
    });
    ada("Ada L.").save(&mut conn).unwrap();
    ada("Ada L.").delete(&mut conn).unwrap();
    assert_eq!(logged(&mut conn), ["saved Ada L.", "deleted Ada L."]);
    // What fails later takes the log with it.
    cache.on_post_save::<Author>(|_| Err(Veto::new("no").into()));
    let created = NewAuthor { name: "Chen" }.create::<Author>(&mut conn);
    assert!(created.is_err());
    assert_eq!(logged(&mut conn).len(), 2);
}

#[test]
fn a_receiver_may_save_other_models() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = Notes::new();
    cache.on_post_save_with::<Author, SqliteConnection>(|event, conn| {
        Tag {
            post_id: 1,
            name: "a".into(),
            weight: event.instance.id,
        }
        .save(conn)
    });
    let told = notes.clone();
    cache.on_post_save::<Tag>(move |event| {
        told.add(&format!("tag {}", event.instance.weight));
        Ok(())
    });
    let told = notes.clone();
    cache.on_post_commit::<Tag>(move |_| {
        told.add("tag committed");
        Ok(())
    });
    let brian = Author {
        id: 2,
        name: "B".into(),
    };
    brian.save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["tag 2", "tag committed"]);
    let weights = tags::table.order(tags::name).select(tags::weight);
    assert_eq!(weights.load::<i32>(&mut conn).unwrap(), [2, 2]);
}

#[test]
fn a_receiver_gets_the_connection_of_a_pool() {
    let cache = memory();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pool.sqlite");
    let pool = Pool::builder()
        .max_size(1)
        .connection_customizer(cache.customizer())
        .build(ConnectionManager::<SqliteConnection>::new(
            file.to_str().unwrap(),
        ))
        .unwrap();
    let mut conn = pool.get().unwrap();
    conn.batch_execute(
        "CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE audit (id INTEGER PRIMARY KEY, what TEXT NOT NULL);
         INSERT INTO authors VALUES (1, 'Ada')",
    )
    .unwrap();
    cache.on_post_save_with::<Author, SqliteConnection>(|event, conn| {
        log(conn, &event.instance.name)
    });
    ada("pooled").save(&mut conn).unwrap();
    ada("plain").save(&mut *conn).unwrap();
    assert_eq!(logged(&mut conn), ["pooled", "plain"]);
}

#[test]
fn a_receiver_for_another_connection_fails_the_write() {
    let cache = memory();
    let mut conn = attached(&cache);
    cache.on_post_save::<Author>(|event| {
        let (once, twice) = event.with_connection(|_: &mut SqliteConnection| {
            Ok((
                event
                    .with_connection(|_: &mut SqliteConnection| Ok(()))
                    .is_err(),
                event
                    .with_connection(|_: &mut SqliteConnection| Ok(()))
                    .is_err(),
            ))
        })?;
        assert!(once && twice, "the connection is in use");
        Ok(())
    });
    ada("fine").save(&mut conn).unwrap();
    cache.on_post_save_with::<Author, MyConnection>(|_, _| Ok(()));
    let refused = ada("refused").save(&mut conn).unwrap_err().to_string();
    assert!(refused.contains("MyConnection"), "{refused}");
    assert!(refused.contains("SqliteConnection"), "{refused}");
    assert_eq!(names(&mut conn)[0], "fine");
}

/// A connection of the application's own.
#[derive(diesel::MultiConnection)]
enum MyConnection {
    Sqlite(SqliteConnection),
}

impl diesel_cache::signal::ReceiverConnection for MyConnection {}

#[test]
fn a_panic_of_a_receiver_rolls_back_and_goes_on() {
    let cache = memory();
    let mut conn = audited(&cache);
    let notes = Notes::new();
    let told = notes.clone();
    cache.on_post_commit::<Author>(move |_| {
        told.add("committed");
        Ok(())
    });
    let id = cache.on_post_save_with::<Author, SqliteConnection>(|_, conn| {
        // It leaves a transaction of its own open.
        conn.transaction(|conn| {
            log(conn, "about to panic")?;
            resume_unwind(Box::new("on purpose"))
        })
    });
    for depth in 0..2 {
        let save = |conn: &mut SqliteConnection| {
            let panicked = catch_unwind(AssertUnwindSafe(|| ada("changed").save(conn)));
            let payload = panicked.unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
            QueryResult::Ok(())
        };
        match depth {
            0 => save(&mut conn).unwrap(),
            _ => conn.transaction(save).unwrap(),
        }
        assert_eq!(names(&mut conn), ["Ada", "Brian"]);
        assert_eq!(logged(&mut conn), [""; 0]);
        assert_eq!(notes.take(), [""; 0]);
    }
    // Nothing is left open or poisoned.
    assert!(cache.disconnect(id));
    ada("changed").save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["committed"]);
    assert_eq!(names(&mut conn), ["changed", "Brian"]);
}

#[test]
fn receivers_of_all_models_are_told_after_the_models_own() {
    let cache = memory();
    let mut conn = audited(&cache);
    let notes = Notes::new();
    for lifecycle in [
        Lifecycle::PreSave,
        Lifecycle::PostSave,
        Lifecycle::PreDelete,
        Lifecycle::PostDelete,
        Lifecycle::PostCommit,
    ] {
        let told = notes.clone();
        cache.signals().any(lifecycle).connect(move |event| {
            assert_eq!(event.lifecycle, lifecycle);
            let name = event.instance_of::<Author>().map(|author| &*author.name);
            told.add(&format!(
                "{lifecycle:?} {:?} {} {}",
                event.change,
                event.sender.table,
                name.unwrap_or("-"),
            ));
            Ok(())
        });
    }
    let told = notes.clone();
    cache.on_post_save::<Author>(move |_| {
        told.add("own");
        Ok(())
    });
    ada("A").save(&mut conn).unwrap();
    assert_eq!(
        notes.take(),
        [
            "PreSave Saved authors A",
            "own",
            "PostSave Saved authors A",
            // Nobody has said that an author can be cloned.
            "PostCommit Saved authors -"
        ]
    );
    let signal = cache.signals().post_commit::<Author>();
    NewAuthor { name: "Chen" }
        .create::<Author>(&mut conn)
        .unwrap();
    assert_eq!(
        notes.take(),
        [
            "PreSave Created authors -",
            "own",
            "PostSave Created authors Chen",
            "PostCommit Created authors Chen"
        ]
    );
    ada("A").delete(&mut conn).unwrap();
    assert_eq!(
        notes.take(),
        [
            "PreDelete Deleted authors A",
            "PostDelete Deleted authors A",
            "PostCommit Deleted authors A"
        ]
    );
    Tag {
        post_id: 1,
        name: "a".into(),
        weight: 9,
    }
    .delete(&mut conn)
    .unwrap();
    assert_eq!(
        notes.take(),
        [
            "PreDelete Deleted tags -",
            "PostDelete Deleted tags -",
            "PostCommit Deleted tags -"
        ]
    );
    drop(signal);
}

#[test]
fn a_receiver_of_all_models_may_veto_and_write() {
    let cache = memory();
    let mut conn = audited(&cache);
    let signals = cache.signals();
    signals.any(Lifecycle::PreDelete).connect(|event| {
        assert_eq!(event.change, Change::Deleted);
        Err(Veto::new(format!("{} are for ever", event.sender.table)).into())
    });
    signals.any(Lifecycle::PostSave).connect(|event| {
        event.with_connection(|conn: &mut SqliteConnection| log(conn, event.sender.table))
    });
    ada("A").save(&mut conn).unwrap();
    assert_eq!(logged(&mut conn), ["authors"]);
    let refused = ada("A").delete(&mut conn).unwrap_err();
    assert_eq!(refused.to_string(), "authors are for ever");
}

#[test]
fn a_connection_without_a_cache_tells_nobody() {
    let cache = memory();
    let mut conn = attached(&cache);
    cache.on_pre_save::<Author>(|_| Err(Error::RollbackTransaction));
    conn.set_instrumentation(None::<Box<dyn diesel::connection::Instrumentation>>);
    ada("A").save(&mut conn).unwrap();
    assert_eq!(names(&mut conn), ["A", "Brian"]);
    assert_eq!(cache.stats().receivers_failed, 0);
}

#[test]
fn a_missing_row_tells_no_post_receiver() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = Notes::new();
    let told = notes.clone();
    cache.on_post_save::<Author>(move |_| {
        told.add("saved");
        Ok(())
    });
    let told = notes.clone();
    cache.on_post_commit::<Author>(move |_| {
        told.add("committed");
        Ok(())
    });
    let nobody = Author {
        id: 99,
        name: "Nobody".into(),
    };
    assert_eq!(nobody.save(&mut conn), Err(Error::NotFound));
    assert_eq!(nobody.delete(&mut conn), Err(Error::NotFound));
    assert_eq!(notes.take(), [""; 0]);
    let rows = posts::table.count().get_result::<i64>(&mut conn);
    assert_eq!(rows, Ok(3));
}
