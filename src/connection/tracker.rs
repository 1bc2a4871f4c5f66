//! The tracker: this crate's instrumentation on a connection.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::result::Error;

use crate::bypass::Bypass;
use crate::cache::Cache;
use crate::catalogue::{Reads, Writes};
use crate::connection::Quiet;
use crate::connection::hooks::{Due, Hooks};
use crate::connection::returned::{self, Returned};
use crate::connection::simulated::Simulation;
use crate::connection::told;
use crate::connection::transaction::{Fill, Transaction, Verdict};
use crate::connection::unresolved::{dialect_of_url, is_type_lookup, takes_marks_away};
use crate::database::TagSpace;
use crate::database_state::{Database, Watch};
use crate::dependencies::watch;
use crate::dialect::Dialect;
use crate::event::Source;
use crate::footprint::{self, Name, Session, Step, Target, WriteKind};
use crate::invalidate::{Guard, SessionName};
use crate::outbox::sessions::Session as OutboxSession;
use crate::resolve::Resolved;
use crate::signal::Hook;

mod announce;
mod flight;
mod ground;
mod observe;
mod resolve;
mod session;
#[cfg(feature = "async-postgres")]
pub(crate) mod view;

pub(crate) use self::announce::Announced;
pub(crate) use self::flight::Manner;
use self::flight::{Doubt, InFlight, Trail};

/// With more temporary relations than this, any name may be one.
const MOST_TEMPORARIES: usize = 1000;

/// Follows what a connection does, and hands every write to the cache.
#[allow(
    unreachable_pub,
    reason = "it stands in what a trait asks of connections that are known here"
)]
pub struct Tracker {
    cache: Cache,
    next: Option<Box<dyn Instrumentation>>,
    database: Option<Arc<Database>>,
    session: Option<SessionName>,
    /// The looks at the catalogue as this session's user.
    watch: Option<Arc<Watch>>,
    transaction: Transaction,
    /// What waits for the commit.
    hooks: Hooks,
    /// What the last statement was that returned without an error.
    last: Option<Arc<Resolved>>,
    /// The transaction that commits are played in, if there is one.
    simulation: Option<Simulation>,
    standby: bool,
    attached: bool,
    /// The settings of the application's own that the session was asked for.
    looked_at: Option<BTreeSet<Name>>,
    temporary: BTreeSet<Name>,
    /// Those of them that are views: reading one runs what it calls.
    temporary_views: BTreeSet<Name>,
    /// Whether a temporary relation may have been made that is not listed.
    temporary_unknown: bool,
    /// Who waits for what it does.
    manner: Manner,
    /// Counts what happens on it.
    clock: u64,
    in_flight: Vec<InFlight>,
    /// Quarantines whose statement may still be at work on the server.
    doubts: Vec<Doubt>,
    trails: Vec<Trail>,
    /// What an announced transaction has committed, and who awaits it has yet to tell.
    committed: Option<(Guard, Source)>,
    /// Whether a statement of this crate's own is under way.
    asking: bool,
    /// Whether an answer may be the one to an earlier statement.
    out_of_step: bool,
    /// Whether it is a copy of what another knows.
    is_view: bool,
    /// How many statements were sent that may begin or end a transaction.
    controls: u64,
    /// When a statement last returned rows whose error would be unseen.
    rows_at: u64,
    /// What the transaction is about to commit, if it was announced before its COMMIT.
    announced: Option<Guard>,
    /// Whether the statement under way commits it, and somebody awaits that.
    is_announced: bool,
    /// What the session is called in the outbox.
    outbox_session: Option<Arc<OutboxSession>>,
    /// The schema's generation by which the transaction's first write was resolved.
    pending_generation: Option<u64>,
    /// The dialect by the URL, before the database is known.
    hint: Option<Dialect>,
}

/// Where a question of this crate's own can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Outside of any transaction.
    Autocommit,
    /// In the open transaction, in a savepoint of its own.
    Savepoint,
}

impl Tracker {
    pub(crate) fn new(
        cache: Cache,
        next: Option<Box<dyn Instrumentation>>,
        manner: Manner,
    ) -> Self {
        Self {
            cache,
            next,
            database: None,
            session: None,
            watch: None,
            transaction: Transaction::new(None),
            hooks: Hooks::new(),
            last: None,
            simulation: None,
            standby: false,
            attached: false,
            looked_at: None,
            temporary: BTreeSet::new(),
            temporary_views: BTreeSet::new(),
            temporary_unknown: false,
            manner,
            clock: 0,
            in_flight: Vec::new(),
            doubts: Vec::new(),
            trails: Vec::new(),
            committed: None,
            asking: false,
            out_of_step: false,
            is_view: false,
            controls: 0,
            rows_at: 0,
            announced: None,
            is_announced: false,
            outbox_session: None,
            pending_generation: None,
            hint: None,
        }
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(crate) fn database(&self) -> Option<&Arc<Database>> {
        self.database.as_ref()
    }

    /// The connection has a transaction open that was not seen to begin.
    pub(crate) fn joined_late(&mut self) {
        self.transaction.taint();
        self.hooks.lose();
    }

    /// Runs the hook after the outermost commit; at once, if no transaction is open.
    pub(crate) fn after_commit(&mut self, hook: Hook) {
        if self.transaction.is_lost() || self.is_ground_lost() {
            told::unknown(&self.cache, 1);
        } else if self.transaction.is_autocommit() {
            told::run(&self.cache, vec![hook]);
        } else {
            self.hooks.add(hook);
        }
    }

    /// Whether the database may have rolled the transaction back by itself: what to give to
    /// [`vouch`](Self::vouch).
    pub(crate) fn is_suspected(&self) -> bool {
        self.hooks.is_suspected()
    }

    /// The last statement has returned its rows: SQLite has kept back no error of it.
    pub(crate) fn vouch(&mut self, suspected_before: bool) {
        self.hooks.vouch(suspected_before);
    }

    /// The columns that stood in `SET` of the last statement, if it was an `UPDATE` of one
    /// table, and they are known.
    pub(crate) fn changed(&self) -> Option<&BTreeSet<Name>> {
        let [Step::Write(write)] = self.last.as_ref()?.analysis.steps.as_slice() else {
            return None;
        };
        match write.targets.as_slice() {
            [
                Target {
                    kind: WriteKind::Update { columns },
                    ..
                },
            ] => columns.as_ref(),
            _ => None,
        }
    }

    /// Whether the session must be asked about before a read may use the cache.
    pub(crate) fn must_ask(&self) -> bool {
        self.database.is_none()
            || self.transaction.scope.digest().is_none()
            || (self.temporary_unknown && self.dialect() != Some(Dialect::Mysql))
    }

    /// Whether policies look at other settings now than those that the session was asked for.
    // rule: another-schema-looks-at-other-settings
    pub(crate) fn looks_elsewhere(&self) -> bool {
        self.dialect() == Some(Dialect::Postgres)
            && self
                .database
                .as_ref()
                .and_then(|database| database.resolver())
                .is_some_and(|resolver| resolver.catalogue().looked_at != self.looked_at)
    }

    /// Why the session cannot be asked about now.
    pub(crate) fn silence(&self) -> Bypass {
        if self.transaction.awaits_transaction() {
            Bypass::Isolation
        } else if self.transaction.is_certain() {
            Bypass::Unidentified
        } else {
            Bypass::UnknownTransaction
        }
    }

    /// Whether a question to the database can do no harm now.
    pub(crate) fn may_ask(&self) -> bool {
        self.transaction.is_autocommit()
            && self.in_flight.is_empty()
            && !self.transaction.awaits_transaction()
            // rule: a-test-transaction-is-asked-nothing
            && self.simulation.is_none()
    }

    /// Where a question about the catalogue can be asked now, if anywhere.
    pub(crate) fn place_to_ask(&self) -> Option<Place> {
        if self.may_ask() {
            Some(Place::Autocommit)
        } else if self.in_flight.is_empty()
            // Its schema may be that of nobody else.
            && !self.is_simulated()
            // rule: a-look-undoes-what-nobody-else-wrote
            && !self.is_view
            && self.transaction.may_ask_inside()
        {
            Some(Place::Savepoint)
        } else {
            None
        }
    }

    /// The looks at the catalogue as this session's user.
    pub(crate) fn watch(&self) -> Option<&Arc<Watch>> {
        self.watch.as_ref()
    }

    /// Whether the server is a standby now.
    pub(crate) fn set_standby(&mut self, standby: bool) {
        self.standby = standby;
    }

    /// The dialect, as far as it is known.
    pub(crate) fn dialect(&self) -> Option<Dialect> {
        let known = self.database.as_ref().map(|database| database.dialect);
        known.or(self.hint)
    }

    /// The digest of the session's state.
    pub(crate) fn scope(&self) -> Option<[u8; 32]> {
        let scope = self.transaction.scope.digest().copied()?;
        let simulation = self.simulation.as_ref();
        // rule: a-test-transaction-has-a-scope-of-its-own
        Some(simulation.map_or(scope, |simulation| simulation.scope(scope)))
    }

    /// Whether a read of `reads` may use the cache now.
    pub(crate) fn admits(&self, reads: &Reads) -> Result<Fill, Bypass> {
        if let Some(simulation) = &self.simulation {
            simulation.admits()?;
        }
        // rule: who-shares-a-transaction-reads-the-database
        // Another future may write in it before this one reads.
        if self.is_view && !self.transaction.is_autocommit() {
            return Err(Bypass::UnknownTransaction);
        }
        let read_committed_ok = self.cache.core().config.read_committed_ok;
        let fill = self.transaction.admits(reads, read_committed_ok)?;
        // rule: standbys-bypass
        if self.standby {
            return Err(Bypass::Standby);
        }
        // rule: attached-databases-bypass
        if self.attached {
            return Err(Bypass::AttachedDatabase);
        }
        // rule: temporary-relations-bypass
        if self.temporary_unknown
            || reads
                .tables
                .iter()
                .any(|table| self.temporary.contains(table))
        {
            return Err(Bypass::Uncacheable);
        }
        Ok(fill)
    }

    fn start(&mut self, text: &str) {
        self.hand_over_committed();
        self.judge_unfinished(text);
        // The generation comes first: a change while the text is resolved is a newer one. So
        // does the opening that it was read in.
        let seen = self
            .database
            .as_ref()
            .and_then(|database| database.opening());
        let generation = self.database.as_ref().map(|database| database.generation());
        let mut resolved = self.resolve(text);
        for step in &resolved.analysis.steps {
            match step {
                Step::CreateTemporary(name) => {
                    self.temporary.insert(name.clone());
                    self.temporary_unknown |= self.temporary.len() > MOST_TEMPORARIES;
                    if text.to_lowercase().contains("view") {
                        self.temporary_views.insert(name.clone());
                    }
                }
                // rule: an-attach-counts-before-it-is-asked-about
                Step::Session(Session::Unrecognised) if self.dialect() == Some(Dialect::Sqlite) => {
                    self.attached = true;
                }
                _ => {}
            }
        }
        // rule: a-session-that-loses-its-mark-is-marked-again
        if self.cache.core().is_shared()
            && let Some(dialect) = self.dialect()
            && takes_marks_away(footprint::strip_binds(text, dialect))
        {
            self.transaction.lose_mark();
        }
        // rule: a-temporary-view-may-call-what-writes
        if self.reads_a_temporary_view(&resolved) {
            resolved = Arc::new(resolved.anything());
        }
        // rule: attached-databases-write-everywhere
        if self.attached && !resolved.writes.is_empty() {
            resolved = Arc::new(resolved.everywhere());
        }
        if watch::is_watched() || (self.blocks() && watch::may_be_awaited()) {
            self.observe(&resolved);
        }
        let simulation = self.simulation.as_mut();
        let effect = simulation.and_then(|simulation| simulation.translate(&resolved));
        if let Some(effect) = &effect {
            resolved = Arc::new(resolved.taken_for(effect.analysis.clone()));
        }
        let control = |step: &Step| matches!(step, Step::Control(_) | Step::Unknown);
        self.controls += u64::from(resolved.analysis.steps.iter().any(control));
        let mut quarantine = self.transaction.start(&resolved);
        // rule: a-test-transaction-that-ends-touches-everything
        if let (Some(simulation), Some(effect)) = (&self.simulation, &effect) {
            quarantine.merge(&simulation.touches(effect));
        }
        // rule: a-commit-under-another-schema-writes-everything
        // What was pending was resolved by a catalogue that is no longer the schema's.
        if self.pending_generation.is_some() && self.pending_generation != generation {
            if !quarantine.is_empty() {
                quarantine.merge(&Writes::everything());
            }
        } else if !resolved.writes.is_empty() {
            self.pending_generation = generation;
        }
        let governed = match (&self.database, generation) {
            // What keeps every read away needs no more.
            (Some(database), Some(generation))
                if !(quarantine.is_empty() || quarantine.is_unbounded()) =>
            {
                let governed = database.govern(generation);
                // From here on no read goes by a newer catalogue; one may have before.
                if database.generation() != generation {
                    quarantine.merge(&Writes::everything());
                }
                Some(governed)
            }
            _ => None,
        };
        self.note_schema_change(&resolved.writes);
        self.note_schema_change(&quarantine);
        self.is_announced = self.announced.is_some() && self.is_awaited();
        let guard = (!quarantine.is_empty()).then(|| match self.announced.take() {
            Some(guard) => guard.also(quarantine, governed, seen),
            None => self.quarantine(quarantine, governed, seen),
        });
        let began = self.tick();
        self.in_flight.push(InFlight {
            nested: !self.in_flight.is_empty() && is_type_lookup(text),
            sql: self.name_of(text),
            held: Vec::new(),
            resolved,
            guard,
            effect,
            began,
        });
    }

    /// Returns what is to be done, now that what was written is invalidated.
    fn finish(&mut self, text: &str, error: Option<&Error>) -> Vec<Hook> {
        let mut due = Due::default();
        let Some(finished) = self.landed(text) else {
            return due.hooks;
        };
        if finished.nested {
            return due.hooks;
        }
        let dialect = self.dialect();
        if !self.is_awaited() {
            // rule: a-start-without-a-finish-may-have-committed
            for unfinished in std::mem::take(&mut self.in_flight) {
                self.give_up(unfinished);
            }
        }
        let mut returned = Returned::of(error, dialect);
        // rule: an-error-of-copy-may-be-on-the-way
        if finished.resolved.copies && returned == Returned::Answered {
            returned = Returned::Unknown;
        }
        // rule: what-is-unknown-may-create-temporaries
        self.temporary_unknown |=
            finished.resolved.temporaries && !returned::is_syntax_error(error);
        let was_simulated = self.is_simulated();
        self.follow_ground(&finished, returned);
        let (verdict, also) = self.transaction.finish(&finished.resolved, returned);
        let resolved = &finished.resolved;
        due.merge(self.hooks.finish(resolved, error, returned, dialect));
        if self.transaction.is_lost() || self.is_ground_lost() {
            due.merge(self.hooks.lose());
        }
        self.judge_rows(&finished, returned);
        self.note_schema_change(&finished.resolved.writes);
        self.note_schema_change(&also);
        // The session has answered: what it was asked before is over.
        // rule: an-error-of-ones-own-is-no-answer
        let answers = matches!(error, None | Some(Error::DatabaseError(..)));
        if answers && returned != Returned::Unknown {
            self.settle(finished.began);
        }
        if self.transaction.is_autocommit() {
            self.pending_generation = None;
            // It was rolled back, or ended in a way that was not foreseen.
            if let Some(guard) = self.announced.take() {
                guard.renew(Source::Transaction);
            }
        }
        let source = if finished.resolved.writes.is_empty() {
            Source::Transaction
        } else {
            Source::Statement
        };
        let (over, way) = (self.is_over(&finished), self.way());
        // rule: an-answer-to-another-question-is-none
        let verdict = match self.is_out_of_step() {
            true => Verdict::Doubt,
            false => verdict,
        };
        let announced = std::mem::take(&mut self.is_announced);
        for guard in finished.held {
            match verdict {
                Verdict::Doubt => self.doubt(guard),
                _ if over => guard.renew(source),
                _ => self.trail(guard),
            }
        }
        if let Some(guard) = finished.guard {
            match verdict {
                Verdict::Renew if over && announced && returned == Returned::Done => {
                    self.committed = Some((guard, source));
                }
                Verdict::Renew if over => guard.renew(source),
                Verdict::Renew => self.trail(guard),
                Verdict::Restore => guard.restore(),
                Verdict::Doubt => self.doubt(guard),
            }
        } else if !also.is_empty() {
            self.cache.core().renew(&also, self.space(), source, way);
        }
        told::unknown(&self.cache, due.unknown);
        if returned == Returned::Done {
            told::wrote(
                &self.cache,
                &finished.resolved,
                !self.transaction.is_autocommit(),
            );
            self.last = Some(finished.resolved);
        }
        // rule: a-test-transaction-leaves-nothing-behind
        if was_simulated && self.simulation.is_none() {
            self.transaction.lose_ground();
            self.cache.clear();
        }
        due.hooks
    }

    fn space(&self) -> Option<TagSpace> {
        self.database.as_ref().map(|database| database.id.tags)
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").finish_non_exhaustive()
    }
}

impl Instrumentation for Tracker {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        #[cfg(feature = "async-postgres")]
        if matches!(event, InstrumentationEvent::StartQuery { .. }) && self.answers_view() {
            return;
        }
        // This crate's own questions concern nobody.
        let quiet = Quiet::is_kept();
        let mut due = Vec::new();
        match &event {
            InstrumentationEvent::StartQuery { query, .. } if !quiet => {
                self.start(&query.to_string());
                self.note_turn();
            }
            InstrumentationEvent::FinishQuery { query, error, .. } if !quiet => {
                // Only where it tells something: it is written anew each time.
                let text = match self.manner {
                    Manner::Blocks => String::new(),
                    Manner::Awaits | Manner::Unknown => query.to_string(),
                };
                due = self.finish(&text, *error);
                self.note_turn();
            }
            // rule: a-transaction-has-its-connection-for-itself
            InstrumentationEvent::BeginTransaction { .. }
            | InstrumentationEvent::CommitTransaction { .. }
            | InstrumentationEvent::RollbackTransaction { .. }
                if self.is_awaited() =>
            {
                self.is_exclusive();
            }
            InstrumentationEvent::StartEstablishConnection { url, .. } => {
                self.hint = dialect_of_url(url);
                self.transaction.expect(self.hint);
            }
            _ => {}
        }
        if !quiet && let Some(next) = &mut self.next {
            next.on_connection_event(event);
        }
        told::run(&self.cache, due);
    }
}

impl Drop for Tracker {
    // rule: a-dropped-connection-counts-as-committed
    fn drop(&mut self) {
        if self.is_view {
            return;
        }
        self.hand_over_committed();
        // rule: nobody-answers-for-what-is-not-followed
        self.outbox_session = None;
        let mut pending = self.transaction.pending();
        for unfinished in std::mem::take(&mut self.in_flight) {
            pending.merge(&unfinished.resolved.writes);
            self.give_up(unfinished);
        }
        // rule: what-waits-on-a-dropped-tracker-is-counted
        // The connection may be closed, or go on without this tracker, and commit.
        let waiting = self.hooks.lose();
        told::unknown(&self.cache, waiting.unknown);
        self.note_schema_change(&pending);
        let way = self.way();
        self.cache
            .core()
            .renew(&pending, self.space(), Source::Unknown, way);
        if self.dialect() == Some(Dialect::Sqlite) {
            // Nothing of it is at work any longer: SQLite runs in this process.
            self.settle(u64::MAX);
        }
        if self.simulation.is_some() {
            self.cache.clear();
        }
        // On a server the statement may still be at work: the guards leave their quarantine behind.
        self.leave_doubts();
    }
}
