//! The blog on SQLite, whose statements run on threads that may block.

use std::error::Error;
use std::path::Path;

use axum::Router;
use diesel::SqliteConnection;
use diesel_async::SimpleAsyncConnection;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_cache::asynchronous::AsyncCache;

type Connection = SyncConnectionWrapper<SqliteConnection>;

/// Of each connection: who writes waits for another who does, and references are checked.
const PRAGMAS: &str = "
    PRAGMA busy_timeout = 5000;
    PRAGMA journal_mode = WAL;
    PRAGMA foreign_keys = ON;";

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS authors (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS posts (
        id INTEGER PRIMARY KEY,
        author_id INTEGER NOT NULL REFERENCES authors (id),
        title TEXT NOT NULL,
        body TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS comments (
        id INTEGER PRIMARY KEY,
        post_id INTEGER NOT NULL REFERENCES posts (id),
        name TEXT NOT NULL,
        body TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS posts_by_author ON posts (author_id);
    CREATE INDEX IF NOT EXISTS comments_by_post ON comments (post_id);";

/// The blog in this file.
pub(crate) async fn app(
    file: &Path,
    cache: AsyncCache,
) -> Result<Router, Box<dyn Error + Send + Sync>> {
    let file = file.to_str().ok_or("the file's name is not UTF-8")?;
    let manager = AsyncDieselConnectionManager::new_with_config(
        file,
        // Before the cache asks the database anything: that must be able to wait already.
        cache.manager_config_with(|conn: &mut Connection| Box::pin(conn.batch_execute(PRAGMAS))),
    );
    let pool: Pool<Connection> = Pool::builder(manager).build()?;
    blog::app(blog::App { cache, pool }).await
}

#[path = "blog/mod.rs"]
mod blog;
