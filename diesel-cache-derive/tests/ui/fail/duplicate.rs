use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(ttl = "10m")]
#[cache(ttl = "20m")]
struct Post {
    id: i32,
}

fn main() {}
