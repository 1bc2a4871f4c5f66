use diesel_cache::CacheInvalidate;

diesel::table! {
    posts (id) {
        id -> Integer,
    }
}

type Told = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn index(_: &diesel_cache::PostCommit<'_, Post>) -> Told {
    Ok(())
}

#[derive(CacheInvalidate)]
#[cache(post_commit = index)]
struct Post {
    id: i32,
}

fn main() {}
