//! The pages to read.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{App, reads};
use crate::extract::Id;
use crate::failure::Failure;
use crate::foot::Foot;
use crate::views::{self, AuthorPage, CommentForm, Front, PostPage};

pub(super) async fn front(State(app): State<App>) -> Result<Response, Failure> {
    let mut foot = Foot::default();
    let mut conn = app.pool.get().await?;
    let latest = reads::latest(&mut conn, &mut foot).await?;
    let authors = reads::authors(&mut conn, &mut foot).await?;
    let page = Front {
        latest,
        authors,
        foot,
    };
    Ok(views::page(StatusCode::OK, &page))
}

pub(super) async fn post(State(app): State<App>, Id(id): Id) -> Result<Response, Failure> {
    let mut foot = Foot::default();
    let mut conn = app.pool.get().await?;
    let Some((post, author)) = reads::post(&mut conn, &mut foot, id).await? else {
        return Err(Failure::NotFound(foot));
    };
    let comments = reads::comments(&mut conn, &mut foot, id).await?;
    let form = CommentForm {
        post_id: id,
        ..CommentForm::default()
    };
    let page = PostPage {
        post,
        author,
        comments,
        form,
        foot,
    };
    Ok(views::page(StatusCode::OK, &page))
}

pub(super) async fn author(State(app): State<App>, Id(id): Id) -> Result<Response, Failure> {
    let mut foot = Foot::default();
    let mut conn = app.pool.get().await?;
    let Some(author) = reads::author(&mut conn, &mut foot, id).await? else {
        return Err(Failure::NotFound(foot));
    };
    let posts = reads::posts_of(&mut conn, &mut foot, id).await?;
    let page = AuthorPage {
        author,
        posts,
        foot,
    };
    Ok(views::page(StatusCode::OK, &page))
}
