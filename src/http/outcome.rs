//! What became of a request.

use std::fmt;

use ::http::HeaderValue;

use crate::bypass::Bypass;
use crate::dependencies::Unstored;

/// The header that says it (RFC 9211).
pub(super) const HEADER: &str = "cache-status";

/// What became of a request; in the extensions of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageOutcome {
    /// The response was found.
    Hit,
    /// It was made, and is stored.
    Stored,
    /// It was made, and could have been stored, but for that.
    Unstored(Unstored),
    /// It was made, and may not be stored.
    Unfit(Unfit),
    /// It was not looked for: the cache could not be used.
    Bypass(Bypass),
    /// It was not looked for: the request forbids it.
    Forbidden(Unfit),
}

/// Why a request or its response is not for the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfit {
    /// The method is not `GET`.
    Method,
    /// The request says who asks, by `Authorization` or `Cookie`, and the layer does not vary on it.
    Personal,
    /// The request asks for a part.
    Range,
    /// The request forbids it, has a content, or conditions that its handler must judge.
    Request,
    /// A layer further out caches it already.
    Nested,
    /// What was to tell requests apart knows no answer.
    Unknown,
    /// The status is not 200.
    Status,
    /// The response is for the one who asked: it sets a cookie, or says that it is private.
    Private,
    /// The response forbids it, or cannot be understood.
    Response,
    /// It varies on what was not known, or on everything.
    Varies,
    /// Its length is not known when it begins, or it is too long.
    Length,
    /// No cached read was told of it.
    Independent,
    /// Its body broke.
    Broken,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "the method is not GET",
            Self::Personal => "the request says who asks",
            Self::Range => "the request asks for a part",
            Self::Request => "the request forbids it",
            Self::Nested => "a layer further out caches it",
            Self::Unknown => "it is not known who asks",
            Self::Status => "the status is not 200",
            Self::Private => "the response is for one client",
            Self::Response => "the response forbids it",
            Self::Varies => "the response varies on what was not known",
            Self::Length => "the response is streamed or too long",
            Self::Independent => "no cached read was told of it",
            Self::Broken => "the body broke",
        })
    }
}

impl fmt::Display for PageOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit => f.write_str("hit"),
            Self::Stored => f.write_str("miss"),
            Self::Unstored(why) => write!(f, "miss (not stored: {why})"),
            Self::Unfit(why) => write!(f, "miss (not stored: {why})"),
            Self::Bypass(reason) => write!(f, "bypass ({reason})"),
            Self::Forbidden(why) => write!(f, "bypass ({why})"),
        }
    }
}

impl PageOutcome {
    /// As `Cache-Status` says it (RFC 9211). Its texts are this crate's own, and hold no quotes.
    pub(super) fn header(&self) -> HeaderValue {
        let text = match self {
            Self::Hit => "diesel-cache; hit".to_owned(),
            Self::Stored => "diesel-cache; fwd=miss; stored".to_owned(),
            Self::Unstored(why) => format!("diesel-cache; fwd=miss; detail=\"{why}\""),
            Self::Unfit(why) => format!("diesel-cache; fwd=miss; detail=\"{why}\""),
            Self::Bypass(reason) => format!("diesel-cache; fwd=bypass; detail=\"{reason}\""),
            Self::Forbidden(Unfit::Method) => "diesel-cache; fwd=method".to_owned(),
            Self::Forbidden(why) => format!("diesel-cache; fwd=request; detail=\"{why}\""),
        };
        let unnamed = HeaderValue::from_static("diesel-cache");
        HeaderValue::try_from(text).unwrap_or(unnamed)
    }
}
