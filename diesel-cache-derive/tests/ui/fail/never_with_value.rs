use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(never = true)]
struct Post {
    id: i32,
}

fn main() {}
