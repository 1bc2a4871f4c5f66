use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(depends_on())]
struct Post {
    id: i32,
}

fn main() {}
