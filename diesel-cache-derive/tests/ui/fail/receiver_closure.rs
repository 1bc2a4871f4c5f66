use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(post_save = |_| Ok(()))]
struct Post {
    id: i32,
}

fn main() {}
