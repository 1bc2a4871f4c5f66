//! A small publishing house that lives by signals: an audit log that is written in the
//! transaction of what it logs, a search index that hears only of what is committed, and
//! rules that hold for whatever is saved, created or deleted as a model.
//!
//! `cargo run --example signals`; no server, no system library. It checks what it shows.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]
#![allow(missing_docs, reason = "the tables' modules are the macro's")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::signal::{Change, Lifecycle, Veto};
use diesel_cache::{
    Cache, CacheInvalidate, CreateAllDsl, CreateDsl, DeleteDsl, PostSave, PreDelete, SaveDsl,
};

diesel::table! {
    posts (id) {
        id -> Integer,
        title -> Text,
        locked -> Bool,
    }
}

diesel::table! {
    audit (id) {
        id -> Integer,
        entry -> Text,
    }
}

#[derive(
    Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, AsChangeset, CacheInvalidate,
)]
#[cache(post_save = Post::needs_a_title, pre_delete = Post::may_be_deleted)]
struct Post {
    id: i32,
    title: String,
    locked: bool,
}

#[derive(Insertable)]
#[diesel(table_name = posts)]
struct NewPost {
    title: &'static str,
}

impl Post {
    /// Declared on the model: told before any other receiver, in every cache.
    /// It looks after the statement, since a new post has no instance before; its error
    /// undoes the write.
    fn needs_a_title(event: &PostSave<'_, Self>) -> QueryResult<()> {
        if event.instance.title.trim().is_empty() {
            return Err(Veto::new("a post needs a title").into());
        }
        Ok(())
    }

    fn may_be_deleted(event: &PreDelete<'_, Self>) -> QueryResult<()> {
        match event.instance.locked {
            true => Err(Veto::new("a locked post stays").into()),
            false => Ok(()),
        }
    }
}

/// The search index: words of titles, kept in this process.
#[derive(Debug, Clone, Default)]
struct Index(Arc<Mutex<BTreeMap<i32, String>>>);

impl Index {
    fn titles(&self) -> Vec<String> {
        let titles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        titles.values().cloned().collect()
    }

    /// Follows what is committed.
    fn connect(&self, cache: &Cache) {
        let index = self.clone();
        let signal = cache.signals().post_commit::<Post>();
        // However often this is called, the index is connected once.
        signal.dispatch_uid("search index").connect(move |event| {
            let mut titles = index.0.lock().unwrap_or_else(PoisonError::into_inner);
            let post = event.instance;
            match event.change {
                Change::Created | Change::Saved => titles.insert(post.id, post.title.clone()),
                Change::Deleted => titles.remove(&post.id),
            };
            Ok(())
        });
    }
}

/// Logs every write of every model, in the transaction of the write.
fn connect_audit(cache: &Cache) {
    let log = |entry: String, conn: &mut SqliteConnection| {
        diesel::insert_into(audit::table)
            .values(audit::entry.eq(entry))
            .execute(conn)?;
        Ok(())
    };
    cache.on_post_save_with::<Post, SqliteConnection>(move |event, conn| {
        let entry = match event.changed {
            Some(columns) => format!(
                "post {}: {} set",
                event.instance.id,
                columns.iter().map(|c| &**c).collect::<Vec<_>>().join(", ")
            ),
            None => format!("post {}: created", event.instance.id),
        };
        log(entry, conn)
    });
    let deletions = cache.signals().any(Lifecycle::PostDelete);
    deletions.connect(move |event| {
        let entry = format!("one of {} deleted", event.sender.table);
        event.with_connection(|conn| log(entry, conn))
    });
}

fn log_of(conn: &mut SqliteConnection) -> QueryResult<Vec<String>> {
    audit::table
        .order(audit::id)
        .select(audit::entry)
        .load(conn)
}

fn main() -> Result<(), Box<dyn Error>> {
    let cache = Cache::from_url("memory://")?;
    let mut conn = SqliteConnection::establish(":memory:")?;
    conn.batch_execute(
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL,
             locked BOOLEAN NOT NULL DEFAULT FALSE);
         CREATE TABLE audit (id INTEGER PRIMARY KEY, entry TEXT NOT NULL);",
    )?;
    cache.attach(&mut conn)?;
    let index = Index::default();
    index.connect(&cache);
    index.connect(&cache);
    connect_audit(&cache);

    println!("Two posts are created at once; the log is written with them.");
    let new = vec![NewPost { title: "Tides" }, NewPost { title: "Winds" }];
    let mut posts: Vec<Post> = new.create_all(&mut conn)?;
    assert_eq!(log_of(&mut conn)?, ["post 1: created", "post 2: created"]);
    assert_eq!(index.titles(), ["Tides", "Winds"]);
    println!("  log {:?}, index {:?}", log_of(&mut conn)?, index.titles());

    println!("A veto: nothing is written, logged or indexed.");
    posts[0].title = " ".into();
    let refused = posts[0].save(&mut conn).expect_err("a veto");
    assert_eq!(
        Veto::of(&refused).map(Veto::reason),
        Some("a post needs a title")
    );
    assert_eq!(log_of(&mut conn)?.len(), 2);
    println!("  {refused}");

    println!("A savepoint is rolled back: its log goes with it, and nobody indexes it.");
    posts[0].title = "High tides".into();
    posts[1].title = "High winds".into();
    conn.transaction(|conn| {
        posts[0].save(conn)?;
        let inner: QueryResult<()> = conn.transaction(|conn| {
            posts[1].save(conn)?;
            Err(diesel::result::Error::RollbackTransaction)
        });
        assert!(inner.is_err());
        // The commit is still to come.
        assert_eq!(index.titles(), ["Tides", "Winds"]);
        QueryResult::Ok(())
    })?;
    assert_eq!(index.titles(), ["High tides", "Winds"]);
    assert_eq!(log_of(&mut conn)?[2..], ["post 1: locked, title set"]);
    println!(
        "  log {:?}, index {:?}",
        &log_of(&mut conn)?[2..],
        index.titles()
    );

    println!("A receiver that fails inside of the transaction undoes the write and the log.");
    let id = cache.on_post_save::<Post>(|_| Err(Veto::new("the printer is on fire").into()));
    let refused = NewPost { title: "Rain" }.create::<Post>(&mut conn);
    assert_eq!(
        refused.expect_err("a veto").to_string(),
        "the printer is on fire"
    );
    assert!(cache.disconnect(id));
    assert_eq!(log_of(&mut conn)?.len(), 3);
    println!(
        "  still {} entries, index {:?}",
        log_of(&mut conn)?.len(),
        index.titles()
    );

    println!("One that fails after the commit is counted, and changes nothing.");
    let id = cache.on_post_commit::<Post>(|_| Err("the mail is down".into()));
    posts[0].locked = true;
    posts[0].save(&mut conn)?;
    assert_eq!(cache.stats().receivers_failed, 1);
    assert!(cache.disconnect(id));
    println!("  failed: {}", cache.stats().receivers_failed);

    println!("Deletion is logged for every model, and refused for a locked post.");
    assert!(posts[0].delete(&mut conn).is_err());
    posts[1].delete(&mut conn)?;
    assert_eq!(log_of(&mut conn)?[4..], ["one of posts deleted"]);
    assert_eq!(index.titles(), ["High tides"]);
    println!(
        "  log {:?}, index {:?}",
        &log_of(&mut conn)?[4..],
        index.titles()
    );

    println!("A bulk statement has no instance; it is told of all the same.");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tables = Arc::clone(&seen);
    cache.on_post_write(move |event| {
        let mut tables = tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.extend(event.tables.iter().map(ToString::to_string));
        Ok(())
    });
    diesel::update(posts::table)
        .set(posts::locked.eq(false))
        .execute(&mut conn)?;
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(*seen, ["posts"]);
    println!("  tables {seen:?}");
    println!("\nAll as it should be.");
    Ok(())
}
