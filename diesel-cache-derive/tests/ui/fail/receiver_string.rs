use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(post_save = "audit")]
struct Post {
    id: i32,
}

fn main() {}
