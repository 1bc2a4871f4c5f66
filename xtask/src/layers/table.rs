//! Which module is in which layer. ARCHITECTURE.md says why.

/// The rule that `src/` must follow.
#[derive(Debug)]
pub(super) struct Table {
    /// Each layer and its modules: the first segment of their paths.
    pub(super) layers: &'static [(u8, &'static [&'static str])],
    /// The modules that may name Diesel.
    pub(super) diesel: &'static [&'static str],
    /// Fronts of the one core, and the modules that they must leave to it: each is where something is
    /// decided, and what one front decided for itself another would have to decide again.
    pub(super) fronts: &'static [(&'static str, &'static [&'static str])],
    /// How many lines of code a file may have.
    pub(super) max_lines: usize,
}

pub(super) const TABLE: Table = Table {
    layers: &[
        (5, &["lib", "prelude", "test", "http"]),
        (
            4,
            &[
                "query",
                "values",
                "model",
                "connection",
                "relay",
                "asynchronous",
            ],
        ),
        (3, &["cache"]),
        (2, &["core", "flight", "invalidate", "shared"]),
        (
            1,
            &["backend", "codec", "signal", "metrics", "stats", "feed"],
        ),
        (
            0,
            &[
                "statement",
                "key",
                "footprint",
                "catalogue",
                "datum",
                "precision",
                "resolve",
                "tag",
                "token",
                "entry",
                "config",
                "clock",
                "error",
                "bypass",
                "now",
                "outbox",
                "outcome",
                "dialect",
                "protocol",
                "database",
                "database_state",
                "event",
                "explain",
                "dependencies",
                "strategy",
            ],
        ),
    ],
    // Never `key` or `footprint`: they are pure, and testable from strings.
    diesel: &[
        "lib",
        "prelude",
        "test",
        "query",
        "values",
        "model",
        "connection",
        "relay",
        "asynchronous",
        "signal",
        "statement",
        "error",
    ],
    fronts: &[
        (
            "asynchronous",
            &[
                "catalogue",
                "database_state",
                "datum",
                "footprint",
                "invalidate",
                "precision",
                "relay",
                "resolve",
                "shared",
                "strategy",
            ],
        ),
        (
            "http",
            &[
                "backend",
                "catalogue",
                "connection",
                "flight",
                "footprint",
                "invalidate",
                "protocol",
                "query",
                "resolve",
                "shared",
            ],
        ),
    ],
    max_lines: 500,
};

impl Table {
    /// Whether a module is a front that must leave another to the core.
    pub(super) fn decides(&self, front: &str, other: &str) -> bool {
        let of = |(name, others): &&(&str, &[&str])| *name == front && others.contains(&other);
        self.fronts.iter().any(|front| of(&front))
    }

    /// The layer of `module`.
    pub(super) fn layer(&self, module: &str) -> Option<u8> {
        let found = self.layers.iter().find(|(_, m)| m.contains(&module));
        found.map(|(layer, _)| *layer)
    }
}
