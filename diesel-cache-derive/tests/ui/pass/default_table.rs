use diesel::prelude::*;
use diesel_cache::{CacheInvalidate, CacheModel};

diesel::table! {
    blog_posts (id) {
        id -> Integer,
        title -> Text,
    }
}

#[derive(Queryable, Selectable, Identifiable, CacheInvalidate)]
struct BlogPost {
    id: i32,
    title: String,
}

const _: () = assert!(BlogPost::TTL.is_none() && !BlogPost::NEVER);

fn table_of<M: CacheModel<Table = blog_posts::table>>() {}

fn main() {
    table_of::<BlogPost>();
    assert_eq!(BlogPost::TABLE, "blog_posts");
    assert_eq!(BlogPost::PRIMARY_KEY, ["id"]);
    assert!(BlogPost::DEPENDS_ON.is_empty());
}
