use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(version)]
struct Post {
    id: i32,
}

fn main() {}
