use diesel_cache::CacheInvalidate;

diesel::table! {
    posts (id) {
        id -> Integer,
        title -> Text,
    }
}


diesel::table! {
    authors (id) {
        id -> Integer,
    }
}

#[derive(CacheInvalidate)]
#[cache(depends_on(authrs))]
struct Post {
    id: i32,
}

fn main() {}
