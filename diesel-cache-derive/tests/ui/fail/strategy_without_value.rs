use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(strategy)]
struct Post {
    id: i32,
}

fn main() {}
