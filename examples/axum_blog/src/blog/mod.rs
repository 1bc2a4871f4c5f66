//! The application. Its parent says what a connection is.

mod forms;
mod pages;
mod reads;
mod seed;
mod sitemap;
mod writes;

use std::error::Error;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use diesel_async::SimpleAsyncConnection;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_cache::asynchronous::AsyncCache;
use diesel_cache::http::CacheLayer;

use super::{Connection, TABLES};
use crate::drafts::FORM;
use crate::failure::Failure;
use crate::foot::Foot;

/// What every handler has.
#[derive(Clone)]
pub(super) struct App {
    pub(super) cache: AsyncCache,
    pub(super) pool: Pool<Connection>,
}

/// Makes the tables where there are none, and the routes.
///
/// # Errors
/// If the database cannot be reached, or will not have the tables.
pub(super) async fn app(app: App) -> Result<Router, Box<dyn Error + Send + Sync>> {
    let mut conn = app.pool.get().await?;
    conn.batch_execute(TABLES).await?;
    seed::plant(&app.cache, &mut conn).await?;
    drop(conn);
    let sitemap = get(sitemap::sitemap).layer(CacheLayer::new(&app.cache));
    Ok(Router::new()
        .route("/", get(pages::front))
        .route("/posts", post(forms::post))
        .route("/posts/new", get(forms::blank))
        .route("/posts/{id}", get(pages::post))
        .route("/posts/{id}/comments", post(forms::comment))
        .route("/authors/{id}", get(pages::author))
        .route("/sitemap.xml", sitemap)
        .fallback(async || Failure::NotFound(Foot::default()))
        .method_not_allowed_fallback(async || Failure::NotAllowed)
        .layer(DefaultBodyLimit::max(FORM))
        .with_state(app))
}
