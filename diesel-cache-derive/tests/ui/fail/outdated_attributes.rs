use diesel::prelude::*;
use diesel_cache::CacheInvalidate;

diesel::table! {
    posts (id) {
        id -> Integer,
        title -> Text,
    }
}


#[derive(Identifiable, CacheInvalidate)]
#[table_name = "posts"]
struct Post {
    id: i32,
}

fn main() {}
