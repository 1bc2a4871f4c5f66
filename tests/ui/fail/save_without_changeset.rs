//! A model is saved by its changeset.
use diesel::prelude::*;
use diesel_cache::{CacheInvalidate, SaveDsl};

diesel::table! { posts (id) { id -> Integer, title -> Text } }

#[derive(Identifiable, CacheInvalidate)]
struct Post {
    id: i32,
    title: String,
}

fn main() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    let _ = Post { id: 1, title: String::new() }.save(&mut conn);
}
