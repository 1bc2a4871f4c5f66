use diesel::prelude::*;
use diesel_cache::{CacheInvalidate, CacheModel};

use diesel::dsl;

diesel::table! {
    posts (number) {
        number -> Integer,
        title -> Text,
        body -> Nullable<Text>,
    }
}

// The values hold commas, angle brackets and the names of keys.
#[derive(HasQuery, CacheInvalidate)]
#[diesel(base_query = posts::table.filter(posts::number.gt(0).and(posts::title.ne("a, b"))))]
#[diesel(base_query_type = dsl::Filter<posts::table, dsl::And<dsl::Gt<posts::number, i32>, dsl::NotEq<posts::title, &'static str>>>)]
#[diesel(table_name = posts)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite), primary_key(number))]
struct Post {
    number: i32,
    #[diesel(select_expression = posts::body.is_not_null())]
    #[diesel(select_expression_type = dsl::IsNotNull<posts::body>)]
    has_body: bool,
}

#[derive(CacheInvalidate)]
#[diesel(of_the_future, and = Of<The, Past>, table_name = posts, more(primary_key(x)))]
#[diesel(primary_key(number))]
struct Unknown {
    #[diesel(of_the_future = 1 + 1, column_name = number)]
    _field: i32,
}

fn main() {
    assert_eq!(Post::TABLE, "posts");
    assert_eq!(Post::PRIMARY_KEY, ["number"]);
    assert_eq!(Unknown::PRIMARY_KEY, ["number"]);
}
