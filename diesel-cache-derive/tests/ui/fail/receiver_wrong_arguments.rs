use diesel_cache::CacheInvalidate;

diesel::table! {
    posts (id) {
        id -> Integer,
    }
}

fn audit(_: &Post, _: bool) -> diesel::QueryResult<()> {
    Ok(())
}

#[derive(CacheInvalidate)]
#[cache(post_save = audit)]
struct Post {
    id: i32,
}

fn main() {}
