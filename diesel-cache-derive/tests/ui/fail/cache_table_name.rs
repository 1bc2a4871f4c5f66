use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(table_name = posts)]
struct Post {
    id: i32,
}

fn main() {}
