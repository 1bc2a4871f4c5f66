use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(ttl)]
struct Post {
    id: i32,
}

fn main() {}
