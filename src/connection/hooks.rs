//! What waits for the outermost commit.
//!
//! This machine is stricter than that of [`transaction`](crate::connection::transaction).
//! There, whatever may have committed counts as committed; here, a hook runs only if its
//! commit is certain. So it follows the control statements for itself, and keeps the
//! reasons why a `COMMIT` that succeeds may still prove nothing.

use diesel::result::{DatabaseErrorKind, Error};

use crate::connection::returned::Returned;
use crate::dialect::Dialect;
use crate::footprint::{Control, Name, Step};
use crate::resolve::Resolved;
use crate::signal::Hook;

/// One `BEGIN` or `SAVEPOINT`, with what waits since.
struct Frame {
    name: Name,
    hooks: Vec<Hook>,
    /// Whether the transaction may have ended before: then it may have begun another one.
    may_begin: bool,
}

/// What became of hooks.
#[derive(Default)]
pub(crate) struct Due {
    /// To be run now, in this order.
    pub(crate) hooks: Vec<Hook>,
    /// How many will not run because it is not known whether their commit happened.
    pub(crate) unknown: u64,
}

/// The hooks of a connection's transaction.
pub(crate) struct Hooks {
    frames: Vec<Frame>,
    /// Whether the database may have rolled the transaction back by itself, since the
    /// last frame was made.
    suspected: bool,
    /// Whether the frames are not those of the database.
    lost: bool,
    /// PostgreSQL: an error has made the transaction fail, and its `COMMIT` a rollback.
    failed: bool,
}

impl Hooks {
    pub(crate) fn new() -> Self {
        Self {
            frames: Vec::new(),
            suspected: false,
            lost: false,
            failed: false,
        }
    }

    /// Adds a hook to the transaction that is open, or may be.
    pub(crate) fn add(&mut self, hook: Hook) {
        if self.frames.is_empty() {
            self.lost = true;
            self.push("");
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.hooks.push(hook);
        }
    }

    /// The transaction cannot be followed: nothing runs before the next boundary.
    pub(crate) fn lose(&mut self) -> Due {
        self.lost = true;
        Due {
            unknown: self.take().len() as u64,
            hooks: Vec::new(),
        }
    }

    /// A statement has returned its rows, so SQLite has kept back no error of it, whatever [`finish`](Self::finish) suspects.
    pub(crate) fn vouch(&mut self, suspected_before: bool) {
        // rule: rows-that-came-are-no-reason-to-doubt
        self.suspected &= suspected_before;
    }

    /// Whether anything waits for the commit.
    pub(crate) fn wait(&self) -> bool {
        self.frames.iter().any(|frame| !frame.hooks.is_empty())
    }

    /// Whether the database may have rolled the transaction back since the last savepoint.
    pub(crate) fn is_suspected(&self) -> bool {
        self.suspected
    }

    /// A statement returned. Says what is to be done now.
    pub(crate) fn finish(
        &mut self,
        resolved: &Resolved,
        error: Option<&Error>,
        returned: Returned,
        dialect: Option<Dialect>,
    ) -> Due {
        let mut due = Due::default();
        let steps = &resolved.analysis.steps;
        let unseen = dialect != Some(Dialect::Postgres) && steps.contains(&Step::Unknown);
        if returned != Returned::Done {
            let control = |step: &Step| matches!(step, Step::Control(_));
            match steps.as_slice() {
                _ if unseen => return self.lose(),
                [Step::Control(control)] => due = self.refused(control, returned, dialect),
                // rule: a-failed-batch-proves-nothing
                _ if steps.iter().any(control) => return self.lose(),
                _ => match error {
                    Some(error) => self.error(error, dialect),
                    // It was begun, and never returned.
                    None => self.suspect(),
                },
            }
            return due;
        }
        for step in steps {
            if let Step::Control(control) = step {
                self.control(control, dialect, &mut due);
            }
        }
        // rule: what-may-end-the-transaction-proves-nothing
        if unseen && !self.frames.is_empty() {
            due.merge(self.lose());
        }
        // SQLite may have kept back an error of a statement that returns rows.
        if dialect == Some(Dialect::Sqlite) && resolved.returning && !resolved.writes.is_empty() {
            self.suspect();
        }
        due
    }

    /// Follows a control statement that succeeded.
    fn control(&mut self, control: &Control, dialect: Option<Dialect>, due: &mut Due) {
        match control {
            // It warns, and goes on in the transaction that is open.
            Control::Begin(_) if dialect == Some(Dialect::Postgres) && self.is_sure() => {
                if self.frames.is_empty() {
                    self.push("");
                }
            }
            Control::Begin(_) => {
                // MySQL commits what is open. Elsewhere nothing was, whatever was thought.
                self.end(dialect == Some(Dialect::Mysql) && self.is_sure(), due);
                self.push("");
            }
            Control::Commit | Control::AutocommitOn => {
                // rule: a-commit-of-a-failed-transaction-is-a-rollback
                if dialect == Some(Dialect::Postgres) && self.failed {
                    self.forget();
                } else if dialect == Some(Dialect::Sqlite) && !self.lost {
                    // It fails where nothing is open. What is open may be younger than
                    // the hooks only if a savepoint began it.
                    let began = self.frames.iter().rposition(|frame| frame.may_begin);
                    let certain = self.split(began.unwrap_or(0));
                    due.unknown += self.take().len() as u64;
                    due.hooks.extend(certain);
                    self.forget();
                } else {
                    self.end(self.is_sure(), due);
                }
            }
            Control::Rollback => {
                if self.lost {
                    due.merge(self.lose());
                }
                // rule: a-rolled-back-transaction-has-no-hooks
                self.forget();
            }
            Control::Savepoint(name) => {
                // On SQLite the outermost savepoint is a transaction.
                if !self.frames.is_empty() || dialect == Some(Dialect::Sqlite) {
                    self.push(name);
                }
            }
            Control::Release(name) => match self.find(name) {
                // There may be another transaction around it.
                Some(0) if self.lost => {
                    due.merge(self.lose());
                    self.frames.clear();
                }
                Some(0) => self.end(true, due),
                // rule: hooks-wait-for-the-outermost-commit
                Some(at) => {
                    // If it was the outermost one, nothing is open now.
                    let may_end = self.frames[at].may_begin;
                    self.exists(dialect);
                    self.suspected = may_end && dialect != Some(Dialect::Mysql);
                    let hooks = self.split(at);
                    self.frames[at - 1].hooks.extend(hooks);
                }
                None => due.merge(self.lose()),
            },
            Control::RollbackTo(name) => match self.find(name) {
                Some(at) => {
                    self.exists(dialect);
                    self.failed = false;
                    self.frames.truncate(at + 1);
                    // rule: hooks-die-with-their-savepoint
                    self.frames[at].hooks.clear();
                }
                None => due.merge(self.lose()),
            },
            Control::SetIsolation(_) | Control::SetSessionIsolation(_) => {}
            Control::Unrecognised => due.merge(self.lose()),
        }
    }

    /// Follows a control statement that failed, alone in its text.
    fn refused(&mut self, control: &Control, returned: Returned, dialect: Option<Dialect>) -> Due {
        let commit = matches!(control, Control::Commit | Control::AutocommitOn);
        match dialect {
            // rule: an-unknown-commit-runs-no-hook
            _ if returned == Returned::Unknown => return self.lose(),
            Some(Dialect::Postgres) if commit => self.forget(),
            Some(Dialect::Postgres) => self.failed = true,
            // Refused, the transaction is still open.
            Some(Dialect::Sqlite) => self.suspect(),
            _ if commit => return self.lose(),
            _ => self.suspect(),
        }
        Due::default()
    }

    /// Follows an error of a statement that is no control.
    fn error(&mut self, error: &Error, dialect: Option<Dialect>) {
        // Diesel's own: the server has seen no error.
        let Error::DatabaseError(kind, _) = error else {
            return;
        };
        match dialect {
            Some(Dialect::Postgres) => self.failed = !self.frames.is_empty(),
            // InnoDB undoes the statement alone.
            Some(Dialect::Mysql)
                if matches!(
                    kind,
                    DatabaseErrorKind::UniqueViolation
                        | DatabaseErrorKind::ForeignKeyViolation
                        | DatabaseErrorKind::NotNullViolation
                        | DatabaseErrorKind::CheckViolation
                ) => {}
            // rule: an-error-may-have-rolled-the-hooks-back
            _ => self.suspect(),
        }
    }

    /// The database may have rolled the open transaction back.
    pub(crate) fn suspect(&mut self) {
        self.suspected |= !self.frames.is_empty();
    }

    /// Whether the open transaction is certainly the one that the hooks belong to.
    fn is_sure(&self) -> bool {
        !self.lost && !self.suspected && !self.frames.iter().any(|frame| frame.may_begin)
    }

    /// A savepoint was found by the database, so that no transaction has ended since.
    fn exists(&mut self, dialect: Option<Dialect>) {
        self.suspected = false;
        // There a savepoint begins no transaction, so it is in the one of the hooks.
        if matches!(dialect, Some(Dialect::Mysql | Dialect::Postgres)) {
            for frame in &mut self.frames {
                frame.may_begin = false;
            }
        }
    }

    /// The transaction is over: its hooks are due, if that is certain.
    fn end(&mut self, certain: bool, due: &mut Due) {
        let hooks = self.take();
        if certain {
            due.hooks.extend(hooks);
        } else {
            due.unknown += hooks.len() as u64;
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.frames.clear();
        self.suspected = false;
        self.lost = false;
        self.failed = false;
    }

    fn push(&mut self, name: &str) {
        self.frames.push(Frame {
            name: name.into(),
            hooks: Vec::new(),
            may_begin: self.suspected,
        });
        self.suspected = false;
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.frames.iter().rposition(|frame| &*frame.name == name)
    }

    /// Takes the frames from `at` on off, and returns their hooks.
    fn split(&mut self, at: usize) -> Vec<Hook> {
        let frames = self.frames.split_off(at);
        frames.into_iter().flat_map(|frame| frame.hooks).collect()
    }

    fn take(&mut self) -> Vec<Hook> {
        let frames = self.frames.iter_mut();
        frames
            .flat_map(|frame| std::mem::take(&mut frame.hooks))
            .collect()
    }
}

impl Due {
    /// Adds what became of others.
    pub(crate) fn merge(&mut self, other: Self) {
        self.hooks.extend(other.hooks);
        self.unknown += other.unknown;
    }
}

#[cfg(test)]
mod tests;
