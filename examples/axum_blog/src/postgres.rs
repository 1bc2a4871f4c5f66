//! The blog on PostgreSQL.

use std::error::Error;

use axum::Router;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_cache::asynchronous::AsyncCache;

type Connection = AsyncPgConnection;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS authors (
        id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name TEXT NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS posts (
        id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        author_id INTEGER NOT NULL REFERENCES authors (id),
        title TEXT NOT NULL,
        body TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS comments (
        id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        post_id INTEGER NOT NULL REFERENCES posts (id),
        name TEXT NOT NULL,
        body TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS posts_by_author ON posts (author_id);
    CREATE INDEX IF NOT EXISTS comments_by_post ON comments (post_id);";

/// The blog in this database.
pub(crate) async fn app(
    url: &str,
    cache: AsyncCache,
) -> Result<Router, Box<dyn Error + Send + Sync>> {
    let manager = AsyncDieselConnectionManager::new_with_config(url, cache.manager_config());
    let pool: Pool<Connection> = Pool::builder(manager).build()?;
    blog::app(blog::App { cache, pool }).await
}

#[path = "blog/mod.rs"]
mod blog;
