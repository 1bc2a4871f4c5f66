//! `.cached()` comes last.
use diesel::prelude::*;
use diesel_cache::CachedDsl;

diesel::table! { posts (id) { id -> Integer, title -> Text } }

fn main() {
    let _ = posts::table.cached().filter(posts::id.eq(1));
}
