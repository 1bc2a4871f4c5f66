//! The one path of every write: quarantine, then lift.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use crate::backend::{Acknowledged, Holder, Writer};
use crate::catalogue::Writes;
use crate::config::{Level, OnUnreachable};
use crate::core::{Core, Way};
use crate::database::TagSpace;
use crate::database_state::Governed;
use crate::event::{Invalidation, Source};
use crate::footprint::Name;
use crate::protocol::Lift;
use crate::resolve::write_tags;
use crate::shared::Delivery;
use crate::stats::count;
use crate::strategy::{Chosen, Strategies};
use crate::tag::Tag;
use crate::token::{Opening, WriterId};

mod orphans;

pub(crate) use self::orphans::{Orphan, of_holder};

/// What a writer's session is called where it can be asked whether it has ended.
#[derive(Debug, Clone)]
pub(crate) struct SessionName {
    name: Arc<str>,
    /// Whether its statements run in this process, and end with their call.
    in_process: bool,
}

impl SessionName {
    /// As a server names it.
    pub(crate) fn of_a_server(name: String) -> Self {
        Self {
            name: name.into(),
            in_process: false,
        }
    }

    /// As this process is named.
    pub(crate) fn of_this_process(name: String) -> Self {
        Self {
            name: name.into(),
            in_process: true,
        }
    }
}

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
    session: Option<SessionName>,
    /// The opening in which the catalogue was read that told what is written.
    seen: Option<Opening>,
    /// Keeps newer catalogues from being read by while an older one governs the write.
    governed: Option<Governed>,
    /// Whether the store has answered that it has all of it.
    acknowledged: bool,
    owed: bool,
    /// How the store is told.
    way: Way,
    /// Whether what would commit it has not been sent, for certain.
    unsent: bool,
}

impl Core {
    /// Puts what is about to be written under quarantine. It is acknowledged when this returns,
    /// or what it touches is bypassed in this process. `seen` is the opening of the
    /// gate in which the catalogue was read that told what the statement writes.
    pub(crate) fn quarantine(
        self: &Arc<Self>,
        writes: Writes,
        space: Option<TagSpace>,
        session: Option<SessionName>,
        governed: Option<Governed>,
        seen: Option<Opening>,
        way: Way,
    ) -> Guard {
        let mut guard = self.guard(writes, space, session, governed, seen);
        guard.way = way;
        if guard.is_announced() {
            guard.announce();
        }
        guard
    }

    /// What [`quarantine`](Self::quarantine) returns, before the store is told.
    pub(crate) fn guard(
        self: &Arc<Self>,
        writes: Writes,
        space: Option<TagSpace>,
        session: Option<SessionName>,
        governed: Option<Governed>,
        seen: Option<Opening>,
    ) -> Guard {
        let tags = write_tags(&writes, space);
        let guard = Guard {
            core: Arc::clone(self),
            writer: WriterId::fresh(),
            writes,
            tags,
            space,
            session,
            seen,
            governed,
            acknowledged: false,
            owed: true,
            way: Way::Here,
            unsent: false,
        };
        if self.is_shared() {
            let announced = self.announces(&guard);
            self.shared.begin(guard.writer, space, announced);
        }
        guard
    }

    /// Whether a write is announced before it commits. Where nothing can tell that its session
    /// has ended, a quarantine might stand for ever.
    // rule: strong-quarantines-before-commit
    fn announces(&self, guard: &Guard) -> bool {
        !self.is_shared()
            || (self.config.level >= Level::Strong && guard.session.is_some() && !self.is_forked())
    }

    /// The database has ended a writer.
    fn end(&self, writer: WriterId) {
        if self.is_shared() {
            self.shared.end(writer);
        }
    }

    /// Whether a write that cannot be announced is to be given up, where it can be.
    pub(crate) fn aborts(&self) -> bool {
        self.is_shared()
            && self.config.level >= Level::Strong
            && self.config.on_unreachable == OnUnreachable::Abort
    }

    /// Whether something is to be done on the explicit path before a write is committed, so that
    /// it needs a transaction.
    pub(crate) fn announces_early(&self) -> bool {
        self.aborts() || self.config.level == Level::Durable
    }

    /// Asks the store to put what a guard is of under quarantine, and notes its answer.
    fn put_under_quarantine(&self, guard: &Guard) -> Option<Acknowledged> {
        count(&self.counters.quarantines);
        let writer = Writer {
            id: guard.writer,
            process: self.process,
            space: guard.space,
            session: guard.session.as_ref().map(|session| &*session.name),
        };
        match self.backend.quarantine(&writer, &guard.tags) {
            Ok(known) => {
                if self.is_shared() {
                    self.shared.acknowledge(guard.writer, Some(known.epoch));
                }
                Some(known)
            }
            Err(error) => {
                self.failed(&error);
                // What was acknowledged before was less.
                if self.is_shared() {
                    self.shared.acknowledge(guard.writer, None);
                }
                None
            }
        }
    }

    /// Gives the tags of what was written new tokens.
    pub(crate) fn renew(
        self: &Arc<Self>,
        writes: &Writes,
        space: Option<TagSpace>,
        source: Source,
        way: Way,
    ) {
        let tags = write_tags(writes, space);
        if tags.is_empty() {
            return;
        }
        self.close_if_changed(writes, space, way);
        self.renew_tags(&tags, way);
        self.invalidated(writes, space, source, &tags, way);
    }

    /// Gives the tags of what was written, in each database, new tokens.
    pub(crate) fn renew_everywhere(self: &Arc<Self>, writes: &Writes) {
        let spaces = self.spaces().clone();
        let tags: Vec<Tag> = spaces
            .iter()
            .flat_map(|space| write_tags(writes, Some(*space)))
            .chain(
                writes
                    .tables
                    .iter()
                    .flat_map(|table| [Tag::named(table), Tag::by_hand(table)]),
            )
            .collect();
        self.renew_tags(&tags, Way::Here);
        self.invalidated(writes, None, Source::Explicit, &tags, Way::Here);
    }

    /// Gives the tag of everything a new token. The schemas are what they were.
    pub(crate) fn renew_root(self: &Arc<Self>) {
        self.renew_tags(&[Tag::root()], Way::Here);
        let root = [Tag::root()];
        self.invalidated(&Writes::root(), None, Source::Explicit, &root, Way::Here);
    }

    /// Gives a label a new token.
    pub(crate) fn renew_label(self: &Arc<Self>, label: &Name) {
        self.renew_tags(&[Tag::label(label)], Way::Here);
        self.counters.invalidation(Source::Explicit);
        let event = Arc::new(Invalidation::of_label(label));
        self.note_renewal(&[Tag::label(label)], &event);
        self.publish(&event);
    }

    fn renew_tags(self: &Arc<Self>, tags: &[Tag], way: Way) {
        self.tell(Delivery::Renew(tags.to_vec()), way);
    }

    /// Where the schema may have changed, every process must read its catalogue anew before
    /// any result is relied on.
    // rule: another-schema-closes-the-gate
    pub(crate) fn close_if_changed(
        self: &Arc<Self>,
        writes: &Writes,
        space: Option<TagSpace>,
        way: Way,
    ) {
        if self.is_shared() && (writes.schema || writes.root) {
            self.tell(Delivery::Close(space.filter(|_| !writes.root)), way);
        }
    }

    /// Follows up on what was invalidated: the strategies of its tables, and who listens.
    pub(crate) fn invalidated(
        self: &Arc<Self>,
        writes: &Writes,
        space: Option<TagSpace>,
        source: Source,
        tags: &[Tag],
        way: Way,
    ) {
        self.counters.invalidation(source);
        let event = Arc::new(Invalidation::of(writes, source));
        self.note_renewal(tags, &event);
        let strategies = self.strategies_of(writes);
        if strategies.is_empty() && !self.feed.is_heard() {
            return;
        }
        let removed = strategies.iter().filter(|(_, strategy)| strategy.removes());
        for table in removed.map(|(table, _)| table).collect::<BTreeSet<_>>() {
            self.purge(table, space.filter(|_| !writes.root), way);
        }
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
    fn purge(self: &Arc<Self>, table: &str, space: Option<TagSpace>, way: Way) {
        let spaces = match space {
            Some(space) => vec![space],
            None => self.spaces().iter().copied().collect(),
        };
        let of_databases = spaces.into_iter().map(|space| Tag::any(space, table));
        for tag in of_databases.chain([Tag::named(table)]) {
            self.tell(Delivery::Purge(tag), way);
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
}

impl Guard {
    /// Announces what is about to be written.
    pub(crate) fn announce(&mut self) {
        let core = Arc::clone(&self.core);
        if self.way == Way::Handed && core.is_shared() {
            self.acknowledged = false;
            self.widen_unless_known();
            core.shared.withhold(self.writer, &self.tags);
            self.hand_over(false);
            return;
        }
        let known = core.put_under_quarantine(self);
        self.acknowledged = known.is_some();
        let Some(known) = known else {
            self.widen_unless_known();
            core.shared.withhold(self.writer, &self.tags);
            return;
        };
        if !core.is_shared() {
            return;
        }
        if let Some(space) = self.space {
            core.learn_opening(space, known.opening);
        }
        if self.widen_unless(known.opening.is_some() && known.opening == self.seen) {
            self.acknowledged = core.put_under_quarantine(self).is_some();
            if !self.acknowledged {
                core.shared.withhold(self.writer, &self.tags);
            }
        }
    }

    /// Makes it a write of everything, unless its catalogue is current as far as this process
    /// knows: nobody has acknowledged it.
    // rule: a-write-that-is-not-announced-goes-by-the-gate
    fn widen_unless_known(&mut self) {
        let known = self.space.and_then(|space| self.core.opening(space));
        let current = known.is_some() && known == self.seen;
        self.widen_unless(current || !self.core.is_shared());
    }

    /// Makes it a write of everything, unless the catalogue that told what it writes is known
    /// to be current. Returns whether it is more now.
    // rule: a-write-by-an-older-catalogue-writes-everything
    fn widen_unless(&mut self, current: bool) -> bool {
        let widens = !current && !self.writes.is_unbounded();
        if widens {
            self.writes.merge(&Writes::everything());
            self.tags = write_tags(&self.writes, self.space);
        }
        widens
    }

    /// Has the worker announce it, or say that its writer has answered.
    fn hand_over(&self, answered: bool) {
        count(&self.core.counters.quarantines);
        let session = self.session.as_ref();
        let holder = Holder {
            writer: self.writer,
            process: self.core.process,
            space: self.space,
            session: session.map(|session| match answered {
                true => orphans::marked(&session.name),
                false => session.name.to_string(),
            }),
            tags: self.tags.clone(),
        };
        self.core
            .tell(Delivery::Quarantine(Box::new(holder)), Way::Handed);
    }

    /// What follows is told that way.
    pub(crate) fn told_by(mut self, way: Way) -> Self {
        self.way = way;
        self.unsent = false;
        self
    }

    /// What is announced.
    pub(crate) fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// Whether it is one of those that are announced at all.
    pub(crate) fn is_announced(&self) -> bool {
        self.core.announces(self)
    }

    /// Whether the store has all of it under quarantine.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.acknowledged
    }

    /// Announces more, if it is more.
    pub(crate) fn also(
        self,
        writes: Writes,
        governed: Option<Governed>,
        seen: Option<Opening>,
    ) -> Self {
        let before = self.writes.clone();
        let mut guard = self.with(writes, governed, seen);
        if guard.writes != before && guard.is_announced() {
            guard.announce();
        }
        guard
    }

    /// Holds more, to be [announced](Self::announce_all).
    pub(crate) fn with(
        mut self,
        writes: Writes,
        governed: Option<Governed>,
        seen: Option<Opening>,
    ) -> Self {
        self.governed = governed.or(self.governed.take());
        let before = self.writes.clone();
        self.writes.merge(&writes);
        if self.writes != before {
            self.tags = write_tags(&self.writes, self.space);
            self.seen = seen;
            self.acknowledged = false;
        }
        self
    }

    /// Whether whatever another holds is held by this, too.
    pub(crate) fn holds_as_much_as(&self, other: &Self) -> bool {
        self.writes == other.writes && self.space == other.space
    }

    /// Announces what was not announced yet, and waits for the store. What commits it is not
    /// sent before this has returned.
    pub(crate) fn announce_all(mut self) -> Self {
        self.unsent = true;
        if self.is_announced() && !self.acknowledged {
            self.way = Way::Here;
            self.announce();
        }
        self
    }

    /// What it is a guard of.
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The writer committed, or may have, and is over.
    pub(crate) fn renew(mut self, source: Source) {
        self.settle(source);
    }

    fn settle(&mut self, source: Source) {
        self.owed = false;
        if !self.acknowledged {
            self.widen_unless_known();
        }
        let core = &self.core;
        core.close_if_changed(&self.writes, self.space, self.way);
        let tags = self.tags.clone();
        let delivery = if core.announces(self) {
            Delivery::Lift(self.writer, tags, Lift::Renew)
        } else {
            Delivery::Renew(tags)
        };
        core.tell(delivery, self.way);
        core.end(self.writer);
        core.invalidated(&self.writes, self.space, source, &self.tags, self.way);
    }

    /// The writer wrote nothing, for certain.
    pub(crate) fn restore(mut self) {
        self.owed = false;
        let core = &self.core;
        if core.announces(&self) {
            let tags = std::mem::take(&mut self.tags);
            core.tell(Delivery::Lift(self.writer, tags, Lift::Restore), self.way);
        }
        core.end(self.writer);
    }
}
