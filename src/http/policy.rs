//! Which requests and responses are for the cache: RFC 9111, as far as it concerns what is
//! validated by other means.

use std::time::{Duration, SystemTime};

use ::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, COOKIE, EXPIRES, HOST, HeaderMap,
    HeaderName, IF_MATCH, IF_UNMODIFIED_SINCE, PRAGMA, PROXY_AUTHORIZATION, RANGE, SET_COOKIE,
    TRANSFER_ENCODING, VARY,
};
use ::http::request::Parts;
use ::http::{Method, StatusCode, Uri, response};
use headers::{Age, CacheControl, Date, Expires, HeaderMapExt};

use super::Unfit;

/// What a request allows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Whether the response is to be made anew.
    pub(super) refresh: bool,
}

/// Whether a response to that request may be looked for. `told` are the headers that the layer was
/// told to tell responses apart by.
///
/// # Errors
/// Why not.
pub(super) fn request(request: &Parts, told: &[HeaderName]) -> Result<Asked, Unfit> {
    let headers = &request.headers;
    if request.method != Method::GET {
        return Err(Unfit::Method);
    }
    // rule: a-page-for-one-is-no-page-for-all
    // That a response says it varies on them is not enough: nothing tells when a session ends.
    if [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION]
        .iter()
        .any(|name| headers.contains_key(name) && !told.contains(name))
    {
        return Err(Unfit::Personal);
    }
    if headers.contains_key(RANGE) {
        return Err(Unfit::Range);
    }
    // A handler may refuse for these, and answer by a content that is in no name.
    // rule: a-request-with-content-has-no-page
    let length = headers.get(CONTENT_LENGTH);
    let has_content = length.is_some_and(|length| length != "0");
    if has_content
        || [TRANSFER_ENCODING, IF_MATCH, IF_UNMODIFIED_SINCE]
            .iter()
            .any(|name| headers.contains_key(name))
    {
        return Err(Unfit::Request);
    }
    let says = |word| says(headers, CACHE_CONTROL, word);
    if says("no-store") {
        return Err(Unfit::Request);
    }
    let control = headers.typed_get::<CacheControl>();
    let zero = control.is_some_and(|control| control.max_age() == Some(Duration::ZERO));
    Ok(Asked {
        refresh: zero || says("no-cache") || self::says(headers, PRAGMA, "no-cache"),
    })
}

/// For how long a response with that head may be kept at most, if its own says so.
///
/// # Errors
/// Why it may not be kept.
pub(super) fn response(
    response: &response::Parts,
    varied: &[HeaderName],
) -> Result<Option<Duration>, Unfit> {
    let headers = &response.headers;
    if response.status != StatusCode::OK {
        return Err(Unfit::Status);
    }
    let says = |word| says(headers, CACHE_CONTROL, word);
    if headers.contains_key(SET_COOKIE) || says("private") {
        return Err(Unfit::Private);
    }
    if says("no-store") || says("no-cache") || headers.contains_key(CONTENT_RANGE) {
        return Err(Unfit::Response);
    }
    // rule: a-page-varies-only-on-what-is-in-its-name
    let known = |name: &HeaderName| varied.contains(name);
    if !varies_on(headers)?.iter().all(known) {
        return Err(Unfit::Varies);
    }
    let control = headers.typed_try_get::<CacheControl>();
    let control = control.map_err(|_| Unfit::Response)?;
    let said = control.and_then(|control| control.s_max_age().or(control.max_age()));
    let ttl = match said {
        Some(ttl) => Some(ttl),
        None => until_expiry(headers)?,
    };
    // What another cache has had for a while has as much less to live.
    let age = headers
        .typed_try_get::<Age>()
        .map_err(|_| Unfit::Response)?;
    let age = age.map_or(Duration::ZERO, |age| Duration::from_secs(age.as_secs()));
    match ttl.map(|ttl| ttl.saturating_sub(age)) {
        Some(Duration::ZERO) => Err(Unfit::Response),
        ttl => Ok(ttl),
    }
}

/// The time to live that `Expires` says; one that is not understood is over (RFC 9111, section 5.3).
fn until_expiry(headers: &HeaderMap) -> Result<Option<Duration>, Unfit> {
    if !headers.contains_key(EXPIRES) {
        return Ok(None);
    }
    let end: SystemTime = headers
        .typed_get::<Expires>()
        .ok_or(Unfit::Response)?
        .into();
    let made = headers.typed_get::<Date>();
    let made = made.map_or_else(SystemTime::now, SystemTime::from);
    let left = end.duration_since(made).map_err(|_| Unfit::Response)?;
    Ok(Some(left))
}

/// The names of the headers that a response says it varies on.
///
/// # Errors
/// If it varies on everything, or that cannot be understood.
pub(super) fn varies_on(headers: &HeaderMap) -> Result<Vec<HeaderName>, Unfit> {
    let mut names = Vec::new();
    for value in headers.get_all(VARY) {
        let text = value.to_str().map_err(|_| Unfit::Varies)?;
        for name in text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            // "*" is no name.
            names.push(name.parse().map_err(|_| Unfit::Varies)?);
            if name == "*" {
                return Err(Unfit::Varies);
            }
        }
    }
    Ok(names)
}

/// Whether a header has that word anywhere. A directive in a form that is not understood counts too.
fn says(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    values.any(|value| {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        text.contains(word)
    })
}

/// Where a request goes: the authority and `Host`, either of which a handler may go by, and the URI.
pub(super) fn target(request: &Parts, uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = request.headers.get(HOST).map(|host| host.as_bytes());
    format!(
        "{}\n{}\n{}\n{}",
        uri.scheme_str().unwrap_or_default(),
        authority.to_ascii_lowercase().escape_debug(),
        host.unwrap_or_default().to_ascii_lowercase().escape_ascii(),
        uri.path_and_query()
            .map_or("/", |path| path.as_str())
            .escape_debug(),
    )
}

/// What tells requests with the same target apart: each header has a line, and each of its values.
// rule: no-page-is-shared-by-two-requests
pub(super) fn variant(request: &Parts, varied: &[HeaderName]) -> String {
    let mut variant = String::new();
    for header in varied {
        variant.push('\n');
        variant.push_str(header.as_str());
        for value in request.headers.get_all(header) {
            // No name begins like that, and no value has a line of its own.
            variant.push_str("\n=");
            variant.push_str(&value.as_bytes().escape_ascii().to_string());
        }
    }
    variant
}

#[cfg(test)]
mod tests {
    use ::http::{Request, Response};

    use super::*;

    fn asked(headers: &[(&str, &str)]) -> Result<Asked, Unfit> {
        let mut request = Request::get("/a");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        super::request(&request.body(()).unwrap().into_parts().0, &[])
    }

    fn made(headers: &[(&str, &str)]) -> Result<Option<Duration>, Unfit> {
        let mut response = Response::builder();
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let parts = response.body(()).unwrap().into_parts().0;
        super::response(&parts, &["accept-language".parse().unwrap()])
    }

    #[test]
    fn requests_that_say_who_asks_are_passed_on() {
        assert_eq!(asked(&[]), Ok(Asked { refresh: false }));
        assert_eq!(asked(&[("cookie", "a=b")]), Err(Unfit::Personal));
        assert_eq!(asked(&[("authorization", "Basic x")]), Err(Unfit::Personal));
        assert_eq!(asked(&[("range", "bytes=0-1")]), Err(Unfit::Range));
        assert_eq!(asked(&[("if-match", "\"x\"")]), Err(Unfit::Request));
        assert_eq!(asked(&[("content-length", "9")]), Err(Unfit::Request));
        assert!(asked(&[("content-length", "0")]).is_ok());
        assert_eq!(asked(&[("cache-control", "No-Store")]), Err(Unfit::Request));
        for control in ["no-cache", "max-age=0", "max-age=0, must-revalidate"] {
            assert_eq!(
                asked(&[("cache-control", control)]),
                Ok(Asked { refresh: true })
            );
        }
        assert_eq!(
            asked(&[("pragma", "no-cache")]),
            Ok(Asked { refresh: true })
        );
        let post = Request::post("/a").body(()).unwrap().into_parts().0;
        assert_eq!(super::request(&post, &[]), Err(Unfit::Method));
        let cookie = Request::get("/").header("cookie", "a=b").body(()).unwrap();
        assert!(super::request(&cookie.into_parts().0, &[COOKIE]).is_ok());
    }

    #[test]
    fn responses_that_are_not_for_all_are_not_kept() {
        assert_eq!(made(&[]), Ok(None));
        assert_eq!(made(&[("set-cookie", "a=b")]), Err(Unfit::Private));
        for control in ["private", "Private=\"x\"", "max-age=9, private"] {
            assert_eq!(
                made(&[("cache-control", control)]),
                Err(Unfit::Private),
                "{control}"
            );
        }
        for control in [
            "no-store",
            "no-cache=\"set-cookie\"",
            "max-age=0",
            "max-age=x",
        ] {
            let made = made(&[("cache-control", control)]);
            assert!(made.is_err() || control == "max-age=x", "{control}");
        }
        let day = |seconds| Ok(Some(Duration::from_secs(seconds)));
        assert_eq!(made(&[("cache-control", "max-age=60")]), day(60));
        assert_eq!(made(&[("cache-control", "max-age=60, s-maxage=9")]), day(9));
        assert_eq!(made(&[("vary", "Accept-Language")]), Ok(None));
        assert_eq!(
            made(&[("vary", "accept-language, cookie")]),
            Err(Unfit::Varies)
        );
        assert_eq!(made(&[("vary", "*")]), Err(Unfit::Varies));
        assert_eq!(made(&[("vary", "accept language")]), Err(Unfit::Varies));
    }

    #[test]
    fn what_differs_has_another_name() {
        let named = |uri: &str, headers: &[(&str, &str)]| {
            let mut request = Request::get(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let parts = request.body(()).unwrap().into_parts().0;
            target(&parts, &parts.uri) + &variant(&parts, &[HOST, COOKIE])
        };
        let all = [
            named("/a", &[]),
            named("/a?", &[]),
            named("/a?b", &[]),
            named("/a%0Ab", &[]),
            named("http://x/a", &[]),
            named("https://x/a", &[]),
            named("/a", &[("host", "x")]),
            named("/a", &[("host", "y")]),
            named("/a", &[("cookie", "")]),
            named("/a", &[("cookie", "a"), ("cookie", "b")]),
            named("/a", &[("cookie", "b"), ("cookie", "a")]),
            named("/a", &[("cookie", "a"), ("cookie", "=b")]),
            named("http://x/a", &[("host", "y")]),
            named("/a", &[("cookie", "a=b")]),
            named("/a", &[("cookie", "a\\n")]),
        ];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len(), "{all:#?}");
    }
}
