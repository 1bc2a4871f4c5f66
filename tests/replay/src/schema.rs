//! The blog's tables.

diesel::table! {
    authors (id) {
        id -> Integer,
        name -> Text,
    }
}

diesel::table! {
    posts (id) {
        id -> Integer,
        author_id -> Integer,
        title -> Text,
        body -> Text,
        views -> Integer,
        published -> Bool,
    }
}

diesel::table! {
    comments (id) {
        id -> Integer,
        post_id -> Integer,
        author_id -> Integer,
        body -> Text,
    }
}

diesel::joinable!(posts -> authors (author_id));
diesel::joinable!(comments -> posts (post_id));
diesel::joinable!(comments -> authors (author_id));
diesel::allow_tables_to_appear_in_same_query!(authors, comments, posts);
