//! What is said of all responses that go through it.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::HeaderName;
use ::http::request::Parts;
use quick_cache::sync::Cache as Learned;
use tower_layer::Layer;

use super::CacheService;
use crate::cache::Cache;

/// Of so many paths it is remembered what their responses vary on.
const PATHS: usize = 4096;

type Tell = dyn Fn(&Parts) -> Option<Vec<u8>> + Send + Sync;

/// What tells requests apart besides their headers.
#[derive(Clone)]
pub(super) struct By(pub(super) Arc<Tell>);

impl fmt::Debug for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("By")
    }
}

/// A layer of tower's that caches whole responses, see [the module](super).
#[derive(Debug, Clone)]
pub struct CacheLayer {
    pub(super) cache: Cache,
    /// What tells its responses from those of other layers.
    pub(super) place: String,
    pub(super) by: Option<By>,
    pub(super) refreshes: bool,
    pub(super) ttl: Option<Duration>,
    pub(super) max_body: u64,
    pub(super) varied: Vec<HeaderName>,
    pub(super) tables: Vec<String>,
    pub(super) labels: Vec<String>,
    pub(super) says_status: bool,
    /// What the responses of a path were seen to vary on.
    pub(super) learned: Arc<Learned<String, Arc<[HeaderName]>>>,
}

impl CacheLayer {
    /// Responses are kept in that cache, which the connections of their handlers are attached to.
    ///
    /// Those of layers that are made in different places of the source have nothing in common, see
    /// [`named`](Self::named).
    #[must_use]
    #[track_caller]
    pub fn new(cache: &Cache) -> Self {
        let place = Location::caller();
        Self {
            cache: cache.clone(),
            place: format!("{}:{}:{}", place.file(), place.line(), place.column()),
            by: None,
            refreshes: true,
            ttl: None,
            max_body: 1 << 20,
            varied: Vec::new(),
            tables: Vec::new(),
            labels: Vec::new(),
            says_status: true,
            learned: Arc::new(Learned::new(PATHS)),
        }
    }

    /// The name of its responses, in place of where it is made: layers of the same name share them, also
    /// those of other processes. Of applications that share a store and a namespace each needs names of
    /// its own.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.place = format!("named {}", name.into());
        self
    }

    /// Tells responses apart by what `tell` says of their requests, besides the URI and the headers: a
    /// tenant, a role, whoever an extension says was authenticated. Where it says `None`, the handler
    /// is asked. What it says stands for who asks: requests with a `Cookie` or `Authorization` have
    /// responses in the cache then.
    #[must_use]
    pub fn vary_by(
        mut self,
        tell: impl Fn(&Parts) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        self.by = Some(By(Arc::new(tell)));
        self
    }

    /// Whether a request with `Cache-Control: no-cache` or `max-age=0`, as a browser's reload has, has
    /// its response made anew. Default: it has. Such requests do not wait for each other.
    #[must_use]
    pub fn client_refresh(mut self, allowed: bool) -> Self {
        self.refreshes = allowed;
        self
    }

    /// How long a response lives at most. Default: the cache's time to live. It never outlives a
    /// cached read that it was made from.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long a body may be to be stored, in bytes. Default: 1 MiB. The cache's own bound of an entry
    /// holds as well.
    #[must_use]
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.max_body = bytes;
        self
    }

    /// Tells responses apart by a header of their requests, whether they say that they vary on it or not.
    /// For `Cookie` and `Authorization` that is what makes requests that have them cacheable: each
    /// value then has responses of its own. May be called several times.
    #[must_use]
    pub fn vary_on(mut self, header: HeaderName) -> Self {
        if !self.varied.contains(&header) {
            self.varied.push(header);
        }
        self
    }

    /// Makes responses depend on a table, as [`Value::depends_on`](crate::Value::depends_on). May be
    /// called several times.
    #[must_use]
    pub fn depends_on(mut self, table: impl Into<String>) -> Self {
        self.tables.push(table.into());
        self
    }

    /// Makes [`invalidate_tag`](Cache::invalidate_tag) of that name invalidate responses. May be called
    /// several times.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>) -> Self {
        self.labels.push(name.into());
        self
    }

    /// Whether responses say in `Cache-Status` what became of them. Default: they do.
    #[must_use]
    pub fn cache_status(mut self, says: bool) -> Self {
        self.says_status = says;
        self
    }

    /// The headers that responses under that path are told apart by.
    pub(super) fn varied(&self, path: &str) -> Vec<HeaderName> {
        let mut varied = self.varied.clone();
        if let Some(learned) = self.learned.get(path) {
            varied.extend(learned.iter().cloned());
        }
        // Of two requests that differ in nothing the names are the same.
        ordered(varied)
    }

    /// A response under that path varies on these headers too.
    pub(super) fn learn(&self, path: &str, names: &[HeaderName]) {
        let mut all: Vec<HeaderName> = self
            .learned
            .get(path)
            .map(|learned| learned.to_vec())
            .unwrap_or_default();
        all.extend(
            names
                .iter()
                .filter(|name| !self.varied.contains(name))
                .cloned(),
        );
        self.learned.insert(path.to_owned(), ordered(all).into());
    }
}

/// Each of them once, in an order of their own.
fn ordered(mut names: Vec<HeaderName>) -> Vec<HeaderName> {
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> CacheService<S> {
        CacheService::new(inner, self.clone())
    }
}
