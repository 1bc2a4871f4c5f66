use diesel::prelude::*;
use diesel_cache::CacheInvalidate;

diesel::table! {
    posts (id) {
        id -> Integer,
        author_id -> Integer,
    }
}

#[derive(Queryable, Identifiable, CacheInvalidate)]
#[cache(key = "author_id")]
struct Post {
    id: i32,
    author_id: i32,
}

fn main() {}
