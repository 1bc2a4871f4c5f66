use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[diesel(table_name = "posts")]
struct Post {
    id: i32,
}

fn main() {}
