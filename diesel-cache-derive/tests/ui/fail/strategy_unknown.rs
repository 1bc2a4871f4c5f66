use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(strategy = "forget")]
struct Post {
    id: i32,
}

fn main() {}
