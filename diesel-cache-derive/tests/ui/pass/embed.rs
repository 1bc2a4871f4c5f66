use diesel::prelude::*;
use diesel_cache::{CacheInvalidate, CacheModel};

diesel::table! {
    posts (id) {
        id -> Integer,
        title -> Text,
        body -> Text,
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = posts)]
struct Key {
    id: i32,
}

#[derive(Queryable, Selectable, CacheInvalidate)]
#[diesel(table_name = posts)]
struct Post {
    #[diesel(embed)]
    key: Key,
    title: String,
}

#[derive(Queryable, Selectable, CacheInvalidate)]
#[diesel(table_name = posts)]
struct Wrapped(#[diesel(embed)] Key);

fn main() {
    assert_eq!(Post::PRIMARY_KEY, ["id"]);
    assert_eq!(Wrapped::PRIMARY_KEY, ["id"]);
}
