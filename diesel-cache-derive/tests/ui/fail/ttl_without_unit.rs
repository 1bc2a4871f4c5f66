use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(ttl = "600")]
struct Post {
    id: i32,
}

fn main() {}
