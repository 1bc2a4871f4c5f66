use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(ttl = "10m" never)]
struct Post {
    id: i32,
}

fn main() {}
