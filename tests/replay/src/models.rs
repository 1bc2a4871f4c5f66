//! The blog's models, as an application writes them.

use diesel::prelude::*;
use diesel_cache::CacheInvalidate;
use serde::Deserialize;

use crate::schema::{authors, comments, posts};

#[derive(
    Debug,
    Clone,
    PartialEq,
    Queryable,
    Selectable,
    Identifiable,
    Insertable,
    AsChangeset,
    CacheInvalidate,
)]
pub(crate) struct Author {
    pub(crate) id: i32,
    pub(crate) name: String,
}

#[derive(
    Debug,
    Clone,
    PartialEq,
    Queryable,
    Selectable,
    Identifiable,
    Insertable,
    AsChangeset,
    CacheInvalidate,
)]
#[cache(key(author_id))]
pub(crate) struct Post {
    pub(crate) id: i32,
    pub(crate) author_id: i32,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) views: i32,
    pub(crate) published: bool,
}

#[derive(
    Debug,
    Clone,
    PartialEq,
    Deserialize,
    Queryable,
    Selectable,
    Identifiable,
    Insertable,
    AsChangeset,
    CacheInvalidate,
)]
#[cache(key(post_id))]
pub(crate) struct Comment {
    pub(crate) id: i32,
    pub(crate) post_id: i32,
    pub(crate) author_id: i32,
    pub(crate) body: String,
}
