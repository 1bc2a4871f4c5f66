use diesel::prelude::*;
use diesel_cache::{CacheInvalidate, CacheModel};

macro_rules! model {
    ($name:ident, $table:ident, $path:path, $key:ident, $ttl:literal) => {
        diesel::table! {
            $table ($key) {
                $key -> Integer,
            }
        }

        #[derive(Queryable, Identifiable, CacheInvalidate)]
        #[diesel(table_name = $path, primary_key($key))]
        #[cache(ttl = $ttl)]
        struct $name {
            $key: i32,
        }
    };
}

model!(Post, posts, self::posts, number, "10m");

fn main() {
    assert_eq!(Post::TABLE, "posts");
    assert_eq!(Post::PRIMARY_KEY, ["number"]);
    assert_eq!(Post::TTL.map(|ttl| ttl.as_secs()), Some(600));
}
