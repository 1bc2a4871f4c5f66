use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(depends_on = "authors")]
struct Post {
    id: i32,
}

fn main() {}
