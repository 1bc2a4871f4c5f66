//! The way of a request.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use ::http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, HeaderName, PROXY_AUTHORIZATION};
use ::http::request::Parts;
use ::http::{HeaderMap, Request, Response, Uri};
use bytes::Bytes;
use tower_service::Service;

use super::body::{self, Body};
use super::page::{Conditions, Page};
use super::{CacheLayer, PageOutcome, Unfit, outcome, policy};
use crate::asynchronous::AsyncCache;
use crate::dependencies::Dependencies;
use crate::outcome::{Outcome, Report};

/// A service whose responses are cached; made by [`CacheLayer`].
#[derive(Debug, Clone)]
pub struct CacheService<S> {
    inner: S,
    layer: Arc<CacheLayer>,
}

/// What a handler came to that is not to be kept.
enum Passed<E> {
    Response(Box<Response<Body>>, Unfit),
    Failed(E),
}

impl<S> CacheService<S> {
    pub(super) fn new(inner: S, layer: CacheLayer) -> Self {
        let layer = Arc::new(layer);
        Self { inner, layer }
    }
}

/// That a request has met a layer.
#[derive(Debug, Clone, Copy)]
struct Met;

impl<S, Asked, Made> Service<Request<Asked>> for CacheService<S>
where
    S: Service<Request<Asked>, Response = Response<Made>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    Asked: http_body::Body + Send + 'static,
    Made: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<Asked>) -> Self::Future {
        // The one that is ready is used, and its clone left.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let layer = Arc::clone(&self.layer);
        Box::pin(async move {
            let says_status = layer.says_status;
            let (mut response, outcome) = answer(inner, layer, request).await?;
            if says_status {
                let name = HeaderName::from_static(outcome::HEADER);
                response.headers_mut().append(name, outcome.header());
            }
            response.extensions_mut().insert(outcome);
            Ok(response)
        })
    }
}

/// A request that a response may be kept for.
struct Wanted {
    /// What all responses of that URI can be invalidated by.
    label: String,
    name: String,
    refresh: bool,
    varied: Vec<HeaderName>,
}

/// What a request wants of the cache.
///
/// # Errors
/// Why it is not for the cache.
fn wanted(layer: &CacheLayer, head: &Parts, has_content: bool) -> Result<Wanted, Unfit> {
    // rule: a-request-is-cached-once
    if head.extensions.get::<Met>().is_some() {
        return Err(Unfit::Nested);
    }
    let by = match &layer.by {
        Some(by) => Some((by.0)(head).ok_or(Unfit::Unknown)?),
        None => None,
    };
    let mut told = layer.varied.clone();
    if by.is_some() {
        told.extend([AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION]);
    }
    let asked = policy::request(head, &told)?;
    if has_content {
        return Err(Unfit::Request);
    }
    let varied = layer.varied(head.uri.path());
    let label = label(layer, head);
    Ok(Wanted {
        name: format!(
            "{label}{}\n\n{}",
            policy::variant(head, &varied),
            by.unwrap_or_default().escape_ascii()
        ),
        label,
        refresh: asked.refresh && layer.refreshes,
        varied,
    })
}

fn label(layer: &CacheLayer, head: &Parts) -> String {
    let target = policy::target(head, &uri(head));
    format!("http page\n{}\n{target}", layer.place.escape_debug())
}

/// What was asked for. A nested router of axum's takes its own part of the path away.
// rule: a-page-goes-by-the-whole-path
fn uri(head: &Parts) -> Uri {
    #[cfg(feature = "axum")]
    if let Some(original) = head.extensions.get::<axum::extract::OriginalUri>() {
        return original.0.clone();
    }
    head.uri.clone()
}

/// Invalidates all responses of a URI.
async fn invalidate(layer: &CacheLayer, label: String) {
    AsyncCache::from(layer.cache.clone())
        .invalidate_tag(&label)
        .await;
}

async fn answer<S, Asked, Made>(
    mut inner: S,
    layer: Arc<CacheLayer>,
    request: Request<Asked>,
) -> Result<(Response<Body>, PageOutcome), S::Error>
where
    S: Service<Request<Asked>, Response = Response<Made>>,
    S::Future: Send,
    Asked: http_body::Body,
    Made: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (mut head, content) = request.into_parts();
    let wanted = match wanted(&layer, &head, !content.is_end_stream()) {
        Ok(wanted) => wanted,
        Err(why) => {
            // rule: a-method-that-is-not-safe-invalidates-its-uri
            let unsafe_of = (!head.method.is_safe()).then(|| label(&layer, &head));
            let response = inner.call(Request::from_parts(head, content)).await?;
            let status = response.status();
            if let Some(label) = unsafe_of
                && (status.is_success() || status.is_redirection())
            {
                invalidate(&layer, label).await;
            }
            return Ok((response.map(Body::of), PageOutcome::Forbidden(why)));
        }
    };
    head.extensions.insert(Met);
    let conditions = Conditions::take(&mut head.headers);
    let report = Report::new();
    let value = layer.cache.value(wanted.name).adopting().report(&report);
    let mut value = value.tag(&wanted.label);
    if wanted.refresh {
        value = value.refresh();
    }
    if let Some(ttl) = layer.ttl {
        value = value.ttl(ttl);
    }
    value = layer
        .tables
        .iter()
        .fold(value, |value, table| value.depends_on(table));
    value = layer
        .labels
        .iter()
        .fold(value, |value, label| value.tag(label));
    let (path, varied) = (head.uri.path().to_owned(), &wanted.varied);
    let request = Request::from_parts(head, content);
    let made = value.get_or_insert_async(|handle| {
        let layer = &*layer;
        async move {
            let response = inner.call(request).await.map_err(Passed::Failed)?;
            fit(response, layer, &path, varied, &handle).await
        }
    });
    let page = match made.await {
        Ok(page) => page,
        Err(Passed::Failed(error)) => return Err(error),
        Err(Passed::Response(response, why)) => {
            // rule: a-refresh-leaves-nothing-older
            if wanted.refresh {
                invalidate(&layer, wanted.label).await;
            }
            let outcome = match report.outcome() {
                Some(Outcome::Bypass(reason)) => PageOutcome::Bypass(reason),
                _ => PageOutcome::Unfit(why),
            };
            return Ok((conditions.answer(*response), outcome));
        }
    };
    let outcome = match (report.outcome(), report.unstored()) {
        (Some(Outcome::Bypass(reason)), _) => PageOutcome::Bypass(reason),
        (Some(Outcome::Hit), _) => PageOutcome::Hit,
        (_, Some(why)) => PageOutcome::Unstored(why),
        (_, None) => PageOutcome::Stored,
    };
    let response = page.response(&conditions, outcome == PageOutcome::Hit);
    Ok((response, outcome))
}

/// The response as a page, if it may be one.
async fn fit<Made, E>(
    response: Response<Made>,
    layer: &CacheLayer,
    path: &str,
    varied: &[HeaderName],
    handle: &Dependencies,
) -> Result<Page, Passed<E>>
where
    Made: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (head, body) = response.into_parts();
    let passed = |head, body, why| {
        let response = Response::from_parts(head, body);
        Err(Passed::Response(Box::new(response), why))
    };
    let ttl = match policy::response(&head, varied) {
        Ok(ttl) => ttl,
        Err(why) => {
            if why == Unfit::Varies
                && let Ok(names) = policy::varies_on(&head.headers)
            {
                layer.learn(path, &names);
            }
            return passed(head, Body::of(body), why);
        }
    };
    // What has no length may have no end.
    // rule: what-is-streamed-is-passed-on
    let length = body.size_hint().exact();
    let length = length.filter(|length| *length <= layer.max_body && !lies(&head.headers, *length));
    let Some(length) = length else {
        return passed(head, Body::of(body), Unfit::Length);
    };
    let body = match body::collect(body, length).await {
        Ok(body) => body,
        Err(body) => return passed(head, body, Unfit::Broken),
    };
    // rule: a-page-of-no-read-is-not-kept
    let names_something = !layer.tables.is_empty() || !layer.labels.is_empty();
    if !names_something && handle.is_empty() {
        return passed(head, Body::whole(body), Unfit::Independent);
    }
    if let Some(ttl) = ttl {
        handle.end_by(Instant::now() + ttl.min(crate::core::LONGEST));
    }
    Ok(Page::new(&head, body))
}

/// Whether the head says another length than the body has.
fn lies(headers: &HeaderMap, length: u64) -> bool {
    headers.get(CONTENT_LENGTH).is_some_and(|said| {
        let said = said.to_str().ok().and_then(|said| said.parse::<u64>().ok());
        said != Some(length)
    })
}
