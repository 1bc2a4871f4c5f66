//! What the templates are filled with. They stand in `templates/`, and escape all of it.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::drafts::{BODY, CommentDraft, NAME, PostDraft, TITLE};
use crate::foot::Foot;
use crate::models::{Author, Comment, Headline, Post};

/// The latest posts.
#[derive(Debug, Template)]
#[template(path = "front.html")]
pub(crate) struct Front {
    pub(crate) latest: Vec<Headline>,
    pub(crate) authors: Vec<Author>,
    pub(crate) foot: Foot,
}

/// Where everything is.
#[derive(Debug, Template)]
#[template(path = "sitemap.xml")]
pub(crate) struct Sitemap {
    pub(crate) host: String,
    pub(crate) latest: Vec<Headline>,
    pub(crate) authors: Vec<Author>,
}

/// A post with its comments.
#[derive(Debug, Template)]
#[template(path = "post.html")]
pub(crate) struct PostPage {
    pub(crate) post: Post,
    pub(crate) author: Author,
    pub(crate) comments: Vec<Comment>,
    pub(crate) form: CommentForm,
    pub(crate) foot: Foot,
}

/// What an author wrote.
#[derive(Debug, Template)]
#[template(path = "author.html")]
pub(crate) struct AuthorPage {
    pub(crate) author: Author,
    pub(crate) posts: Vec<Headline>,
    pub(crate) foot: Foot,
}

/// The form for a comment.
#[derive(Debug, Default)]
pub(crate) struct CommentForm {
    pub(crate) post_id: i32,
    pub(crate) draft: CommentDraft,
    pub(crate) problems: Vec<String>,
}

/// A page with nothing but that form: what was sent cannot be written as it is.
#[derive(Debug, Template)]
#[template(path = "write_comment.html")]
pub(crate) struct WriteComment {
    pub(crate) form: CommentForm,
    pub(crate) foot: Foot,
}

/// The form for a post.
#[derive(Debug, Default, Template)]
#[template(path = "write_post.html")]
pub(crate) struct WritePost {
    pub(crate) draft: PostDraft,
    pub(crate) problems: Vec<String>,
    pub(crate) foot: Foot,
}

/// What to say when something went wrong.
#[derive(Debug, Template)]
#[template(path = "apology.html")]
pub(crate) struct Apology {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) foot: Foot,
}

/// Fills a template.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            eprintln!("error: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
