use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(version = -1)]
struct Post {
    id: i32,
}

fn main() {}
