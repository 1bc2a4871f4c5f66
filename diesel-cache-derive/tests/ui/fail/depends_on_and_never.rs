use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(never, depends_on("authors"))]
struct Post {
    id: i32,
}

fn main() {}
