use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[diesel(primary_key(id, revision))]
struct Post {
    id: i32,
    title: String,
}

fn main() {}
