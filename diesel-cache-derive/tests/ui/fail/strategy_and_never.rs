use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(strategy = "delete", never)]
struct Post {
    id: i32,
}

fn main() {}
