//! The tables of the cases.

use diesel::prelude::*;

diesel::table! { authors (id) { id -> Integer, name -> Text, country -> Nullable<Text> } }
diesel::table! {
    posts (id) {
        id -> Integer,
        author_id -> Integer,
        title -> Text,
        views -> Integer,
        published -> Bool,
    }
}
diesel::table! {
    comments (id) { id -> Integer, post_id -> Integer, body -> Text, score -> Nullable<Integer> }
}
diesel::table! { reviews (id) { id -> Integer, author_id -> Nullable<Integer>, body -> Text } }
diesel::table! { tags (id) { id -> Integer, label -> Text } }
diesel::table! { watched (id) { id -> Integer, label -> Text } }
diesel::table! { audit (id) { id -> Integer, message -> Text } }
diesel::table! { published_posts (id) { id -> Integer, author_id -> Integer, title -> Text } }
diesel::table! { early_posts (id) { id -> Integer, title -> Text } }

diesel::joinable!(posts -> authors (author_id));
diesel::joinable!(comments -> posts (post_id));
diesel::joinable!(reviews -> authors (author_id));
diesel::allow_tables_to_appear_in_same_query!(authors, posts, comments, reviews, tags);

#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    Queryable,
    Selectable,
    Identifiable,
    AsChangeset,
    QueryableByName,
    Insertable,
    Associations,
)]
#[diesel(table_name = posts, belongs_to(Author))]
pub(super) struct Post {
    pub(super) id: i32,
    pub(super) author_id: i32,
    pub(super) title: String,
    pub(super) views: i32,
    pub(super) published: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, QueryableByName)]
#[diesel(table_name = authors)]
pub(super) struct Author {
    pub(super) id: i32,
    pub(super) name: String,
    pub(super) country: Option<String>,
}

pub(super) const TABLES: &str = "
    CREATE TABLE authors (
        id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL, country VARCHAR(99));
    CREATE TABLE posts (
        id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL, title VARCHAR(99) NOT NULL,
        views INTEGER NOT NULL DEFAULT 0, published BOOLEAN NOT NULL,
        FOREIGN KEY (author_id) REFERENCES authors (id) ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE comments (
        id INTEGER PRIMARY KEY, post_id INTEGER NOT NULL, body VARCHAR(99) NOT NULL, score INTEGER,
        FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE reviews (
        id INTEGER PRIMARY KEY, author_id INTEGER, body VARCHAR(99) NOT NULL,
        FOREIGN KEY (author_id) REFERENCES authors (id) ON DELETE SET NULL ON UPDATE CASCADE);
    CREATE TABLE tags (id INTEGER PRIMARY KEY, label VARCHAR(99) NOT NULL UNIQUE);
    CREATE TABLE watched (id INTEGER PRIMARY KEY, label VARCHAR(99) NOT NULL);
    CREATE TABLE audit (id INTEGER PRIMARY KEY, message VARCHAR(99) NOT NULL);
    CREATE VIEW published_posts AS
        SELECT id, author_id, title FROM posts WHERE published = TRUE;
    CREATE VIEW early_posts AS SELECT id, title FROM published_posts WHERE id < 100;
";

pub(super) const ROWS: &str = "
    INSERT INTO authors VALUES (1, 'ann', 'at'), (2, 'bob', NULL), (3, 'cid', 'ch');
    INSERT INTO posts VALUES (1, 1, 'one', 10, TRUE), (2, 1, 'two', 20, FALSE),
        (3, 2, 'three', 30, TRUE), (4, 2, 'four', 40, TRUE);
    INSERT INTO comments VALUES (1, 1, 'good', 5), (2, 1, 'bad', NULL), (3, 3, 'so so', 3);
    INSERT INTO reviews VALUES (1, 1, 'fine'), (2, NULL, 'nobody'), (3, 2, 'dull');
    INSERT INTO tags VALUES (1, 'red'), (2, 'blue');
    INSERT INTO watched VALUES (1, 'first');
    INSERT INTO audit VALUES (1, 'start');
";
