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
//! - The request has no `Authorization`, `Cookie` or `Range`: unless the layer was told to
//!   [vary on](CacheLayer::vary_on) them, who asks may not be told apart. Nor has it
//!   `Cache-Control: no-store`; with `no-cache`, or a `max-age` of zero, the response is made anew.
//! - The response has no `Set-Cookie`, and its `Cache-Control` says neither `private`, `no-store` nor
//!   `no-cache`. `s-maxage` or `max-age` shorten its time to live.
//! - It has no `Vary: *`. What else it varies on becomes a part of its name: a path is asked once
//!   before that is known.
//! - Its length is known when it begins, and no more than [`max_body`](CacheLayer::max_body): what is
//!   streamed is passed on as it comes. A layer that compresses belongs outside of this one.
//! - At least one cached read was told of it, and nothing else was read in the handler, nothing was
//!   written, and no read bypassed the cache: the terms are those of
//!   [`Value::get_or_insert_with`](crate::Value::get_or_insert_with). What the handler reads without
//!   the cache is named by [`depends_on`](CacheLayer::depends_on) or [`tag`](CacheLayer::tag).
//!
//! What counts for the handler is its own task. **What it spawns is not seen**, neither reads nor
//! writes: await such reads in the handler, or mark the response `Cache-Control: private`.
//!
//! Responses are kept apart by the authority and the path, with the query, and by what they vary on. Where
//! anything else decides what a handler answers (the address of the client, a state of its own),
//! the response must say `Cache-Control: private`; where a connection's session does (its search path or
//! role), the tenant belongs into the path, the host, or a header that the layer varies on.
//!
//! # What is promised
//!
//! A response that is found is not older than the last commit of what it depends on, exactly as the cached
//! reads that it was made from. Of several requests for the same one handler runs, and the others wait.
//! If its client hangs up, the next of them runs its own.
//!
//! Each response that may be stored has an `ETag`, its handler's or one of its content, and is
//! answered with 304 to whoever has it (RFC 9110, section 13). One that was found has an `Age`, and
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
