use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(version = 4294967296)]
struct Post {
    id: i32,
}

fn main() {}
