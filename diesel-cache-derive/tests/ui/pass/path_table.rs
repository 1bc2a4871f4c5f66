use diesel::prelude::*;
use diesel_cache::{CacheInvalidate, CacheModel};

mod schema {
    diesel::table! {
        blog.posts (id) {
            id -> Integer,
        }
    }
}

#[derive(Queryable, Identifiable, CacheInvalidate)]
#[diesel(table_name = crate::schema::posts)]
struct Article {
    id: i32,
}

fn table_of<M: CacheModel<Table = schema::posts::table>>() {}

fn main() {
    table_of::<Article>();
    assert_eq!(Article::TABLE, "posts");
    assert_eq!(Article::PRIMARY_KEY, ["id"]);
}
