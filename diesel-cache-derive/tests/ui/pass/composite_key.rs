use diesel::prelude::*;
use diesel_cache::{CacheInvalidate, CacheModel};

diesel::table! {
    votes (voter_id, post_id) {
        voter_id -> Integer,
        post_id -> Integer,
        up -> Bool,
    }
}

#[derive(Queryable, Identifiable, CacheInvalidate)]
#[diesel(primary_key(post_id, voter_id))]
struct Vote {
    voter_id: i32,
    post_id: i32,
    up: bool,
}

fn main() {
    assert_eq!(Vote::PRIMARY_KEY, ["post_id", "voter_id"]);
}
