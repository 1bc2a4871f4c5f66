use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
struct Post<'a> {
    id: i32,
    title: &'a str,
}

fn main() {}
