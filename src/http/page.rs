//! A response that is kept.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::http::header::{
    AGE, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_LOCATION, DATE, ETAG, EXPIRES,
    HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
    SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VARY,
};
use ::http::{Response, StatusCode, response};
use bytes::Bytes;
use headers::{HeaderMapExt, IfModifiedSince, IfNoneMatch, LastModified};
use serde::{Deserialize, Serialize};

use super::Body;

/// What is said of a connection, and not of a response.
const HOP_BY_HOP: [HeaderName; 5] = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// What an answer that is not repeated still says.
const OF_THE_SAME: [HeaderName; 9] = [
    AGE,
    CACHE_CONTROL,
    CONTENT_LOCATION,
    DATE,
    ETAG,
    EXPIRES,
    LAST_MODIFIED,
    SET_COOKIE,
    VARY,
];

/// The response to a `GET`, with the status 200.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Page {
    headers: Vec<(String, Bytes)>,
    body: Bytes,
    /// When it was made, in seconds since 1970.
    made_at: u64,
}

fn seconds_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// What a client has, by its request.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// Of several entity tags; none, if it is not understood.
    none_match: Option<Option<IfNoneMatch>>,
    modified_since: Option<IfModifiedSince>,
}

impl Conditions {
    /// Takes them out of the request: its handler makes the whole response.
    pub(super) fn take(headers: &mut HeaderMap) -> Self {
        let conditions = Self {
            none_match: headers
                .contains_key(IF_NONE_MATCH)
                .then(|| headers.typed_get()),
            modified_since: headers.typed_get(),
        };
        headers.remove(IF_NONE_MATCH);
        headers.remove(IF_MODIFIED_SINCE);
        conditions
    }

    /// Whether the client has what these headers are of (RFC 9110, section 13.2.2).
    fn are_met(&self, headers: &HeaderMap) -> bool {
        match (&self.none_match, &self.modified_since) {
            (Some(none_match), _) => {
                let etag = headers.typed_get();
                let both = none_match.as_ref().zip(etag.as_ref());
                both.is_some_and(|(none_match, etag)| !none_match.precondition_passes(etag))
            }
            (None, Some(since)) => headers
                .typed_get::<LastModified>()
                .is_some_and(|modified| !since.is_modified(modified.into())),
            (None, None) => false,
        }
    }
}

impl Conditions {
    /// The response to one who asked under these conditions.
    pub(super) fn answer(&self, response: Response<Body>) -> Response<Body> {
        if response.status() != StatusCode::OK || !self.are_met(response.headers()) {
            return response;
        }
        let (mut head, _) = response.into_parts();
        head.status = StatusCode::NOT_MODIFIED;
        let names: Vec<HeaderName> = head.headers.keys().cloned().collect();
        for name in names {
            if !OF_THE_SAME.contains(&name) {
                head.headers.remove(name);
            }
        }
        Response::from_parts(head, Body::whole(Bytes::new()))
    }
}

impl Page {
    /// Of a response's head and body.
    pub(super) fn new(head: &response::Parts, body: Bytes) -> Self {
        let named = head.headers.get_all(CONNECTION).iter();
        let named = named.filter_map(|value| value.to_str().ok());
        let named: Vec<String> = named
            .flat_map(|names| names.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        let stays = |name: &HeaderName| {
            !HOP_BY_HOP.contains(name)
                && *name != CONTENT_LENGTH
                && *name != AGE
                && name.as_str() != super::outcome::HEADER
                && !named.iter().any(|named| named == name.as_str())
        };
        let headers = head.headers.iter().filter(|(name, _)| stays(name));
        let mut headers: Vec<(String, Bytes)> = headers
            .map(|(name, value)| {
                let value = Bytes::copy_from_slice(value.as_bytes());
                (name.as_str().to_owned(), value)
            })
            .collect();
        if !head.headers.contains_key(ETAG) {
            let etag = etag(&headers, &body);
            headers.push((ETAG.as_str().to_owned(), etag.into()));
        }
        Self {
            headers,
            body,
            made_at: seconds_now(),
        }
    }

    fn head(&self) -> HeaderMap {
        let pairs = self.headers.iter().filter_map(|(name, value)| {
            let value = HeaderValue::from_maybe_shared(value.clone()).ok()?;
            Some((name.parse::<HeaderName>().ok()?, value))
        });
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 2);
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    /// The response to one who has what the conditions say; `found` if it was not made for him.
    pub(super) fn response(self, conditions: &Conditions, found: bool) -> Response<Body> {
        let mut headers = self.head();
        if found {
            let age = seconds_now().saturating_sub(self.made_at);
            headers.typed_insert(headers::Age::from(Duration::from_secs(age)));
        }
        let mut response = Response::new(Body::whole(self.body));
        *response.headers_mut() = headers;
        conditions.answer(response)
    }
}

/// A strong name of the content, and of what says how to read it.
fn etag(headers: &[(String, Bytes)], body: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, value) in headers {
        if name.starts_with("content-") {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(&(value.len() as u64).to_le_bytes());
            hasher.update(value);
        }
    }
    hasher.update(&u64::MAX.to_le_bytes());
    hasher.update(body);
    format!("\"{}\"", &hasher.finalize().to_hex()[..32])
}
