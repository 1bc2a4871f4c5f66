//! The one path of every write: quarantine, then lift.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::backend::Writer;
use crate::catalogue::Writes;
use crate::core::Core;
use crate::database::TagSpace;
use crate::database_state::Governed;
use crate::event::{Invalidation, Source};
use crate::footprint::Name;
use crate::protocol::Lift;
use crate::resolve::write_tags;
use crate::stats::count;
use crate::strategy::{Chosen, Strategies};
use crate::tag::Tag;
use crate::token::WriterId;

/// How long to wait before the database is asked again what became of a writer.
const RESOLVE_EVERY: Duration = Duration::from_millis(100);

/// Tags under quarantine. Whoever holds it owes the store the writer's outcome;
/// dropped without one, the quarantine stands until the database gives evidence that
/// the writer's session has ended.
#[derive(Debug)]
pub(crate) struct Guard {
    core: Arc<Core>,
    writer: WriterId,
    writes: Writes,
    tags: Vec<Tag>,
    space: Option<TagSpace>,
    session: Option<Arc<str>>,
    /// Keeps newer catalogues from being read by while an older one governs the write.
    governed: Option<Governed>,
    owed: bool,
}

/// A quarantine whose writer's outcome is not known.
#[derive(Debug)]
pub(crate) struct Orphan {
    writer: WriterId,
    writes: Writes,
    tags: Vec<Tag>,
    space: Option<TagSpace>,
    /// The writer's session, as the database names it.
    session: Option<Arc<str>>,
    _governed: Option<Governed>,
    ask_after: Instant,
}

impl Core {
    /// Puts what is about to be written under quarantine. It is acknowledged when this returns.
    pub(crate) fn quarantine(
        self: &Arc<Self>,
        writes: Writes,
        space: Option<TagSpace>,
        session: Option<Arc<str>>,
        governed: Option<Governed>,
    ) -> Guard {
        let writer = WriterId::fresh();
        let tags = write_tags(&writes, space);
        count(&self.counters.quarantines);
        let known = Writer {
            id: writer,
            process: self.process,
            space,
            session: session.as_deref(),
        };
        if let Err(error) = self.backend.quarantine(&known, &tags) {
            self.failed(&error);
        }
        Guard {
            core: Arc::clone(self),
            writer,
            writes,
            tags,
            space,
            session,
            governed,
            owed: true,
        }
    }

    /// Gives the tags of what was written new tokens.
    pub(crate) fn renew(&self, writes: &Writes, space: Option<TagSpace>, source: Source) {
        let tags = write_tags(writes, space);
        if tags.is_empty() {
            return;
        }
        self.renew_tags(&tags);
        self.invalidated(writes, space, source);
    }

    /// Gives the tags of what was written, in each database, new tokens.
    pub(crate) fn renew_everywhere(&self, writes: &Writes) {
        let spaces = self.spaces().clone();
        let tags: Vec<Tag> = spaces
            .iter()
            .flat_map(|space| write_tags(writes, Some(*space)))
            .chain(writes.tables.iter().map(|table| Tag::named(table)))
            .collect();
        self.renew_tags(&tags);
        self.invalidated(writes, None, Source::Explicit);
    }

    /// Gives a label a new token.
    pub(crate) fn renew_label(&self, label: &Name) {
        self.renew_tags(&[Tag::label(label)]);
        self.counters.invalidation(Source::Explicit);
        self.publish(&Arc::new(Invalidation::of_label(label)));
    }

    fn renew_tags(&self, tags: &[Tag]) {
        if let Err(error) = self.backend.renew(tags) {
            self.failed(&error);
        }
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) {
        if let Err(error) = self.backend.lift(writer, tags, how) {
            self.failed(&error);
        }
    }

    /// Follows up on what was invalidated: the strategies of its tables, and who listens.
    fn invalidated(&self, writes: &Writes, space: Option<TagSpace>, source: Source) {
        self.counters.invalidation(source);
        let strategies = self.strategies_of(writes);
        if strategies.is_empty() && !self.feed.is_heard() {
            return;
        }
        let removed = strategies.iter().filter(|(_, strategy)| strategy.removes());
        for table in removed.map(|(table, _)| table).collect::<BTreeSet<_>>() {
            self.purge(table, space.filter(|_| !writes.root));
        }
        let event = Arc::new(Invalidation::of(writes, source));
        for (table, strategy) in &strategies {
            if strategy.tell(table, &event) {
                count(&self.counters.strategy_panics);
                log::warn!("the strategy {} of {table} panicked", strategy.name());
            }
        }
        self.publish(&event);
    }

    /// Removes what was made from a table of that database, or of any.
    // rule: the-delete-strategy-removes-at-once
    fn purge(&self, table: &str, space: Option<TagSpace>) {
        let spaces = match space {
            Some(space) => vec![space],
            None => self.spaces().iter().copied().collect(),
        };
        let of_databases = spaces.into_iter().map(|space| Tag::any(space, table));
        for tag in of_databases.chain([Tag::named(table)]) {
            if let Err(error) = self.backend.purge(&tag) {
                self.failed(&error);
            }
        }
    }

    /// The databases that were ever seen.
    pub(crate) fn spaces(&self) -> MutexGuard<'_, HashSet<TagSpace>> {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the subscribers.
    pub(crate) fn publish(&self, event: &Arc<Invalidation>) {
        if self.feed.is_heard() {
            let lost = self.feed.publish(event);
            self.counters.events_lost.fetch_add(lost, Ordering::Relaxed);
        }
    }

    /// The strategies of the tables that were written, as far as they follow up.
    fn strategies_of(&self, writes: &Writes) -> Vec<(Name, Chosen)> {
        let settings = self.settings();
        let mut found = Vec::new();
        let mut add = |table: &Name| {
            let strategies = settings.strategies(table).into_iter();
            let attentive = strategies.flat_map(Strategies::attentive);
            found.extend(attentive.map(|strategy| (table.clone(), strategy.clone())));
        };
        if writes.is_unbounded() {
            settings.tables().for_each(&mut add);
        } else {
            writes.tables.iter().for_each(&mut add);
        }
        found
    }

    /// The sessions whose end would resolve a quarantine, and which may be asked about now.
    pub(crate) fn unresolved(&self, space: TagSpace) -> Vec<Arc<str>> {
        let now = Instant::now();
        let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sessions = Vec::new();
        for orphan in orphans.iter_mut() {
            if orphan.space == Some(space)
                && orphan.ask_after <= now
                && let Some(session) = &orphan.session
            {
                orphan.ask_after = now + RESOLVE_EVERY;
                sessions.push(Arc::clone(session));
            }
        }
        sessions
    }

    /// The database says that the session has ended: whatever it was doing is over.
    pub(crate) fn resolve(&self, space: TagSpace, session: &str) {
        let ended: Vec<Orphan> = {
            let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
            let (ended, left) = orphans.drain(..).partition(|orphan| {
                orphan.space == Some(space) && orphan.session.as_deref() == Some(session)
            });
            *orphans = left;
            ended
        };
        for orphan in ended {
            count(&self.counters.resolves);
            self.lift(orphan.writer, &orphan.tags, Lift::Renew);
            self.invalidated(&orphan.writes, orphan.space, Source::Unknown);
        }
    }
}

impl Guard {
    /// The writer committed, or may have, and is over.
    pub(crate) fn renew(mut self, source: Source) {
        self.owed = false;
        self.core.lift(self.writer, &self.tags, Lift::Renew);
        self.core.invalidated(&self.writes, self.space, source);
    }

    /// The writer wrote nothing, for certain.
    pub(crate) fn restore(mut self) {
        self.owed = false;
        self.core.lift(self.writer, &self.tags, Lift::Restore);
    }
}

impl Drop for Guard {
    // rule: an-unknown-outcome-is-never-lifted
    fn drop(&mut self) {
        if !self.owed {
            return;
        }
        // Without a session there is no evidence to be had, ever: the invalidation is then
        // as late as a statement that the server still runs, and no later.
        if self.session.is_none() {
            self.owed = false;
            self.core.lift(self.writer, &self.tags, Lift::Renew);
            self.core
                .invalidated(&self.writes, self.space, Source::Unknown);
            return;
        }
        self.core
            .orphans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Orphan {
                writer: self.writer,
                writes: std::mem::take(&mut self.writes),
                tags: std::mem::take(&mut self.tags),
                space: self.space,
                session: self.session.clone(),
                _governed: self.governed.take(),
                ask_after: Instant::now(),
            });
    }
}
