//! The rows.
//!
//! `#[cache(key(…))]` names the columns, besides the primary key, that rows are told apart by: a
//! comment on one post leaves the cached comments of the others alone. That is so on PostgreSQL; on
//! SQLite behind diesel-async's wrapper a write invalidates by table.

use diesel::prelude::*;
use diesel_cache::CacheInvalidate;

use crate::schema::{authors, comments, posts};

#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
pub(crate) struct Author {
    pub(crate) id: i32,
    pub(crate) name: String,
}

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, CacheInvalidate)]
#[cache(key(author_id))]
pub(crate) struct Post {
    pub(crate) id: i32,
    pub(crate) author_id: i32,
    pub(crate) title: String,
    pub(crate) body: String,
}

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, CacheInvalidate)]
#[cache(key(post_id))]
pub(crate) struct Comment {
    pub(crate) id: i32,
    pub(crate) post_id: i32,
    pub(crate) name: String,
    pub(crate) body: String,
}

/// A post in a list.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = posts)]
pub(crate) struct Headline {
    pub(crate) id: i32,
    pub(crate) title: String,
    #[diesel(embed)]
    pub(crate) author: Author,
}
