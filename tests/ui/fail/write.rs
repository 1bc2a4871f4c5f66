//! A statement that writes cannot be cached.
use diesel::prelude::*;
use diesel_cache::CachedDsl;

diesel::table! { posts (id) { id -> Integer, title -> Text } }

fn main() {
    let _ = diesel::insert_into(posts::table).values(posts::title.eq("x")).cached();
    let _ = diesel::update(posts::table).set(posts::title.eq("x")).cached();
    let _ = diesel::delete(posts::table).cached();
}
