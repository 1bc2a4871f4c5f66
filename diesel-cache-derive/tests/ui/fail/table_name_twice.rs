use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[diesel(table_name = posts)]
#[diesel(table_name = articles)]
struct Post {
    id: i32,
}

fn main() {}
