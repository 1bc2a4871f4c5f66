use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
struct Post;

fn main() {}
