use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
struct Post {
    post_id: i32,
    title: String,
}

fn main() {}
