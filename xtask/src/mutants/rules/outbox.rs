//! Rules of the outbox and its relay.

use super::Mutant;

const PASS: &str = "src/relay/pass.rs";
const RELAY: &str = "src/relay/mod.rs";
const ROWS: &str = "src/relay/rows.rs";
const TRIGGERS: &str = "src/outbox/triggers.rs";
const SESSIONS: &str = "src/outbox/sessions.rs";
const WRITES: &str = "src/connection/outbox.rs";
const ANNOUNCE: &str = "src/connection/tracker/announce.rs";
const RELAYS: &str = "src/cache/relays.rs";

const UNIT: &[&[&str]] = &[&[
    "--package",
    "diesel-cache",
    "--lib",
    "--",
    "outbox",
    "relay",
]];
const CASES: &[&[&str]] = &[&[
    "--package",
    "diesel-cache-databases",
    "--test",
    "outbox",
    "--",
    "--skip",
    "crashes",
]];
const CRASHES: &[&[&str]] = &[&[
    "--package",
    "diesel-cache-databases",
    "--test",
    "outbox",
    "--",
    "sqlite::crashes",
]];

noticed! {
    /// A rule that the library's unit tests notice.
    unit = UNIT, servers: false
}

noticed! {
    /// A rule that is noticed on the databases.
    served = CASES, servers: true
}

noticed! {
    /// A rule that is noticed when processes are killed.
    killed = CRASHES, servers: true
}

pub(super) const RULES: &[Mutant] = &[
    unit(
        "a-row-is-told-when-its-session-was-idle",
        PASS,
        "now.is_some_and(|now| then.is_idle() || now != then)",
        "now.is_some()",
    ),
    unit(
        "a-session-that-is-over-answers-for-nothing",
        PASS,
        "now.is_some_and(|now| then.is_idle() || now != then)",
        "now.is_none_or(|now| then.is_idle() || now != then)",
    ),
    unit(
        "another-generation-is-another-row",
        PASS,
        "if seen.generation != row.generation {",
        "if false {",
    ),
    unit(
        "what-is-left-is-told-by-anyone",
        PASS,
        "let waited = now.saturating_duration_since(seen.since) >= GRACE;",
        "let waited = self.leads && now.saturating_duration_since(seen.since) >= GRACE;",
    ),
    unit(
        "nobody-answers-for-a-session-that-is-over",
        SESSIONS,
        "let session = known.sessions.get(name)?.upgrade()?;\n        Some(Turn(session.turns.load(Ordering::SeqCst)))",
        "let turns = known.sessions.get(name)?.upgrade().map_or(0, |s| s.turns.load(Ordering::SeqCst));\n        Some(Turn(turns))",
    ),
    unit(
        "own-triggers-are-known-to-the-letter",
        TRIGGERS,
        "name == function(outbox) && body == postgres_body(outbox)",
        "name == function(outbox) || body == postgres_body(outbox)",
    ),
    killed(
        "what-waits-to-be-told-is-not-told",
        PASS,
        "if core.shared.is_idle() {",
        "if true || core.shared.is_idle() {",
    ),
    killed(
        "what-was-not-told-is-not-removed",
        PASS,
        "tell(conn, cache, &sorted.untold)?;",
        "let _ = tell(conn, cache, &sorted.untold[..0]);",
    ),
    unit(
        "who-does-not-lead-waits-for-what-was-there",
        PASS,
        "self.caught_up = self.found.as_ref().is_some_and(BTreeSet::is_empty);\n    }\n\n    /// The store",
        "self.caught_up = true;\n    }\n\n    /// The store",
    ),
    killed(
        "a-transaction-leaves-a-row",
        ANNOUNCE,
        "core.config.level == Level::Durable && self.simulation.is_none()",
        "core.config.level == Level::Durable && false",
    ),
    served(
        "what-an-outbox-has-undone-is-not-committed",
        WRITES,
        "ROLLBACK TO SAVEPOINT diesel_cache_outbox; RELEASE SAVEPOINT diesel_cache_outbox",
        "SELECT 1",
    ),
    served(
        "a-session-is-called-by-what-its-tracker-answers-for",
        WRITES,
        "    tracker.set_outbox_session(Some(session));\n",
        "    let _ = session;\n",
    ),
    served(
        "what-a-row-names-is-written-with-what-follows",
        PASS,
        "writes.merge(&resolver.writes_to(table, kinds));",
        "let _ = (resolver, kinds.count());\n                writes.merge(&Writes::table(table));",
    ),
    served(
        "rows-of-a-renamed-table-say-everything",
        PASS,
        "resolver.filter(|resolver| !resolver.catalogue().doubts_outbox)",
        "resolver.filter(|_| true)",
    ),
    served(
        "what-is-not-shared-has-one-relay",
        PASS,
        "if !core.is_shared() && !memory.leads {",
        "if false {",
    ),
    served(
        "a-relay-does-not-keep-its-cache",
        RELAY,
        "if relays.wait(pause) || weak.is_abandoned(relays) {",
        "if relays.wait(pause) {",
    ),
    served(
        "the-relay-outlives-a-panic",
        RELAY,
        "catch_unwind(round).unwrap_or(Err(Trouble::Panic))",
        "round()",
    ),
    served(
        "nothing-is-served-before-the-outbox-was-looked-at",
        RELAYS,
        "} else if self.0.relays.behind.load(Ordering::SeqCst) > 0 {",
        "} else if false {",
    ),
    served(
        "a-trigger-touches-no-row-of-the-outbox",
        TRIGGERS,
        "\"INSERT INTO {name} (id, session, relation, event)\\n\\\n         VALUES (UUID_SHORT(), @diesel_cache_session, {table}, '{event}')\"",
        "\"BEGIN UPDATE {name} SET generation = generation + 1 WHERE id = 77; \\\n         INSERT INTO {name} (id, session, relation, event) \\\n         VALUES (UUID_SHORT(), @diesel_cache_session, {table}, '{event}'); END\"",
    ),
    served(
        "rows-that-are-locked-are-left-alone",
        ROWS,
        "WHERE id IN ({ids}) FOR UPDATE SKIP LOCKED)\"",
        "WHERE id IN ({ids}) AND false FOR UPDATE SKIP LOCKED)\"",
    ),
];
