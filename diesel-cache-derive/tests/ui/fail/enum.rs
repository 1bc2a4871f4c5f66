use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
enum Post {
    Draft,
}

fn main() {}
