//! Whole HTTP responses, cached as long as the reads are valid that they were made from.
//!
//! ```
//! # #[cfg(feature = "async-sqlite")]
//! # fn router() -> Result<(), diesel_cache::Error> {
//! use std::convert::Infallible;
//!
//! use diesel_cache::asynchronous::AsyncCache;
//! use diesel_cache::http::CacheLayer;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower_layer::Layer;
//!
//! # #[derive(Clone)]
//! # struct Pages;
//! # impl tower_service::Service<Request<()>> for Pages {
//! #     type Response = Response<Full<bytes::Bytes>>;
//! #     type Error = Infallible;
//! #     type Future = std::future::Ready<Result<Self::Response, Infallible>>;
//! #     fn poll_ready(
//! #         &mut self,
//! #         _: &mut std::task::Context<'_>,
//! #     ) -> std::task::Poll<Result<(), Infallible>> {
//! #         std::task::Poll::Ready(Ok(()))
//! #     }
//! #     fn call(&mut self, _: Request<()>) -> Self::Future {
//! #         std::future::ready(Ok(Response::new(Full::default())))
//! #     }
//! # }
//! # let pages = Pages;
//! let cache = AsyncCache::from_url("memory://")?;
//! // For axum: `Router::new().route("/", get(page)).layer(CacheLayer::new(&cache))`.
//! let cached = CacheLayer::new(&cache).layer(pages);
//! # drop(cached);
//! # Ok(())
//! # }
//! ```
//!
//! A handler changes nothing: the cached reads that run inside of it tell the response what it depends
//! on. As soon as a write invalidates one of them, the response is made anew.
//!
//! # What is stored
//!
//! The response to a `GET`, with the status 200, if all of this holds. If not, it is passed on as it is.
//!
//! - The request has no `Authorization`, `Cookie`, `Range`, conditions that its handler must judge, or
//!   content. That a response says `Vary: Cookie` does not change that, only that the layer was told to
//!   [`vary_on`](CacheLayer::vary_on) it: nothing else tells when a session ends. Nor has it
//!   `Cache-Control: no-store`; with `no-cache`, or a `max-age` of zero, the response is made anew.
//! - The response has no `Set-Cookie`, and its `Cache-Control` says neither `private`, `no-store` nor
//!   `no-cache`. `s-maxage`, `max-age` or `Expires` shorten its time to live.
//! - It has no `Vary: *`. What else it varies on becomes a part of its name: a path is asked once
//!   before that is known.
//! - Its length is known when it begins, and no more than [`max_body`](CacheLayer::max_body): what is
//!   streamed is passed on as it comes. A layer that compresses belongs outside of this one.
//! - At least one cached read was told of it, and nothing else was read in the handler, nothing was
//!   written, and no read bypassed the cache or was given up: the terms are those of
//!   [`Value::get_or_insert_async`](crate::Value::get_or_insert_async). What the handler reads without
//!   the cache is named by [`depends_on`](CacheLayer::depends_on) or [`tag`](CacheLayer::tag).
//!
//! What counts for the handler is its own task. **What it spawns is not seen**, neither reads nor
//! writes; nor is what it takes from a future that it shares with others, if another polled it first.
//! Await reads in the handler itself, or mark the response `Cache-Control: private`.
//!
//! # What tells responses apart
//!
//! The layer ([`named`](CacheLayer::named), or where it is made), the URI, the authority and `Host`, and
//! the headers that they vary on. **Anything else that decides what a handler answers must be told**
//! by [`vary_by`](CacheLayer::vary_by): who an outer layer has authenticated by other means (a
//! certificate, a header of its own), `X-Forwarded-Host`, the address of the client, or that a connection's
//! session has another search path or role. Or the response says `Cache-Control: private`.
//!
//! A router that is nested takes its part of the path away before the layers inside of it see it:
//! with the feature `axum` the whole path is known all the same. Without it, and with other frameworks, the
//! layer belongs outside of what nests.
//!
//! # What is promised
//!
//! A response that is found is not older than the last commit of what it depends on, exactly as the cached
//! reads that it was made from. Of several requests for the same one handler runs, and the others wait.
//! If its client hangs up, the next of them runs its own; if what comes of it may not be stored, each
//! does. A successful request of a method that is not safe invalidates the responses of its URI (RFC
//! 9111, section 4.4).
//!
//! Each response that may be stored has an `ETag`, its handler's or one of its content; who has a
//! response already is answered with 304 (RFC 9110, section 13). One that was found has an `Age`, and
//! each says in `Cache-Status` (RFC 9211) what became of it and why; so does the [`PageOutcome`] in its
//! extensions.

mod body;
mod layer;
mod outcome;
mod page;
mod policy;
mod service;

pub use self::body::Body;
pub use self::layer::CacheLayer;
pub use self::outcome::{PageOutcome, Unfit};
pub use self::service::CacheService;
