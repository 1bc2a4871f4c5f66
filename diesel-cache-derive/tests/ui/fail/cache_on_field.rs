use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
struct Post {
    id: i32,
    #[cache(never)]
    title: String,
}

fn main() {}
