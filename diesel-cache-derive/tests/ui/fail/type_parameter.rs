use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
struct Post<T> {
    id: i32,
    body: T,
}

fn main() {}
