//! A blog: pages from axum, rows from diesel-async, and every read through diesel-cache.
//!
//! `cargo run --package axum_blog` needs no server: rows are in a temporary SQLite file and the
//! cache is in memory. `DATABASE_URL` and `CACHE_URL` name others, see README.md. The foot of each
//! page tells what became of the reads that it is made from.
//!
//! # Layout
//!
//! - `settings.rs`: what the environment says; `serve.rs`: listening, and ending cleanly
//! - `schema.rs`, `models.rs`: the tables and their rows
//! - `postgres.rs`, `sqlite.rs`: a pool that the cache is attached to
//! - `blog/`: the application itself: its reads, its writes, its pages, and a sitemap that is cached
//!   as a whole
//! - `foot.rs`: what became of the reads of one page
//! - `drafts.rs`, `extract.rs`: what visitors send, and what is wrong with it
//! - `views.rs`, `failure.rs`: the templates' values, and the pages of what went wrong
//!
//! Diesel's queries are typed by their database, so `blog/` is compiled once for each of the two:
//! it says `super::Connection`, and both parents have one. With a single database, as most
//! applications have, it is an ordinary module.
#![allow(
    clippy::duplicate_mod,
    reason = "the application is compiled once per database"
)]

mod drafts;
mod extract;
mod failure;
mod foot;
mod models;
mod postgres;
mod schema;
mod serve;
mod settings;
mod sqlite;
mod views;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use diesel_cache::asynchronous::AsyncCache;

use crate::models::{Comment, Post};
use crate::settings::{Database, Settings};

/// How long visitors, and then the store, are waited for at the end.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let scratch = tempfile::tempdir()?;
    let settings = Settings::from_env(&scratch.path().join("blog.sqlite"))?;

    let cache = AsyncCache::from_url(&settings.cache)?;
    cache.register::<Comment>();
    cache.register::<Post>();
    let app = match &settings.database {
        Database::Postgres(url) => postgres::app(url, cache.clone()).await?,
        Database::Sqlite(file) => sqlite::app(file, cache.clone()).await?,
    };

    serve::until_told(app, settings.port, PATIENCE).await?;
    if !cache.shutdown(PATIENCE).await {
        eprintln!("warning: the store could not be told of everything that was written");
    }
    Ok(())
}
