//! What went wrong, as a page. What the database said is for the log alone.

use std::error::Error;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use diesel_async::pooled_connection::deadpool::PoolError;

use crate::foot::Foot;
use crate::views::{self, Apology};

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing has this address; and what was read to find that out.
    NotFound(Foot),
    /// Nothing of that kind can be done here.
    NotAllowed,
    /// What was sent is no form of this blog.
    Unreadable(StatusCode),
    /// It is none of the visitor's business.
    Internal(Box<dyn Error + Send + Sync>),
}

impl From<diesel::result::Error> for Failure {
    fn from(error: diesel::result::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        Self::Internal(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, title, text) = match &self {
            Self::NotFound(_) => (
                StatusCode::NOT_FOUND,
                "Not found",
                "There is no such page, or no longer.",
            ),
            Self::NotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "Not possible",
                "This page cannot be asked for that.",
            ),
            Self::Unreadable(status) => (
                *status,
                "Not understood",
                "What your browser sent could not be read. Nothing was written.",
            ),
            Self::Internal(error) => {
                eprintln!("error: {error}");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Something went wrong",
                    "It is not your fault. Please try again in a while.",
                )
            }
        };
        let foot = match self {
            Self::NotFound(foot) => foot,
            _ => Foot::default(),
        };
        views::page(status, &Apology { title, text, foot })
    }
}
