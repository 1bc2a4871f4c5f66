use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(ttl = "0s")]
struct Post {
    id: i32,
}

fn main() {}
