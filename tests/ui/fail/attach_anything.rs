//! A cache is attached to connections.
use diesel_cache::Cache;

fn main() {
    let _ = Cache::from_url("memory://").unwrap().attach(&mut 7);
}
