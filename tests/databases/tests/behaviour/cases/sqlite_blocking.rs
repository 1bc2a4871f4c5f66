//! The cases that only Diesel's own connections to SQLite have.

use diesel::prelude::*;

use super::reads::*;
use super::schema::{Post, posts};
use super::world::Write::Run;
use super::world::{Case, miss};

pub(super) fn cases() -> Vec<Case> {
    vec![miss(
        "save_changes",
        by_key,
        Run(|w| {
            let mut post: Post = posts::table.find(1).first(&mut w.b).unwrap();
            post.views = 17;
            let _: Post = post.save_changes(&mut w.b).unwrap();
        }),
    )]
}
