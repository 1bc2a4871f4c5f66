use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(table = "")]
struct Post {
    id: i32,
}

fn main() {}
