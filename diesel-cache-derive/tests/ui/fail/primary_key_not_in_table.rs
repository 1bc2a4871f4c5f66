use diesel_cache::CacheInvalidate;

diesel::table! {
    posts (id) {
        id -> Integer,
        title -> Text,
    }
}

#[derive(CacheInvalidate)]
#[diesel(primary_key(number))]
struct Post {
    number: i32,
}

fn main() {}
