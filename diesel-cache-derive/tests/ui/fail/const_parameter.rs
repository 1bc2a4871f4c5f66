use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
struct Post<const N: usize> {
    id: i32,
    body: [u8; N],
}

fn main() {}
