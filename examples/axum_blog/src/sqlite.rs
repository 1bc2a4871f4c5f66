//! The blog on SQLite, whose statements run on threads that may block.

use std::error::Error;
use std::path::Path;

use axum::Router;
use diesel::{ConnectionError, ConnectionResult, SqliteConnection};
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
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
    let manager = AsyncDieselConnectionManager::new_with_config(file, config(&cache));
    let pool: Pool<Connection> = Pool::builder(manager).build()?;
    blog::app(blog::App { cache, pool }).await
}

/// The cache's own, but for a connection's first steps: to attach the cache reads the database,
/// and that must be able to wait already.
fn config(cache: &AsyncCache) -> ManagerConfig<Connection> {
    let mut config = cache.manager_config();
    let cache = cache.clone();
    config.custom_setup = Box::new(move |file| Box::pin(connect(file.to_owned(), cache.clone())));
    config
}

async fn connect(file: String, cache: AsyncCache) -> ConnectionResult<Connection> {
    let mut conn = Connection::establish(&file).await?;
    let set = conn.batch_execute(PRAGMAS).await;
    set.map_err(ConnectionError::CouldntSetupConfiguration)?;
    let attached = cache.attach(&mut conn).await;
    attached.map_err(|error| ConnectionError::BadConnection(error.to_string()))?;
    Ok(conn)
}

#[path = "blog/mod.rs"]
mod blog;
