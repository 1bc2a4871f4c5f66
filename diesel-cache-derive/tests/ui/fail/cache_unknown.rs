use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(tll = "10m")]
struct Post {
    id: i32,
}

fn main() {}
