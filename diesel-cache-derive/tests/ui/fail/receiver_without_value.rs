use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(post_save)]
struct Post {
    id: i32,
}

fn main() {}
