use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[cache(pre_save = 1, post_save = [one, 2], pre_delete = [one, one], post_delete, version = "1", strategy = "x")]
struct Post {
    id: i32,
}

fn main() {}
