use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[diesel(primary_key())]
struct Post {
    id: i32,
}

fn main() {}
