use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(never, ttl = "10m")]
struct Post {
    id: i32,
}

fn main() {}
