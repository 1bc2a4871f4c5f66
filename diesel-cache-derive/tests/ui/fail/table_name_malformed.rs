use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[diesel(table_name = posts<i32>)]
struct Post {
    id: i32,
}

fn main() {}
