use diesel::prelude::*;
use diesel_cache::{CacheInvalidate, CacheModel};

diesel::table! {
    r#type (r#fn) {
        #[sql_name = "fn"]
        r#fn -> Integer,
    }
}

#[derive(CacheInvalidate)]
#[diesel(table_name = r#type, primary_key(r#fn))]
struct r#Struct {
    r#fn: i32,
}

diesel::table! {
    #[sql_name = "trait"]
    traits (id) {
        id -> Integer,
    }
}

#[derive(Queryable, Identifiable, CacheInvalidate)]
#[cache(table = "trait", depends_on(r#type))]
struct Trait {
    id: i32,
}

fn main() {
    assert_eq!(r#Struct { r#fn: 1 }.r#fn, 1);
    assert_eq!(r#Struct::TABLE, "type");
    assert_eq!(r#Struct::PRIMARY_KEY, ["fn"]);
    assert_eq!(Trait::TABLE, "trait");
    assert_eq!(Trait::DEPENDS_ON, ["type"]);
}
