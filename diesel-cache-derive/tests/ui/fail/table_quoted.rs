use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(table = "`posts`")]
struct Post {
    id: i32,
}

fn main() {}
