use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
struct Post(#[diesel(column_name = id)] i32, String);

fn main() {}
