use diesel_cache::CacheInvalidate;

diesel::table! {
    posts (id) {
        id -> Integer,
    }
}

struct Author;

fn audit(_: &diesel_cache::PostDelete<'_, Author>) -> diesel::QueryResult<()> {
    Ok(())
}

#[derive(CacheInvalidate)]
#[cache(post_delete = audit)]
struct Post {
    id: i32,
}

fn main() {}
