//! The way of a request.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use ::http::header::{CONTENT_LENGTH, HeaderName};
use ::http::{HeaderMap, Request, Response};
use bytes::Bytes;
use tower_service::Service;

use super::body::{self, Body};
use super::page::{Conditions, Page};
use super::{CacheLayer, PageOutcome, Unfit, policy};
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

impl<S, Asked, Made> Service<Request<Asked>> for CacheService<S>
where
    S: Service<Request<Asked>, Response = Response<Made>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    Asked: Send + 'static,
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
                let name = HeaderName::from_static("cache-status");
                response.headers_mut().append(name, outcome.header());
            }
            response.extensions_mut().insert(outcome);
            Ok(response)
        })
    }
}

async fn answer<S, Asked, Made>(
    mut inner: S,
    layer: Arc<CacheLayer>,
    request: Request<Asked>,
) -> Result<(Response<Body>, PageOutcome), S::Error>
where
    S: Service<Request<Asked>, Response = Response<Made>>,
    S::Future: Send,
    Made: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (mut head, content) = request.into_parts();
    let path = head.uri.path().to_owned();
    let varied = layer.varied(&path);
    let asked = match policy::request(&head, &varied) {
        Ok(asked) => asked,
        Err(why) => {
            let response = inner.call(Request::from_parts(head, content)).await?;
            return Ok((response.map(Body::of), PageOutcome::Forbidden(why)));
        }
    };
    let conditions = Conditions::take(&mut head.headers);
    let report = Report::new();
    let mut value = layer
        .cache
        .value(policy::name(&head, &varied))
        .adopting()
        .report(&report);
    if asked.refresh {
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
    let names_something = !layer.tables.is_empty() || !layer.labels.is_empty();
    let request = Request::from_parts(head, content);
    let made = value.get_or_insert_async(|handle| async move {
        let response = inner.call(request).await.map_err(Passed::Failed)?;
        fit(response, &layer, &path, &varied, &handle, names_something).await
    });
    let page = match made.await {
        Ok(page) => page,
        Err(Passed::Failed(error)) => return Err(error),
        Err(Passed::Response(response, why)) => {
            let outcome = match report.outcome() {
                Some(Outcome::Bypass(reason)) => PageOutcome::Bypass(reason),
                _ => PageOutcome::Unfit(why),
            };
            return Ok((*response, outcome));
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
    names_something: bool,
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
    if length.is_none_or(|length| length > layer.max_body) || lies(&head.headers, length) {
        return passed(head, Body::of(body), Unfit::Length);
    }
    let body = match body::collect(body).await {
        Ok(body) => body,
        Err(body) => return passed(head, body, Unfit::Broken),
    };
    // rule: a-page-of-no-read-is-not-kept
    if !names_something && handle.is_empty() {
        return passed(head, Body::whole(body), Unfit::Independent);
    }
    if let Some(ttl) = ttl {
        handle.end_by(Instant::now() + ttl.min(crate::core::LONGEST));
    }
    Ok(Page::new(&head, body))
}

/// Whether the head says another length than the body has.
fn lies(headers: &HeaderMap, length: Option<u64>) -> bool {
    headers.get(CONTENT_LENGTH).is_some_and(|said| {
        let said = said.to_str().ok().and_then(|said| said.parse().ok());
        said != length
    })
}
