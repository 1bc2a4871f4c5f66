//! A model is cloned and kept for its commit.
use diesel::prelude::*;
use diesel_cache::{Cache, CacheInvalidate};

diesel::table! { posts (id) { id -> Integer, title -> Text } }

#[derive(Identifiable, AsChangeset, CacheInvalidate)]
struct Post {
    id: i32,
    title: String,
}

fn main() {
    let cache = Cache::from_url("memory://").unwrap();
    cache.on_post_commit::<Post>(|_| Ok(()));
}
