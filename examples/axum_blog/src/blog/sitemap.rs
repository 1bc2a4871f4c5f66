//! Where everything is, for search engines: a page that is cached as a whole. It is made anew when
//! a post or an author comes, goes, or is renamed, though nothing here says so.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::{App, reads};
use crate::failure::Failure;
use crate::foot::Foot;
use crate::views::Sitemap;

pub(super) async fn sitemap(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let mut foot = Foot::default();
    let mut conn = app.pool.get().await?;
    let page = Sitemap {
        host: host.unwrap_or("localhost").to_owned(),
        latest: reads::latest(&mut conn, &mut foot).await?,
        authors: reads::authors(&mut conn, &mut foot).await?,
    };
    match page.render() {
        Ok(xml) => Ok(([(header::CONTENT_TYPE, "application/xml")], xml).into_response()),
        Err(error) => {
            eprintln!("error: {error}");
            Ok(axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
    }
}
