use diesel::prelude::*;
use diesel_cache::{CacheInvalidate, CacheModel};

diesel::table! {
    #[sql_name = "Legacy Posts"]
    posts (id) {
        #[sql_name = "ID"]
        id -> Integer,
    }
}

#[derive(Queryable, Identifiable, CacheInvalidate)]
#[cache(table = "Legacy Posts")]
struct Post {
    id: i32,
}

fn main() {
    assert_eq!(Post::TABLE, "legacy posts");
    assert_eq!(Post::PRIMARY_KEY, ["ID"]);
}
