use diesel::prelude::*;
use diesel_cache::{CacheInvalidate, CacheModel};

diesel::table! {
    posts (id) {
        id -> Integer,
        title -> Text,
        created -> Integer,
    }
}

#[derive(Queryable, Insertable, Identifiable, AsChangeset, CacheInvalidate)]
#[diesel(table_name = posts, treat_none_as_null = true)]
struct Post {
    id: i32,
    #[diesel(treat_none_as_null = false)]
    title: Option<String>,
    #[diesel(skip_update, skip_insertion)]
    created: i32,
}

fn main() {
    assert_eq!(Post::PRIMARY_KEY, ["id"]);
}
