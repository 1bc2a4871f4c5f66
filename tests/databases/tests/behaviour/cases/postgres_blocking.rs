//! The cases that only Diesel's own connections to PostgreSQL have.

use diesel::prelude::*;

use super::reads::*;
use super::schema::{Post, posts, tags};
use super::shared::set_views;
use super::world::Write::Run;
use super::world::{Case, hit, miss};

pub(super) fn cases() -> Vec<Case> {
    vec![
        miss(
            "save_changes",
            by_key,
            Run(|w| {
                let mut post: Post = posts::table.find(1).first(&mut w.b).unwrap();
                post.views = 17;
                let _: Post = post.save_changes(&mut w.b).unwrap();
            }),
        ),
        miss(
            "copy from",
            all_tags,
            Run(|w| {
                diesel::copy_from(tags::table)
                    .from_insertable(vec![(tags::id.eq(30), tags::label.eq("copied"))])
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "build_transaction, serializable",
            by_key,
            Run(|w| {
                w.b.build_transaction()
                    .serializable()
                    .run(|conn| set_views(conn, 1, 3))
                    .unwrap();
            }),
        ),
        hit(
            "copy to",
            by_key,
            Run(|w| {
                use std::io::Read as _;
                let mut text = String::new();
                diesel::copy_to(posts::table)
                    .load_raw(&mut w.b)
                    .unwrap()
                    .read_to_string(&mut text)
                    .unwrap();
                assert!(text.contains("one"));
            }),
        ),
    ]
}
