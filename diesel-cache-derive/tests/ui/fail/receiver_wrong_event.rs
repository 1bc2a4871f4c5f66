use diesel_cache::CacheInvalidate;

diesel::table! {
    posts (id) {
        id -> Integer,
    }
}

fn audit(_: &diesel_cache::PostSave<'_, Post>) -> diesel::QueryResult<()> {
    Ok(())
}

#[derive(CacheInvalidate)]
#[cache(pre_save = audit)]
struct Post {
    id: i32,
}

fn main() {}
