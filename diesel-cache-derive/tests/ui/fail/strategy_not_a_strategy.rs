use diesel_cache::CacheInvalidate;

diesel::table! {
    posts (id) {
        id -> Integer,
    }
}

struct Fast;

#[derive(CacheInvalidate)]
#[cache(strategy = Fast)]
struct Post {
    id: i32,
}

fn main() {}
