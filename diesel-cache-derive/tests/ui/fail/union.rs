use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
union Post {
    id: i32,
}

fn main() {}
