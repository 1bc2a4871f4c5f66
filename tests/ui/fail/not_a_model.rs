//! Only models can be registered.
use diesel_cache::Cache;

struct Post;

fn main() {
    Cache::from_url("memory://").unwrap().register::<Post>();
}
