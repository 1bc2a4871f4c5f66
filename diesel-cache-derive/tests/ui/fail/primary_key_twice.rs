use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[diesel(primary_key(id, id))]
struct Post {
    id: i32,
}

fn main() {}
