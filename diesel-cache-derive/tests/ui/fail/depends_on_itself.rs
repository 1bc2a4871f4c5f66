use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(depends_on("posts"))]
struct Post {
    id: i32,
}

fn main() {}
