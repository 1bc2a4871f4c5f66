use diesel::prelude::*;
use diesel_cache::{CacheInvalidate, CacheModel};

diesel::table! {
    posts (id, r#type) {
        id -> Integer,
        #[sql_name = "kind"]
        r#type -> Text,
        title -> Text,
    }
}

#[derive(Queryable, Selectable, CacheInvalidate)]
#[diesel(table_name = posts, primary_key(id, r#type))]
struct ByIdent {
    #[diesel(column_name = id)]
    key: i32,
    #[diesel(column_name = r#type)]
    kind: String,
}

#[derive(Queryable, Selectable, CacheInvalidate)]
#[diesel(table_name = posts)]
struct ByString {
    #[diesel(column_name = "id")]
    key: i32,
    #[diesel(column_name = "type")]
    kind: String,
}

// Diesel's own derives do not take a path here.
#[derive(CacheInvalidate)]
#[diesel(table_name = posts)]
struct ByPath {
    #[diesel(column_name = posts::columns::id)]
    _key: i32,
}

#[derive(Queryable, Selectable, CacheInvalidate)]
#[diesel(table_name = posts)]
struct Tuple(
    #[diesel(column_name = id)] i32,
    #[diesel(column_name = title)] String,
);

fn main() {
    assert_eq!(ByIdent::PRIMARY_KEY, ["id", "kind"]);
    assert_eq!(ByString::PRIMARY_KEY, ["id"]);
    assert_eq!(ByPath::PRIMARY_KEY, ["id"]);
    assert_eq!(Tuple::PRIMARY_KEY, ["id"]);
}
