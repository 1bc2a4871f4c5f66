use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(never, version = 2)]
struct Post {
    id: i32,
}

fn main() {}
