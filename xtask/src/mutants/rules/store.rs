//! Rules of the shared store in Redis.

use super::Mutant;

/// The store's unit tests, which start servers themselves.
const STORE: &[&[&str]] = &[&[
    "--package",
    "diesel-cache",
    "--features",
    "file,memcached,redis,redis-cluster,redis-sentinel,tiered,tls",
    "--lib",
    "backend::redis",
]];

/// The unit tests of the bytes of an entry.
const WIRE: &[&[&str]] = &[&[
    "--package",
    "diesel-cache",
    "--features",
    "redis",
    "--lib",
    "backend::wire",
]];

/// Processes that declare other keys.
const ROLLING: &[&[&str]] = &[&["--package", "diesel-cache-stores", "--test", "rolling"]];

noticed! {
    store = STORE, servers: false
}

/// A rule of the script that a read asks.
const fn fetch(name: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    store(name, "src/backend/redis/scripts/fetch.lua", find, replace)
}

noticed! {
    wire = WIRE, servers: false
}

pub(super) const RULES: &[Mutant] = &[
    Mutant {
        name: "what-others-declare-is-learnt",
        file: "src/backend/redis/operations.rs",
        find: "understood(reply::declarations(answer))",
        replace: "understood(reply::declarations(answer)).map(|_| declarations.clone())",
        tests: ROLLING,
        servers: false,
    },
    store(
        "a-connection-with-any-other-error-is-thrown-away",
        "src/backend/redis/failure.rs",
        "Some(\"NOSCRIPT\" | \"OOM\" | \"NOREPLICAS\" | \"MISCONF\" | \"BUSY\")",
        "Some(_)",
    ),
    store(
        "a-command-that-is-not-answered-poisons",
        "src/backend/redis/link.rs",
        "        self.poisoned = true;\n        let answer",
        "        let answer",
    ),
    store(
        "a-term-is-verified",
        "src/backend/redis/call.rs",
        "let term = &*server.term;",
        "let term = \"\";",
    ),
    store(
        "another-term-is-another-incarnation",
        "src/backend/redis/server.rs",
        "format!(\"{run} {term}\")",
        "format!(\"{run} \")",
    ),
    store(
        "quarantines-are-never-evicted",
        "src/backend/redis/server.rs",
        "if strong && !keeps {",
        "if strong && facts.policy.is_empty() {",
    ),
    store(
        "an-unknown-server-promises-nothing",
        "src/backend/redis/server.rs",
        "            if strong {\n                return unusable(\n                    \"the store refuses INFO",
        "            if false {\n                return unusable(\n                    \"the store refuses INFO",
    ),
    store(
        "readers-need-the-right-to-write",
        "src/backend/redis/script.rs",
        "Self::Recall => script!(ALWAYS,",
        "Self::Recall => script!(\"#!lua flags=no-writes\",",
    ),
    store(
        "a-namespace-lies-in-one-slot",
        "src/backend/redis/names.rs",
        "NON_ALPHANUMERIC.remove(b'-')",
        "NON_ALPHANUMERIC.remove(b'}').remove(b'-')",
    ),
    store(
        "what-may-have-been-done-is-not-done-twice",
        "src/backend/redis/mod.rs",
        "(lost && may_be_repeated)",
        "lost",
    ),
    store(
        "the-time-is-counted-over-all-calls",
        "src/backend/redis/transport.rs",
        "let left = self.deadline.saturating_duration_since(Instant::now());\n        if left.is_zero() {",
        "let left = std::time::Duration::from_millis(250);\n        if left.is_zero() {",
    ),
    store(
        "no-small-write-waits-for-more",
        "src/backend/redis/transport.rs",
        "socket.set_nodelay(true)?;",
        "socket.set_nodelay(false)?;",
    ),
    store(
        "one-probe-at-a-time",
        "src/backend/breaker.rs",
        "self.after(self.probe).max(until + 1),",
        "until,",
    ),
    store(
        "a-token-of-the-store-is-random",
        "src/backend/redis/reads.rs",
        "true => rand::random::<[u8; 16]>().to_vec(),",
        "true => vec![7; 16],",
    ),
    store(
        "a-lift-in-the-store-that-finds-nothing-renews",
        "src/backend/redis/scripts/lift.lua",
        "    renew(key, cell)\n",
        "    local none = cell\n",
    ),
    store(
        "the-last-writer-out-of-the-store-makes-it-clean",
        "src/backend/redis/scripts/lift.lua",
        "if #cell >= WRITERS then",
        "if #cell > 10000 then",
    ),
    store(
        "a-late-fill-is-refused-by-the-store",
        "src/backend/redis/scripts/put.lua",
        "if cells[i] ~= 'c'",
        "if false and cells[i] ~= 'c'",
    ),
    fetch(
        "a-further-token-is-compared-by-the-store",
        "if cell ~= 'c' .. sub(p.tokens, 16 * i - 15, 16 * i) then further",
        "if not cell then further",
    ),
    fetch(
        "a-quarantined-further-tag-is-told-by-the-store",
        "      further = 'q'\n      break",
        "      further = 'o'\n      break",
    ),
    fetch(
        "an-entry-in-the-store-begins-with-the-tags",
        "~= sub(KEYS[i + 1], #P + 2) then p = nil",
        "== '' then p = nil",
    ),
    fetch(
        "a-lease-of-the-store-waits-for-further-tags",
        "if same and further == 'q' then",
        "if false then",
    ),
    fetch(
        "a-lease-of-the-store-goes-by-further-tags",
        "elseif same and further ~= 'o' and",
        "elseif same and",
    ),
    fetch(
        "what-is-wanted-also-has-no-say-in-the-store",
        "(i > n or #states[i] == 17)",
        "#states[i] == 17",
    ),
    wire(
        "a-damaged-entry-is-none",
        "src/backend/wire/seal.rs",
        "(checksum(bytes) == check).then(||",
        "Some(()).map(|()|",
    ),
    wire(
        "an-entry-is-read-under-its-own-key-alone",
        "src/backend/wire/mod.rs",
        "header.key != key.0 ||",
        "",
    ),
    wire(
        "a-touch-does-not-outlive-the-limit",
        "src/backend/wire/mod.rs",
        "limit.min(expires_at));",
        "expires_at.max(limit.min(expires_at)));",
    ),
];
