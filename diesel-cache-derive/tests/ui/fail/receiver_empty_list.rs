use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(pre_delete = [])]
struct Post {
    id: i32,
}

fn main() {}
