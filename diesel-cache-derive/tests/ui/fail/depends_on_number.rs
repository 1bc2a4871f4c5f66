use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(depends_on(1, "authors"))]
struct Post {
    id: i32,
}

fn main() {}
