use diesel::prelude::*;
use diesel_cache::{CacheInvalidate, CacheModel};

diesel::table! {
    posts (id) {
        id -> Text,
        title -> Text,
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Slug(String);

impl From<String> for Slug {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

#[derive(Queryable, Insertable, Identifiable, CacheInvalidate)]
#[diesel(table_name = posts)]
struct Post {
    #[diesel(serialize_as = String, deserialize_as = String)]
    id: Slug,
    title: String,
}

fn main() {
    assert_eq!(Post::PRIMARY_KEY, ["id"]);
}
