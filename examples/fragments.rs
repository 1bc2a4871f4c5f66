//! A rendered page, cached as a whole and by its parts, which depend on models.
//!
//! `cargo run --example fragments` builds a small blog in memory, renders its front page again
//! and again between writes, and says which parts were rendered anew. It checks its own
//! output: every page is compared with one that was rendered without the cache.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]
#![allow(missing_docs, reason = "the tables' modules are the macro's")]

use std::cell::RefCell;
use std::error::Error;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Cache, CacheInvalidate, CachedDsl, Dependencies, SaveDsl};

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
        views -> Integer,
    }
}

diesel::joinable!(posts -> authors (author_id));
diesel::allow_tables_to_appear_in_same_query!(authors, posts);

#[derive(Clone, Queryable, Selectable, Identifiable, AsChangeset, CacheInvalidate)]
struct Author {
    id: i32,
    name: String,
}

#[derive(Clone, Queryable, Selectable, Identifiable, AsChangeset, CacheInvalidate)]
struct Post {
    id: i32,
    author_id: i32,
    title: String,
    views: i32,
}

/// Renders the page, and remembers which parts it rendered.
struct Site {
    cache: Cache,
    rendered: RefCell<Vec<&'static str>>,
}

impl Site {
    /// The page as a whole: it depends on whatever its parts depend on.
    fn page(&self, conn: &mut SqliteConnection) -> QueryResult<String> {
        self.cache.get_or_insert_with("page", |page| {
            self.rendered.borrow_mut().push("page");
            let sidebar = self.sidebar(conn, page)?;
            let posts = self.posts(conn, page)?;
            Ok(format!("<aside>{sidebar}</aside><main>{posts}</main>"))
        })
    }

    /// A part with a name of its own, told to the page around it.
    fn sidebar(&self, conn: &mut SqliteConnection, page: &Dependencies) -> QueryResult<String> {
        let part = self.cache.value("sidebar").within(page).tag("layout");
        part.get_or_insert_with(|part| {
            self.rendered.borrow_mut().push("sidebar");
            let names: Vec<String> = authors::table
                .select(authors::name)
                .order(authors::name)
                .cached()
                .within(part)
                .load(conn)?;
            Ok(names.join(" "))
        })
    }

    fn posts(&self, conn: &mut SqliteConnection, page: &Dependencies) -> QueryResult<String> {
        let part = self.cache.value("posts").within(page).tag("layout");
        part.get_or_insert_with(|part| {
            self.rendered.borrow_mut().push("posts");
            let posts: Vec<(String, String, i32)> = posts::table
                .inner_join(authors::table)
                .select((posts::title, authors::name, posts::views))
                .order(posts::id)
                .cached()
                .within(part)
                .load(conn)?;
            let render = |(title, author, views)| format!("<p>{title} ({author}, {views})</p>");
            Ok(posts.into_iter().map(render).collect())
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut conn = SqliteConnection::establish(":memory:")?;
    conn.batch_execute(
        "CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE posts (id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL,
             title TEXT NOT NULL, views INTEGER NOT NULL);
         CREATE TABLE sessions (id INTEGER PRIMARY KEY);
         INSERT INTO authors VALUES (1, 'Ada'), (2, 'Brian');
         INSERT INTO posts VALUES (1, 1, 'Engines', 10), (2, 2, 'Shells', 20);",
    )?;
    let cache = Cache::from_url("memory://")?;
    cache.attach(&mut conn)?;
    let site = Site {
        cache: cache.clone(),
        rendered: RefCell::default(),
    };

    let expect = |conn: &mut SqliteConnection, what: &str, parts: &[&str]| -> QueryResult<()> {
        let page = site.page(conn)?;
        let rendered = site.rendered.take();
        println!(
            "{what:32} rendered: {}",
            if rendered.is_empty() {
                "nothing".into()
            } else {
                rendered.join(", ")
            }
        );
        assert_eq!(rendered, parts, "{what}");
        cache.set_enabled(false);
        assert_eq!(page, site.page(conn)?, "{what}: the page is fresh");
        cache.set_enabled(true);
        site.rendered.take();
        Ok(())
    };

    expect(&mut conn, "the first visit", &["page", "sidebar", "posts"])?;
    expect(&mut conn, "the second visit", &[])?;

    let mut post: Post = posts::table
        .find(1)
        .select(Post::as_select())
        .first(&mut conn)?;
    post.title = "Difference engines".into();
    post.save(&mut conn)?;
    expect(&mut conn, "a post was saved", &["page", "posts"])?;

    let mut author: Author = authors::table
        .find(2)
        .select(Author::as_select())
        .first(&mut conn)?;
    author.name = "Brian K.".into();
    author.save(&mut conn)?;
    expect(
        &mut conn,
        "an author was renamed",
        &["page", "sidebar", "posts"],
    )?;

    diesel::update(posts::table)
        .set(posts::views.eq(posts::views + 1))
        .execute(&mut conn)?;
    expect(&mut conn, "all posts in bulk", &["page", "posts"])?;

    diesel::sql_query("INSERT INTO sessions VALUES (1)").execute(&mut conn)?;
    expect(&mut conn, "a table that the page ignores", &[])?;

    let rolled_back = conn.transaction(|conn| -> QueryResult<()> {
        diesel::delete(posts::table).execute(conn)?;
        Err(diesel::result::Error::RollbackTransaction)
    });
    assert!(rolled_back.is_err());
    expect(&mut conn, "a delete that was rolled back", &[])?;

    cache.invalidate_tag("layout");
    expect(
        &mut conn,
        "a new layout, by its tag",
        &["page", "sidebar", "posts"],
    )?;

    let stats = cache.stats();
    println!(
        "{} hits, {} misses, all pages fresh",
        stats.hits, stats.misses
    );
    Ok(())
}
