//! On SQLite, cached rows are cloned.
use diesel::prelude::*;
use diesel_cache::CachedDsl;

diesel::table! { posts (id) { id -> Integer, title -> Text } }

#[derive(Queryable)]
struct Post {
    id: i32,
    title: String,
}

fn all(conn: &mut SqliteConnection) -> QueryResult<Vec<Post>> {
    posts::table.cached().load::<Post>(conn)
}

fn main() {}
