use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache]
struct Post {
    id: i32,
}

fn main() {}
