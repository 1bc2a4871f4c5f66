use diesel_cache::CacheInvalidate;

diesel::table! {
    posts (id) {
        id -> Integer,
    }
}

const AUDIT: &str = "audit";

#[derive(CacheInvalidate)]
#[cache(post_save = AUDIT)]
struct Post {
    id: i32,
}

fn main() {}
