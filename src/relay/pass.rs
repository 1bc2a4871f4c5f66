//! One look at the outbox.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::{Duration, Instant};

use diesel::connection::LoadConnection;

use super::lead::lead;
use super::rows::{self, MOST, Row};
use crate::cache::Cache;
use crate::catalogue::Writes;
use crate::connection::{self, AttachConnection, Blocking, tracker};
use crate::dialect::Dialect;
use crate::error::{BackendError, Error};
use crate::footprint::WriteKind;
use crate::now::now;
use crate::outbox;
use crate::outbox::sessions::Turn;
use crate::statement::CacheDatabase;

/// For how long a row may wait for whoever answers for it, or leads. No promise rests on it: what
/// is told too soon is told twice.
const GRACE: Duration = Duration::from_secs(2);
/// How often one that does not lead looks at the rows of others.
const LOOK_AT_OTHERS: Duration = Duration::from_secs(1);

/// How often it tries to learn the catalogue, which others may look at just now.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);

/// What a relay knows from look to look.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) leads: bool,
    /// What was there when it first looked, as far as it may still be there.
    found: Option<BTreeSet<String>>,
    /// Whether somebody has told of all that was there when it first looked.
    caught_up: bool,
    looked_at_all: Option<Instant>,
    seen: HashMap<String, Seen>,
}

/// A row that was there before.
#[derive(Debug, Clone)]
struct Seen {
    generation: String,
    since: Instant,
    /// What its session was about when it was first seen; none if nobody answered for it.
    turn: Option<Turn>,
    /// Whether this relay has told the store of it.
    told: bool,
}

/// How a look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing is left to be done now, and all that was there at first is told.
    Done,
    /// Something may be there still that was there at first.
    Behind,
    /// There was more than is looked at at once.
    Full,
}

/// Why a look did not end.
#[derive(Debug)]
pub(super) enum Trouble {
    Connect,
    Attach(Error),
    Database(diesel::result::Error),
    Store(BackendError),
    /// The connection is no longer attached, or does not know its database.
    Unattached,
    Panic,
}

impl Trouble {
    /// Whether another connection may help.
    pub(super) fn loses_connection(&self) -> bool {
        !matches!(self, Self::Store(_))
    }
}

impl From<diesel::result::Error> for Trouble {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

impl fmt::Display for Trouble {
    // rule: what-connects-may-repeat-a-password
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what: &dyn fmt::Display = match self {
            Self::Connect => &"it cannot connect to its database",
            Self::Attach(error) => error,
            Self::Database(error) => error,
            Self::Store(error) => error,
            Self::Unattached => &"its connection is not attached",
            Self::Panic => &"it panicked",
        };
        write!(f, "the cache's relay: {what}")
    }
}

/// Looks at the outbox once.
///
/// # Errors
/// What keeps it from it. What was not removed is looked at again.
pub(super) fn pass<C>(conn: &mut C, cache: &Cache, memory: &mut Memory) -> Result<Ended, Trouble>
where
    C: LoadConnection + AttachConnection,
    C::Backend: CacheDatabase,
{
    let core = cache.core();
    let outbox = &core.config.outbox;
    if tracker(conn).is_some_and(|tracker| tracker.meets_closed_gate()) {
        now(connection::open_gate(&mut Blocking(conn)));
    }
    if !memory.leads {
        memory.leads = lead(conn, cache)?;
    }
    // Who leads tells its own memory, and no other.
    if !core.is_shared() && !memory.leads {
        core.complain(&
            "the cache's relay: another process looks after the outbox of this database; a cache in \
             memory needs it for itself, and is bypassed",
        );
        return Ok(Ended::Behind);
    }
    let now = Instant::now();
    let all = memory.leads
        || !memory.caught_up
        || memory
            .looked_at_all
            .is_none_or(|last| now.duration_since(last) >= LOOK_AT_OTHERS);
    let prefix = core.sessions.prefix();
    let listed = rows::list(conn, outbox, Some(prefix).filter(|_| !all))?;
    // What their sessions are about is asked after they were seen.
    let sorted = memory.sort(&listed, now, |name| core.sessions.turn(name));
    if all {
        memory.looked_at_all = Some(now);
        memory.forget_besides(&listed);
        memory.note(&listed);
    }
    tell(conn, cache, &sorted.untold)?;
    memory.note_told(&sorted.untold);
    let news = !(sorted.untold.is_empty() && sorted.told.is_empty());
    let mut done = sorted.untold;
    done.extend(sorted.removable);
    // rule: what-waits-to-be-told-is-not-told
    // What a session handed over waits in this process as long as the store is out of reach.
    if core.shared.is_idle() {
        done.extend(sorted.told);
    }
    rows::remove(conn, outbox, &done)?;
    memory.forget(&done);
    if listed.len() >= MOST && news {
        return Ok(Ended::Full);
    }
    Ok(match memory.caught_up {
        true => Ended::Done,
        false => Ended::Behind,
    })
}

/// The rows that are to be removed.
struct Sorted<'a> {
    /// After the store was told of them.
    untold: Vec<&'a Row>,
    /// Those that the sessions have told of that made them, or handed over to be told.
    told: Vec<&'a Row>,
    /// At once: this relay told of them, and could not remove them.
    removable: Vec<&'a Row>,
}

impl Memory {
    fn sort<'a>(
        &mut self,
        listed: &'a [Row],
        now: Instant,
        turn: impl Fn(&str) -> Option<Turn>,
    ) -> Sorted<'a> {
        let mut sorted = Sorted {
            untold: Vec::new(),
            told: Vec::new(),
            removable: Vec::new(),
        };
        for row in listed {
            let name = row.session.as_deref();
            let first_seen = || Seen {
                generation: row.generation.clone(),
                since: now,
                turn: name.and_then(&turn),
                told: false,
            };
            let seen = self.seen.entry(row.id.clone());
            let seen = seen.or_insert_with(first_seen);
            if seen.generation != row.generation {
                *seen = first_seen();
            }
            // rule: a-row-is-told-when-its-session-was-idle
            // Somebody must answer for the session still: one that is over told nothing more.
            let told = seen.turn.is_some_and(|then| {
                let now = name.and_then(&turn);
                now.is_some_and(|now| then.is_idle() || now != then)
            });
            // rule: what-nobody-answers-for-is-told-by-who-leads
            let waited = now.saturating_duration_since(seen.since) >= GRACE;
            let left_behind = self.leads && (name.is_none() || !self.caught_up);
            if seen.told {
                sorted.removable.push(row);
            } else if told {
                sorted.told.push(row);
            } else if waited || left_behind {
                sorted.untold.push(row);
            }
        }
        sorted
    }

    /// These rows are there now; as many as that may be all, or not.
    // rule: who-does-not-lead-waits-for-what-was-there
    // Another may lead, or seem to: it may have been killed just now, or hang.
    fn note(&mut self, listed: &[Row]) {
        if self.caught_up {
            return;
        }
        let there: BTreeSet<&str> = listed.iter().map(|row| &*row.id).collect();
        match &mut self.found {
            Some(found) => found.retain(|id| there.contains(id.as_str())),
            None if listed.len() < MOST => {
                self.found = Some(there.into_iter().map(str::to_owned).collect());
            }
            None => {}
        }
        self.caught_up = self.found.as_ref().is_some_and(BTreeSet::is_empty);
    }

    /// The store has been told of these rows.
    // rule: a-row-is-told-once
    fn note_told(&mut self, rows: &[&Row]) {
        for row in rows {
            if let Some(seen) = self.seen.get_mut(&row.id) {
                seen.told = true;
            }
        }
    }

    /// These rows are told, and removed unless somebody else is at them.
    fn forget(&mut self, done: &[&Row]) {
        for row in done {
            if let Some(found) = &mut self.found {
                found.remove(&row.id);
            }
        }
        self.caught_up |= self.found.as_ref().is_some_and(BTreeSet::is_empty);
    }

    fn forget_besides(&mut self, listed: &[Row]) {
        let there: BTreeSet<&str> = listed.iter().map(|row| &*row.id).collect();
        self.seen.retain(|id, _| there.contains(id.as_str()));
    }
}

/// Tells the store what the rows say.
fn tell<C>(conn: &mut C, cache: &Cache, rows: &[&Row]) -> Result<(), Trouble>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    if rows.is_empty() {
        return Ok(());
    }
    let core = cache.core();
    // The catalogue tells what follows from a write to a table; without it, anything may.
    let known = (0..TRIES).any(|again| {
        if again > 0 {
            std::thread::sleep(PAUSE);
        }
        now(connection::make_known(&mut Blocking(conn))).is_ok()
    });
    // rule: a-row-is-told-by-a-current-catalogue
    // Who changed the schema before the rows were written has closed the gate by now; or will,
    // and voids everything then.
    if core.is_shared() {
        core.beat();
    }
    let tracker = tracker(conn).ok_or(Trouble::Unattached)?;
    let database = tracker.database().cloned().ok_or(Trouble::Unattached)?;
    // Where the rows may not tell which tables they are of, they tell of all.
    let resolver = database.resolver().filter(|_| known);
    let resolver = resolver.filter(|resolver| !resolver.catalogue().doubts_outbox);
    let mut writes = Writes::default();
    let mut tags = BTreeSet::new();
    let mut tables: BTreeMap<&str, BTreeSet<Option<&str>>> = BTreeMap::new();
    let mut with_tags = Vec::new();
    for row in rows.iter().copied() {
        match &row.relation {
            Some(table) => {
                let events = tables.entry(table).or_default();
                events.insert(row.event.as_deref());
            }
            None => with_tags.push(row),
        }
    }
    for (table, events) in tables {
        // rule: what-a-row-names-is-written-with-what-follows
        match &resolver {
            Some(resolver) => {
                let kinds = events
                    .into_iter()
                    .flat_map(|event| kinds(event, C::Backend::DIALECT));
                writes.merge(&resolver.writes_to(table, kinds));
            }
            None => writes.merge(&Writes::everything()),
        }
    }
    let written = rows::tags(conn, &core.config.outbox, &with_tags)?;
    for text in &written {
        // rule: a-row-that-cannot-be-read-says-everything
        match outbox::from_hex(text) {
            Some(found) => tags.extend(found),
            None => writes.merge(&Writes::everything()),
        }
    }
    core.relay(&writes, &tags, database.id.tags)
        .map_err(Trouble::Store)?;
    let told = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let counter = &core.counters.relayed;
    counter.fetch_add(told, std::sync::atomic::Ordering::Relaxed);
    Ok(())
}

/// How a table was written, given what the trigger says.
fn kinds(event: Option<&str>, dialect: Dialect) -> Vec<WriteKind> {
    let truncate = WriteKind::Truncate { cascade: true };
    match event {
        // An `OR REPLACE` fires no trigger for the rows that it removes.
        Some("insert" | "update") if dialect == Dialect::Sqlite => vec![WriteKind::Replace],
        Some("insert") => vec![WriteKind::Insert],
        Some("update") => vec![WriteKind::Update { columns: None }],
        Some("delete") => vec![WriteKind::Delete],
        Some("truncate") => vec![truncate],
        _ => vec![WriteKind::Replace, truncate],
    }
}

#[cfg(test)]
mod tests;
