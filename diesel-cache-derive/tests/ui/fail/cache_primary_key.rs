use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(primary_key(id))]
struct Post {
    id: i32,
}

fn main() {}
