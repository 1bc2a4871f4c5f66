//! Rules of stores in files and in memcached, of tiers and of parts.

use super::Mutant;

const FILE: &str = "src/backend/file/operations.rs";
const JOURNAL: &str = "src/backend/file/journal.rs";
const TIER: &str = "src/backend/tiered/mod.rs";
const PART: &str = "src/backend/prefixed.rs";
const MEMCACHED: &str = "src/backend/memcached/operations.rs";

const UNIT: &[&[&str]] = &[&[
    "--package",
    "diesel-cache",
    "--features",
    "file,memcached,tiered",
    "--lib",
    "--",
    "backend",
]];
const FILES: &[&[&str]] = &[&["--package", "diesel-cache-stores", "--test", "files"]];
const CONFORMANCE: &[&[&str]] = &[&[
    "--package",
    "diesel-cache-stores",
    "--test",
    "conformance",
    "--",
    "memcached::",
]];
const TIERS: &[&[&str]] = &[&[
    "--package",
    "diesel-cache-stores",
    "--test",
    "conformance",
    "--",
    "tiers::",
]];

noticed! {
    /// A rule that the library's unit tests notice.
    unit = UNIT, servers: false
}

noticed! {
    /// A rule that is noticed with a server.
    served, servers: true
}

pub(super) const RULES: &[Mutant] = &[
    unit(
        "a-replica-is-current-if-the-file-is-no-longer",
        JOURNAL,
        "&& found.len() == self.offset",
        "&& (true || found.len() == self.offset)",
    ),
    unit(
        "a-journal-that-is-not-ours-is-a-lost-store",
        JOURNAL,
        "if head != head_of(&journal.boot, id) {",
        "if false {",
    ),
    unit(
        "a-boot-begins-a-new-store",
        JOURNAL,
        "head.extend(boot);",
        "head.extend([0; 16].map(|zero| zero & boot[0]));",
    ),
    unit(
        "a-length-is-checked-before-it-is-believed",
        JOURNAL,
        "if *seen != length_check(length) {",
        "if false {",
    ),
    unit(
        "a-frame-is-checked",
        JOURNAL,
        "if *seen != check(changes) {",
        "if false {",
    ),
    unit(
        "a-journal-that-is-shorter-was-set-back",
        JOURNAL,
        "if length < self.offset {",
        "if false {",
    ),
    unit(
        "a-file-store-opens-for-what-is-attached",
        "src/backend/file/state.rs",
        "attached.iter().all(is_open)",
        "attached.iter().any(is_open)",
    ),
    unit(
        "a-testimony-counts-in-its-epoch",
        FILE,
        "spaces.iter().filter(|_| state.epoch() == Some(epoch))",
        "spaces.iter().filter(|_| true)",
    ),
    unit(
        "an-opening-counts-in-its-epoch",
        FILE,
        "state.epoch() != Some(epoch) || ",
        "",
    ),
    unit(
        "a-declaration-in-files-closes-the-gate",
        FILE,
        "if all != before {",
        "if all != before && all.is_empty() {",
    ),
    unit(
        "no-temporary-file-outlives-the-next-start",
        "src/backend/file/place.rs",
        "        place.clean();\n",
        "",
    ),
    served(
        "what-cannot-be-written-down-empties-the-store",
        FILE,
        "let Err(first) = turn.commit(&changes) else {",
        "let Err(first) = turn.commit(&changes).or(std::io::Result::Ok(())) else {",
        FILES,
    ),
    unit(
        "what-was-said-too-long-ago-is-forgotten",
        TIER,
        "said.at.elapsed()? < self.staleness && ",
        "",
    ),
    unit(
        "own-writes-are-read-through-the-tier",
        TIER,
        "if !fresh || self.recent.any_since(&copy.entry.tags, said.at) {",
        "if !fresh {",
    ),
    unit(
        "a-copy-answers-its-own-question",
        TIER,
        "said.as_ref().filter(|said| said.of == *of)?",
        "said.as_ref()?",
    ),
    served(
        "what-is-held-is-what-is-stored",
        "src/backend/redis/scripts/fetch.lua",
        "sub(entry, 113, 128) == ARGV[13]",
        "true",
        TIERS,
    ),
    unit(
        "a-part-has-its-own-names",
        PART,
        "            *byte ^= over;\n",
        "            *byte ^= over & 0;\n",
    ),
    unit(
        "a-part-that-was-cleared-takes-nothing-of-before",
        PART,
        "let is_of = |of: &Generation| of.nonce() == entry.vector.nonce;",
        "let is_of = |_: &Generation| true;",
    ),
    unit(
        "no-store-is-asked-for-more-than-it-keeps",
        "src/cache/builder.rs",
        "backend.level() == Level::Eventual",
        "false",
    ),
    unit(
        "a-staleness-needs-a-tier",
        "src/cache/backends.rs",
        "if !config.staleness.is_zero() {",
        "if false {",
    ),
    unit(
        "a-name-is-made-of-digits",
        "src/backend/memcached/names.rs",
        "Self(format!(\"dc:{}:\", &digest[..24]))",
        "Self(format!(\"dc:{}{namespace}:\", &digest[..1]))",
    ),
    unit(
        "an-unreadable-cell-is-held",
        "src/backend/memcached/documents.rs",
        "_ if bytes.is_some() => Cell::Quarantined {",
        "_ if bytes.is_some_and(|bytes| bytes.len() > 999) => Cell::Quarantined {",
    ),
    served(
        "an-item-is-changed-as-it-was-seen",
        "src/backend/memcached/items.rs",
        "Set::new(name, value)\n                            .ttl(ttl(time))\n                            .compare_cas(item.cas)\n                            .into()",
        "{\n                            let _ = item;\n                            Set::new(name, value).ttl(ttl(time)).into()\n                        }",
        CONFORMANCE,
    ),
    served(
        "a-memcached-store-opens-for-what-is-attached",
        "src/backend/memcached/documents.rs",
        "attached.iter().all(is_open)",
        "attached.iter().any(is_open)",
        CONFORMANCE,
    ),
    served(
        "a-testimony-in-memcached-counts-in-its-epoch",
        MEMCACHED,
        "let Some(gate) = self.gate()?.filter(|gate| gate.epoch == epoch) else {",
        "let Some(gate) = self.gate()? else {",
        CONFORMANCE,
    ),
    served(
        "an-opening-in-memcached-counts-in-its-epoch",
        MEMCACHED,
        "gate.epoch == epoch && !gate.open.contains_key(&space.0)",
        "!gate.open.contains_key(&space.0)",
        CONFORMANCE,
    ),
    served(
        "a-declaration-in-memcached-closes-the-gate",
        MEMCACHED,
        "                gate.close(Some(space));\n",
        "",
        CONFORMANCE,
    ),
];
