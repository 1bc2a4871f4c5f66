use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(ttl = "10 moons")]
struct Post {
    id: i32,
}

fn main() {}
