//! What the connection's transaction has written, driven by the text of its statements.
//!
//! Diesel's own events do not tell of raw `BEGIN` and `COMMIT`, and fire no event
//! after a panic, so the text alone drives this machine. It is told of a statement
//! before it is sent ([`start`](Transaction::start)) and after it returned
//! ([`finish`](Transaction::finish)), and answers what must be quarantined and
//! what has become of it.

use crate::bypass::Bypass;
use crate::catalogue::{Reads, Writes};
use crate::connection::returned::Returned;
use crate::connection::scope::Scope;
use crate::dialect::Dialect;
use crate::footprint::{Analysis, Control, Isolation, Name, Session, Step, WriteKind};
use crate::resolve::Resolved;

mod frames;

/// How sure it is whether a transaction is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    /// Sure.
    Known,
    /// The database may have ended the transaction by itself, or begun one that was
    /// not noticed: until the next boundary, every statement may commit, and none may.
    Tainted,
    /// A control statement was not understood: every statement may commit anything.
    Lost,
}

/// One `BEGIN` or `SAVEPOINT`, with what was written since.
#[derive(Debug, Clone)]
struct Frame {
    name: Name,
    writes: Writes,
    scope: Scope,
    session_isolation: Isolation,
}

/// What has become of what a statement put under quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It committed, or may have, and is over.
    Renew,
    /// It wrote nothing, for certain.
    Restore,
    /// It may yet commit.
    Doubt,
}

/// The state of a connection's transaction.
#[derive(Debug, Clone)]
pub(crate) struct Transaction {
    dialect: Option<Dialect>,
    frames: Vec<Frame>,
    certainty: Certainty,
    failed: bool,
    session_isolation: Isolation,
    /// MySQL's isolation for the next transaction, and whether it is certain that it was
    /// not spent.
    next_isolation: Option<(Isolation, bool)>,
    isolation: Isolation,
    pub(crate) scope: Scope,
}

impl Transaction {
    pub(crate) fn new(dialect: Option<Dialect>) -> Self {
        Self {
            dialect,
            frames: Vec::new(),
            certainty: Certainty::Known,
            failed: false,
            session_isolation: Isolation::Snapshot,
            next_isolation: None,
            isolation: Isolation::Snapshot,
            scope: Scope::unknown(),
        }
    }

    /// What the database said of the session.
    pub(crate) fn identify(&mut self, dialect: Dialect, isolation: Isolation, base: [u8; 32]) {
        self.dialect = Some(dialect);
        self.session_isolation = isolation;
        // rule: what-cannot-be-asked-stays-private
        // PostgreSQL tells all of its settings. MySQL is asked for those that matter, and
        // what was set besides is remembered. What an unknown statement did to SQLite
        // cannot be asked, so the session then keeps its keys to itself.
        self.scope = match dialect {
            Dialect::Postgres => Scope::known(base),
            Dialect::Mysql => self.scope.renewed(base),
            Dialect::Sqlite if self.scope.is_untouched() => Scope::known(base),
            Dialect::Sqlite => Scope::private(base),
        };
    }

    /// The texts of this session cannot be relied on: any statement may do anything.
    pub(crate) fn lose_track(&mut self) {
        self.certainty = Certainty::Lost;
    }

    /// A transaction may be open that was not seen to begin.
    pub(crate) fn taint(&mut self) {
        self.certainty = Certainty::Tainted;
        // rule: what-may-have-been-undone-is-asked-for
        // PostgreSQL undoes what was set in a transaction that did not commit.
        if self.dialect == Some(Dialect::Postgres) {
            self.scope.forget();
        }
    }

    /// Whether the texts of this session cannot be relied on.
    pub(crate) fn is_lost(&self) -> bool {
        self.certainty == Certainty::Lost
    }

    /// The transaction that was just begun is the ground for others to be played on.
    /// Returns whether it is certain that it was.
    #[cfg_attr(not(feature = "test"), allow(dead_code, reason = "tests begin it"))]
    pub(crate) fn become_ground(&mut self) -> bool {
        let begun = self.certainty == Certainty::Known && self.frames.len() == 1;
        if begun {
            self.frames.clear();
        }
        begun
    }

    /// The ground is gone: the connection is outside of any transaction.
    pub(crate) fn lose_ground(&mut self) {
        // PostgreSQL undoes what was set inside, or has ended what was set for it.
        if self.dialect == Some(Dialect::Postgres) {
            self.scope.forget();
        }
    }

    /// Whatever was feared, the transaction and its savepoints are still there.
    pub(crate) fn settle(&mut self) {
        if self.certainty == Certainty::Tainted {
            self.certainty = Certainty::Known;
        }
    }

    /// What the URL says of the dialect, before the database is asked.
    pub(crate) fn expect(&mut self, dialect: Option<Dialect>) {
        self.dialect = dialect;
    }

    /// Whether a question of this crate's own would spend MySQL's isolation for the next
    /// transaction.
    pub(crate) fn awaits_transaction(&self) -> bool {
        self.next_isolation.is_some()
    }

    /// Whether it is known which transaction is open, if any.
    pub(crate) fn is_certain(&self) -> bool {
        self.certainty == Certainty::Known
    }

    /// Whether a statement would run outside of any transaction, for certain.
    pub(crate) fn is_autocommit(&self) -> bool {
        self.certainty == Certainty::Known && self.frames.is_empty()
    }

    /// Whether a question would see what others have committed, inside of the open
    /// transaction, and whether a savepoint keeps its error from ending that.
    pub(crate) fn may_ask_inside(&self) -> bool {
        self.dialect == Some(Dialect::Postgres)
            && self.certainty == Certainty::Known
            && !self.failed
            && !self.frames.is_empty()
            && self.isolation == Isolation::ReadCommitted
            // What the transaction itself has changed of the schema, nobody else sees yet.
            && !self.frames.iter().any(|frame| {
                frame.writes.database || frame.writes.schema || frame.writes.redefines
            })
    }

    /// Whether a read of `reads` may look into the cache now, and, if so, whether it may store.
    pub(crate) fn admits(&self, reads: &Reads, read_committed_ok: bool) -> Result<Fill, Bypass> {
        // rule: an-unknown-transaction-bypasses
        if self.certainty != Certainty::Known {
            return Err(Bypass::UnknownTransaction);
        }
        // rule: dirty-reads-bypass
        if self.session_isolation == Isolation::ReadUncommitted
            || (!self.frames.is_empty() && self.isolation == Isolation::ReadUncommitted)
        {
            return Err(Bypass::Isolation);
        }
        if self.frames.is_empty() {
            // rule: an-isolation-for-one-transaction-bypasses
            return match self.next_isolation {
                Some(_) => Err(Bypass::Isolation),
                None => Ok(Fill::Allowed),
            };
        }
        if self.failed {
            return Err(Bypass::FailedTransaction);
        }
        // rule: own-writes-bypass
        if self.frames.iter().any(|frame| frame.writes.touches(reads)) {
            return Err(Bypass::OwnWrites);
        }
        // rule: an-older-snapshot-bypasses
        if self.isolation == Isolation::Snapshot {
            return if read_committed_ok {
                Ok(Fill::Forbidden)
            } else {
                Err(Bypass::Isolation)
            };
        }
        Ok(Fill::Allowed)
    }

    /// Whether a read sees what is committed, and nothing else: no older snapshot, no writes
    /// of its own transaction, no dirty rows.
    pub(crate) fn sees_what_is_committed(&self) -> bool {
        let nothing = Reads::default();
        self.pending().is_empty() && self.admits(&nothing, false) == Ok(Fill::Allowed)
    }

    /// Whether the database refuses all but a rollback.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Everything the open transaction has written.
    pub(crate) fn pending(&self) -> Writes {
        let mut pending = Writes::default();
        for frame in &self.frames {
            pending.merge(&frame.writes);
        }
        pending
    }

    /// A statement is about to be sent. Returns what must be under quarantine before it is.
    pub(crate) fn start(&mut self, resolved: &Resolved) -> Writes {
        let analysis = &resolved.analysis;
        // rule: unrecognised-control-loses-track
        if analysis
            .steps
            .contains(&Step::Control(Control::Unrecognised))
        {
            self.certainty = Certainty::Lost;
        }
        let mut quarantine = Writes::default();
        if self.certainty == Certainty::Lost {
            quarantine.merge(&Writes::everything());
            quarantine.merge(&resolved.writes);
            quarantine.merge(&self.pending());
            return quarantine;
        }
        let open = !self.frames.is_empty();
        let several = analysis.steps.len() > 1;
        // rule: quarantine-before-commit
        if self.may_commit(analysis) {
            quarantine.merge(&self.pending());
        }
        // rule: a-batch-may-commit-on-the-way
        let batch_boundary =
            several && analysis.steps.iter().any(|s| matches!(s, Step::Control(_)));
        if self.is_autocommit()
            || self.certainty == Certainty::Tainted
            || batch_boundary
            || self.commits_implicitly(analysis)
            || resolved.writes.non_transactional
        {
            quarantine.merge(&resolved.writes);
        }
        // rule: a-tainted-write-is-kept-for-the-boundary
        if !resolved.writes.is_empty() && (open || self.certainty == Certainty::Tainted) {
            self.frame_to_write().merge(&resolved.writes);
        }
        quarantine
    }

    /// The statement returned. Says what has become of what [`start`](Self::start)
    /// returned, and what else may have committed.
    pub(crate) fn finish(&mut self, resolved: &Resolved, returned: Returned) -> (Verdict, Writes) {
        if self.certainty == Certainty::Lost {
            let verdict = match returned {
                Returned::Unknown => Verdict::Doubt,
                Returned::Done | Returned::Refused | Returned::Answered => Verdict::Renew,
            };
            self.scope.forget();
            return (verdict, Writes::default());
        }
        if returned == Returned::Done {
            (Verdict::Renew, self.done(resolved))
        } else {
            (self.refused(resolved, returned), Writes::default())
        }
    }

    fn done(&mut self, resolved: &Resolved) -> Writes {
        let mut also = Writes::default();
        let implicit = self.commits_implicitly(&resolved.analysis);
        let steps = &resolved.analysis.steps;
        // rule: a-savepoint-of-a-batch-may-follow-what-sets
        // What a later step of the text returns to was perhaps set by an earlier one.
        if resolved.writes.sets {
            self.scope.forget();
        }
        let batches = self.dialect == Some(Dialect::Postgres) && steps.len() > 1;
        let mut loose = false;
        for step in steps {
            let begins = matches!(
                step,
                Step::Control(Control::Begin(_) | Control::Rollback) if self.frames.is_empty()
            );
            // rule: a-batch-is-one-transaction-on-postgres
            // What stands before its `BEGIN` is part of the same transaction, and what stands
            // before its `ROLLBACK` is undone, though nothing was begun.
            if loose && begins {
                self.scope.forget();
            }
            loose |= batches && self.frames.is_empty() && sets(step);
            loose &= *step != Step::Control(Control::Commit);
            match step {
                Step::Control(control) => also.merge(&self.control(control)),
                Step::Session(change) => self.session(change),
                _ => {}
            }
        }
        // rule: an-error-of-copy-comes-with-its-rows
        // And ends the transaction unseen.
        if resolved.copies && !self.frames.is_empty() {
            self.scope.forget();
        }
        // rule: what-may-write-anything-may-set-anything
        if resolved.writes.sets {
            self.scope.forget();
        }
        self.spend_isolation(&resolved.analysis);
        // A batch that leaves a transaction open wrote at least in part inside it.
        if steps.len() > 1 && !self.frames.is_empty() && !resolved.writes.is_empty() {
            self.frame_to_write().merge(&resolved.writes);
        }
        // SQLite has no statement that begins a transaction without saying so.
        if implicit && !(self.dialect == Some(Dialect::Sqlite) && self.frames.is_empty()) {
            also.merge(&self.pending());
            self.taint();
        }
        // rule: an-error-may-be-kept-back-on-sqlite
        // The error of a statement that returns rows comes with a row, and not with its
        // finish; and it may have rolled the transaction back.
        if self.dialect == Some(Dialect::Sqlite)
            && !self.frames.is_empty()
            && resolved.returning
            && !resolved.writes.is_empty()
        {
            self.taint();
        }
        also
    }

    fn session(&mut self, change: &Session) {
        let local = matches!(change, Session::Set { local: true, .. });
        // rule: set-local-outside-of-a-transaction-does-nothing
        if local && self.dialect == Some(Dialect::Postgres) && self.frames.is_empty() {
            if self.certainty != Certainty::Known {
                self.scope.forget();
            }
            return;
        }
        self.scope.apply(change, self.dialect);
    }

    /// A statement that reads or writes rows in autocommit spends MySQL's isolation for
    /// one transaction.
    fn spend_isolation(&mut self, analysis: &Analysis) {
        let is_transaction = |step: &Step| match step {
            Step::Read(access) => !access.relations.is_empty(),
            Step::Write(_) => true,
            _ => false,
        };
        let configures = |step: &Step| matches!(step, Step::Control(_) | Step::Session(_));
        if !self.is_autocommit() || analysis.steps.iter().all(configures) {
            return;
        }
        self.next_isolation = match self.next_isolation {
            Some((next, _)) if !analysis.steps.iter().any(is_transaction) => Some((next, false)),
            _ => None,
        };
    }

    fn refused(&mut self, resolved: &Resolved, returned: Returned) -> Verdict {
        let steps = &resolved.analysis.steps;
        let doubt = match returned {
            Returned::Unknown => Verdict::Doubt,
            Returned::Done | Returned::Refused | Returned::Answered => Verdict::Renew,
        };
        let controls = steps.iter().any(|step| matches!(step, Step::Control(_)));
        let session = |step: &Step| matches!(step, Step::Session(_));
        if resolved.writes.sets || steps.iter().any(session) {
            self.scope.forget();
        }
        if let [Step::Control(Control::Commit)] = steps.as_slice() {
            // rule: a-refused-commit-is-definite-on-postgres
            if self.dialect == Some(Dialect::Postgres)
                && returned == Returned::Refused
                && self.certainty == Certainty::Known
            {
                self.roll_back_all();
                return Verdict::Restore;
            }
            // Nothing was open, and an error of the server begins nothing.
            if self.is_autocommit() && returned != Returned::Unknown {
                return doubt;
            }
            // rule: a-failed-commit-may-have-committed
            self.taint();
            return doubt;
        }
        // rule: a-refused-control-statement-begins-nothing
        let begins = |step: &Step| {
            matches!(
                step,
                Step::Control(Control::Begin(_) | Control::Savepoint(_)) | Step::Unknown
            )
        };
        if self.is_autocommit()
            && returned != Returned::Unknown
            && (steps.len() == 1 || !steps.iter().any(begins))
        {
            return doubt;
        }
        if controls {
            self.taint();
            // rule: a-failed-batch-may-leave-its-transaction-open
            if steps.len() > 1 {
                self.frame_to_write().merge(&resolved.writes);
            }
        } else if !self.frames.is_empty() {
            // rule: an-error-may-end-the-transaction
            if self.dialect == Some(Dialect::Postgres) && returned != Returned::Unknown {
                self.failed = true;
            } else {
                self.taint();
            }
        }
        doubt
    }

    /// Follows one control statement that succeeded. Returns what it may have committed
    /// besides what was under quarantine.
    fn control(&mut self, control: &Control) -> Writes {
        match control {
            Control::Begin(isolation) => {
                let pending = self.pending();
                let nested = !self.frames.is_empty() && self.certainty == Certainty::Known;
                self.certainty = Certainty::Known;
                // PostgreSQL warns, and goes on in the transaction that is open.
                // rule: a-second-begin-may-change-the-isolation
                if nested && self.dialect == Some(Dialect::Postgres) {
                    self.isolation = isolation.unwrap_or(self.isolation);
                    return Writes::default();
                }
                self.frames.clear();
                self.failed = false;
                // Where it may have been spent before, it is trusted only if both agree.
                let next = match self.next_isolation.take() {
                    Some((next, true)) => next,
                    Some((next, false)) if next != self.session_isolation => Isolation::Snapshot,
                    _ => self.session_isolation,
                };
                self.isolation = isolation.unwrap_or(next);
                self.push("");
                pending
            }
            Control::Commit | Control::AutocommitOn => {
                let pending = self.pending();
                self.frames.clear();
                self.certainty = Certainty::Known;
                self.scope.end_transaction();
                // rule: a-commit-that-rolled-back-undoes-set
                // What ran at the commit, or was undone by it, may have changed the session.
                if self.failed || pending.sets {
                    self.scope.forget();
                }
                self.failed = false;
                pending
            }
            Control::Rollback => {
                // rule: a-tainted-rollback-is-not-definite
                let pending = if self.certainty == Certainty::Tainted {
                    self.pending()
                } else {
                    Writes::default()
                };
                self.roll_back_all();
                pending
            }
            Control::Savepoint(name) => {
                // On SQLite the outermost savepoint is a transaction.
                if self.frames.is_empty() {
                    if self.dialect == Some(Dialect::Sqlite) {
                        self.isolation = self.session_isolation;
                        self.push(name);
                    }
                } else {
                    self.push(name);
                }
                Writes::default()
            }
            Control::Release(name) => self.release(name),
            Control::RollbackTo(name) => {
                self.roll_back_to(name);
                Writes::default()
            }
            Control::SetIsolation(isolation) => {
                if !self.frames.is_empty() {
                    self.isolation = *isolation;
                } else if self.dialect != Some(Dialect::Postgres) {
                    self.next_isolation = Some((*isolation, true));
                }
                Writes::default()
            }
            Control::SetSessionIsolation(isolation) => {
                self.session_isolation = *isolation;
                Writes::default()
            }
            Control::Unrecognised => Writes::default(),
        }
    }

    /// Whether the text may commit what is pending.
    fn may_commit(&self, analysis: &Analysis) -> bool {
        if self.frames.is_empty() {
            return false;
        }
        self.commits_implicitly(analysis)
            || analysis.steps.iter().any(|step| match step {
                Step::Control(Control::Commit | Control::AutocommitOn) => true,
                Step::Control(Control::Begin(_)) => {
                    self.certainty == Certainty::Tainted || self.dialect != Some(Dialect::Postgres)
                }
                Step::Control(Control::Release(name)) => {
                    self.certainty == Certainty::Tainted || self.find(name) == Some(0)
                }
                _ => false,
            })
    }

    /// Whether the text may end the open transaction, or begin one, without saying so:
    /// a procedure of MySQL's, an `OR ROLLBACK` of SQLite's. What MySQL is known to commit implicitly says so: `analyze` puts a `COMMIT` before it.
    // rule: an-unknown-statement-may-end-the-transaction
    fn commits_implicitly(&self, analysis: &Analysis) -> bool {
        analysis
            .steps
            .iter()
            .any(|step| match (self.dialect, step) {
                (Some(Dialect::Mysql | Dialect::Sqlite), Step::Unknown) => true,
                (None, Step::Ddl | Step::Harmless | Step::Unknown) => true,
                (None, Step::Write(write)) => write
                    .targets
                    .iter()
                    .any(|target| matches!(target.kind, WriteKind::Truncate { .. })),
                _ => false,
            })
    }
}

/// Whether a step changes the session by what its text says.
fn sets(step: &Step) -> bool {
    matches!(
        step,
        Step::Session(_) | Step::Control(Control::SetSessionIsolation(_))
    )
}

/// Whether a read that misses may store what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    /// It may.
    Allowed,
    /// It may not: its snapshot may be older than what the cache has captured.
    Forbidden,
}

#[cfg(test)]
mod tests;
