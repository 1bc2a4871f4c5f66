use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(post_save = audit, post_save = index)]
struct Post {
    id: i32,
}

fn main() {}
