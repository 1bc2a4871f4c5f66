use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(depends_on("authors", "Authors"))]
struct Post {
    id: i32,
}

fn main() {}
