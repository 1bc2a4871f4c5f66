//! A blog in memory.

use std::sync::{Arc, Mutex};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Cache, CacheInvalidate};

diesel::table! {
    authors (id) {
        id -> Integer,
        name -> Text,
    }
}

diesel::table! {
    posts (id) {
        id -> Integer,
        author_id -> Integer,
        title -> Text,
        body -> Nullable<Text>,
    }
}

diesel::table! {
    tags (post_id, name) {
        post_id -> Integer,
        name -> Text,
        weight -> Integer,
    }
}

diesel::joinable!(posts -> authors (author_id));
diesel::allow_tables_to_appear_in_same_query!(authors, posts, tags);

#[derive(
    Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, AsChangeset, CacheInvalidate,
)]
pub(crate) struct Author {
    pub(crate) id: i32,
    pub(crate) name: String,
}

#[derive(
    Debug,
    Clone,
    PartialEq,
    Queryable,
    Selectable,
    Identifiable,
    Associations,
    AsChangeset,
    CacheInvalidate,
)]
#[diesel(belongs_to(Author))]
#[cache(ttl = "10m")]
pub(crate) struct Post {
    pub(crate) id: i32,
    pub(crate) author_id: i32,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
}

#[derive(
    Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, AsChangeset, CacheInvalidate,
)]
#[diesel(primary_key(post_id, name))]
pub(crate) struct Tag {
    pub(crate) post_id: i32,
    pub(crate) name: String,
    pub(crate) weight: i32,
}

#[derive(Insertable)]
#[diesel(table_name = authors)]
pub(crate) struct NewAuthor<'a> {
    pub(crate) name: &'a str,
}

/// A connection to a database of its own, attached to the cache.
pub(crate) fn attached(cache: &Cache) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    conn.batch_execute(
        "PRAGMA foreign_keys = ON;
         CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
         CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL, body TEXT,
             author_id INTEGER NOT NULL REFERENCES authors (id) ON DELETE CASCADE);
         CREATE TABLE tags (post_id INTEGER NOT NULL, name TEXT NOT NULL,
             weight INTEGER NOT NULL, PRIMARY KEY (post_id, name));
         INSERT INTO authors VALUES (1, 'Ada'), (2, 'Brian');
         INSERT INTO posts VALUES (1, 'one', NULL, 1), (2, 'two', 'text', 1), (3, 'three', NULL, 2);
         INSERT INTO tags VALUES (1, 'a', 1), (1, 'b', 2);",
    )
    .unwrap();
    cache.attach(&mut conn).unwrap();
    conn
}

pub(crate) fn memory() -> Cache {
    Cache::from_url("memory://").unwrap()
}

/// What receivers were told, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&self, what: &str) {
        self.0.lock().unwrap().push(what.to_owned());
    }

    /// Everything since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
