//! The forms to write with. What was written is shown by a redirect, so that to load a page again
//! never writes twice.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::{App, writes};
use crate::drafts::{CommentDraft, PostDraft};
use crate::extract::{Id, Sent};
use crate::failure::Failure;
use crate::foot::Foot;
use crate::views::{self, CommentForm, WriteComment, WritePost};

pub(super) async fn blank() -> Response {
    views::page(StatusCode::OK, &WritePost::default())
}

pub(super) async fn post(
    State(app): State<App>,
    Sent(mut draft): Sent<PostDraft>,
) -> Result<Response, Failure> {
    let problems = draft.problems();
    if !problems.is_empty() {
        let page = WritePost {
            draft,
            problems,
            foot: Foot::default(),
        };
        return Ok(views::page(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let id = to_the_end(async move {
        let mut conn = app.pool.get().await?;
        Ok(writes::post(&app.cache, &mut conn, &draft).await?)
    })
    .await?;
    Ok(Redirect::to(&format!("/posts/{id}")).into_response())
}

pub(super) async fn comment(
    State(app): State<App>,
    Id(post_id): Id,
    Sent(mut draft): Sent<CommentDraft>,
) -> Result<Response, Failure> {
    let problems = draft.problems();
    if !problems.is_empty() {
        let page = WriteComment {
            form: CommentForm {
                post_id,
                draft,
                problems,
            },
            foot: Foot::default(),
        };
        return Ok(views::page(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let written = to_the_end(async move {
        let mut conn = app.pool.get().await?;
        Ok(writes::comment(&app.cache, &mut conn, post_id, &draft).await?)
    });
    match written.await? {
        true => Ok(Redirect::to(&format!("/posts/{post_id}#comments")).into_response()),
        false => Err(Failure::NotFound(Foot::default())),
    }
}

/// Writes, also for a visitor who has left: axum drops the future of a request that nobody waits
/// for, and half a transaction would keep its locks until the pool looks at its connection again.
async fn to_the_end<T: Send + 'static>(
    write: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    let written = tokio::spawn(write).await;
    written.map_err(|panicked| Failure::Internal(panicked.into()))?
}
