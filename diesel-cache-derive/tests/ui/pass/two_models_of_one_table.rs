use diesel::prelude::*;
use diesel_cache::{CacheInvalidate, CacheModel};

diesel::table! {
    posts (id) {
        id -> Integer,
        title -> Text,
        body -> Text,
    }
}

#[derive(Queryable, Selectable, Identifiable, CacheInvalidate)]
#[cache(ttl = "1h")]
struct Post {
    id: i32,
    title: String,
    body: String,
}

#[derive(Queryable, Selectable, Identifiable, CacheInvalidate)]
#[diesel(table_name = posts)]
#[cache(ttl = "10m")]
struct PostTitle {
    id: i32,
    title: String,
}

fn main() {
    assert_eq!(Post::TABLE, PostTitle::TABLE);
    assert!(Post::TTL > PostTitle::TTL);
}
