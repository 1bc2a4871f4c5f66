//! Commits that are played inside a transaction that is never committed.
//!
//! Tests run in a transaction that is rolled back at the end. For the machines that
//! follow a connection, that transaction becomes the ground that they stand on: its
//! outermost savepoints are translated to `BEGIN`, `COMMIT` and `ROLLBACK`, and what is
//! outside of them counts as autocommit.
//!
//! What is read on that ground is not committed, so its keys hold a number that no other
//! connection has. And the database may end the transaction by itself, or by a statement
//! that does not say so: then nothing that was thought of it holds.

use crate::bypass::Bypass;
use crate::catalogue::Writes;
use crate::connection::returned::Returned;
use crate::dialect::Dialect;
use crate::footprint::{Analysis, Control, Isolation, Name, Session, Step};
use crate::resolve::Resolved;

/// A savepoint that the database has.
#[derive(Debug, Clone)]
struct Savepoint {
    name: Name,
    /// Whether the transaction was certainly open when it was made.
    sure: bool,
}

/// The savepoints, and which of them counts as `BEGIN`.
#[derive(Debug, Clone, Default)]
struct Stack {
    savepoints: Vec<Savepoint>,
    /// Those below it were rolled back to, and are still there.
    begun: Option<usize>,
}

/// What a statement does to the transaction, if it succeeds.
#[derive(Debug)]
pub(super) struct Effect {
    /// What stands for the statement's steps.
    pub(super) analysis: Analysis,
    stack: Stack,
    /// It proves that the transaction is still open.
    proves: bool,
    /// It ends the transaction.
    ends: bool,
    /// It may have ended the transaction without saying so.
    loses: bool,
    /// It undoes what has counted as committed.
    undoes: bool,
    /// It begins or ends something: where it fails, nothing is certain.
    bounds: bool,
}

/// What has become of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It goes on.
    Open,
    /// It goes on for certain, whatever was feared.
    Proven,
    /// It is over.
    Over,
}

/// A transaction that is never committed.
#[derive(Debug)]
pub(super) struct Simulation {
    dialect: Dialect,
    nonce: [u8; 16],
    stack: Stack,
    /// The database may have ended the transaction. It can be asked.
    doubt: bool,
    /// It cannot be told any longer what is open.
    lost: bool,
    /// PostgreSQL waits for a rollback.
    failed: bool,
    /// The schema was changed inside: the catalogue does not hold here.
    schema: bool,
    /// Any database may have been written inside.
    everywhere: bool,
}

impl Simulation {
    /// The transaction that was just begun, without a savepoint.
    #[cfg_attr(not(feature = "test"), allow(dead_code, reason = "tests begin it"))]
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            nonce: rand::random(),
            stack: Stack::default(),
            doubt: false,
            lost: false,
            failed: false,
            schema: false,
            everywhere: false,
        }
    }

    /// Why no read may use the cache now.
    pub(super) fn admits(&self) -> Result<(), Bypass> {
        // rule: a-test-transaction-that-may-be-over-bypasses
        if self.lost || self.doubt {
            return Err(Bypass::UnknownTransaction);
        }
        if self.failed {
            return Err(Bypass::FailedTransaction);
        }
        // rule: the-catalogue-knows-no-uncommitted-schema
        if self.schema {
            return Err(Bypass::Unidentified);
        }
        Ok(())
    }

    /// The session's digest, shared with no other connection.
    // rule: uncommitted-rows-have-keys-of-their-own
    pub(super) fn scope(&self, scope: [u8; 32]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&scope);
        hasher.update(&self.nonce);
        *hasher.finalize().as_bytes()
    }

    /// Whether the database could tell whether the transaction is still open. A savepoint
    /// that was made in doubt may have begun another one.
    pub(super) fn may_be_asked(&self) -> bool {
        self.doubt && !self.lost && self.stack.savepoints.iter().all(|point| point.sure)
    }

    /// The database said whether the transaction is still open.
    pub(super) fn told(&mut self, open: bool) {
        if open {
            self.doubt = false;
        } else {
            self.lost = true;
        }
    }

    /// Whether it cannot be told any longer what is open.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// A statement began, and never returned.
    pub(super) fn lose(&mut self) {
        self.lost = true;
    }

    /// What the statement does, or `None` if that is what its text says.
    pub(super) fn translate(&mut self, resolved: &Resolved) -> Option<Effect> {
        let writes = &resolved.writes;
        self.schema |= writes.schema || writes.redefines || writes.root;
        self.everywhere |= resolved.writes.root;
        let unsaid = self.dialect != Dialect::Postgres;
        let matters = |step: &Step| match step {
            Step::Control(_) => true,
            Step::Unknown => unsaid,
            Step::Session(Session::Set { local, .. }) => *local,
            _ => false,
        };
        if !resolved.analysis.steps.iter().any(matters) {
            return None;
        }
        let mut effect = Effect {
            analysis: Analysis::default(),
            stack: self.stack.clone(),
            proves: false,
            ends: false,
            loses: false,
            undoes: false,
            bounds: false,
        };
        for step in &resolved.analysis.steps {
            let step = self.step(step, &mut effect);
            effect.analysis.steps.push(step);
        }
        Some(effect)
    }

    fn step(&self, step: &Step, effect: &mut Effect) -> Step {
        // What follows the end is what it says.
        if effect.ends {
            return step.clone();
        }
        match step {
            Step::Control(control) => {
                effect.bounds = true;
                self.control(control, effect)
            }
            Step::Unknown => {
                effect.loses |= self.dialect != Dialect::Postgres;
                Step::Unknown
            }
            // rule: set-local-lasts-for-the-test-transaction
            Step::Session(Session::Set { name, value, .. }) => Step::Session(Session::Set {
                local: false,
                name: name.clone(),
                value: value.clone(),
            }),
            other => other.clone(),
        }
    }

    fn control(&self, control: &Control, effect: &mut Effect) -> Step {
        let stack = &mut effect.stack;
        match control {
            // It warns, and goes on.
            Control::Begin(_) if self.dialect == Dialect::Postgres => Step::Harmless,
            Control::Begin(_) | Control::Commit | Control::Rollback => {
                effect.ends = true;
                Step::Control(control.clone())
            }
            Control::Savepoint(name) => {
                stack.savepoints.push(Savepoint {
                    name: name.clone(),
                    sure: !self.doubt && !self.lost,
                });
                if stack.begun.is_some() {
                    return Step::Control(control.clone());
                }
                stack.begun = Some(stack.savepoints.len() - 1);
                // Rows that others commit meanwhile are under other keys, so an older
                // snapshot does no harm.
                Step::Control(Control::Begin(Some(Isolation::ReadCommitted)))
            }
            Control::Release(name) => {
                let Some(at) = stack.find(name, &mut effect.proves) else {
                    effect.loses = true;
                    return Step::Harmless;
                };
                stack.savepoints.truncate(at);
                match stack.begun {
                    Some(begun) if at > begun => Step::Control(control.clone()),
                    Some(_) => {
                        stack.begun = None;
                        Step::Control(Control::Commit)
                    }
                    None => Step::Harmless,
                }
            }
            Control::RollbackTo(name) => {
                let Some(at) = stack.find(name, &mut effect.proves) else {
                    effect.loses = true;
                    return Step::Harmless;
                };
                // The savepoint itself stays.
                stack.savepoints.truncate(at + 1);
                match stack.begun {
                    Some(begun) if at > begun => return Step::Control(control.clone()),
                    Some(begun) if at == begun => {}
                    // rule: what-counted-as-committed-can-be-undone
                    _ => effect.undoes = true,
                }
                match stack.begun.take() {
                    Some(_) => Step::Control(Control::Rollback),
                    None => Step::Harmless,
                }
            }
            Control::SetIsolation(_) | Control::SetSessionIsolation(_) => {
                Step::Control(control.clone())
            }
            Control::AutocommitOn | Control::Unrecognised => {
                effect.loses = true;
                Step::Control(Control::Unrecognised)
            }
        }
    }

    /// What the statement touches of what has counted as committed: others may see it
    /// from now on, or nobody any longer.
    pub(super) fn touches(&self, effect: &Effect) -> Writes {
        let all = effect.ends || effect.loses || effect.undoes;
        Writes {
            database: all,
            schema: all && self.schema,
            root: all && self.everywhere,
            ..Writes::default()
        }
    }

    /// A statement returned. Says what has become of the transaction.
    pub(super) fn finish(
        &mut self,
        resolved: &Resolved,
        effect: Option<&Effect>,
        returned: Returned,
    ) -> Standing {
        if returned == Returned::Unknown {
            self.lost = true;
            return Standing::Open;
        }
        if returned != Returned::Done {
            self.refused(effect);
            return Standing::Open;
        }
        // SQLite may keep back the error of a statement that returns rows.
        self.doubt |=
            self.dialect == Dialect::Sqlite && resolved.returning && !resolved.writes.is_empty();
        let Some(effect) = effect else {
            return Standing::Open;
        };
        if effect.ends {
            return Standing::Over;
        }
        self.lost |= effect.loses;
        self.stack = effect.stack.clone();
        let rolls_back = |step: &Step| {
            let to =
                |control: &Control| matches!(control, Control::Rollback | Control::RollbackTo(_));
            matches!(step, Step::Control(control) if to(control))
        };
        // Nothing but a rollback succeeds in a failed transaction.
        self.failed &= !(effect.undoes || effect.analysis.steps.iter().any(rolls_back));
        // rule: a-savepoint-that-was-found-proves-its-transaction
        if effect.proves && !self.lost {
            self.doubt = false;
            return Standing::Proven;
        }
        Standing::Open
    }

    fn refused(&mut self, effect: Option<&Effect>) {
        let steps = effect.map_or(&[][..], |effect| &effect.analysis.steps);
        let begins = |step: &Step| matches!(step, Step::Control(Control::Begin(_)));
        match steps {
            // A savepoint that was not made, or SQLite's `BEGIN` inside of a transaction.
            [step] if begins(step) && effect.is_some_and(|effect| !effect.ends) => {}
            [step] if begins(step) && self.dialect == Dialect::Sqlite => return,
            [Step::Control(Control::Savepoint(_))] => {}
            // A boundary that failed, alone or in a batch.
            _ if effect.is_some_and(|effect| effect.bounds || effect.loses) => self.lost = true,
            _ => {}
        }
        // rule: an-error-may-end-the-test-transaction
        if self.dialect == Dialect::Postgres {
            self.failed = true;
        } else {
            self.doubt = true;
        }
    }
}

impl Stack {
    /// Where the savepoint of that name is, the youngest if there are several; and whether
    /// finding it proves that the transaction is open.
    fn find(&self, name: &str, proves: &mut bool) -> Option<usize> {
        let named = |point: &Savepoint| *point.name == *name;
        let at = self.savepoints.iter().rposition(named)?;
        *proves |= self.savepoints[at].sure;
        Some(at)
    }
}

#[cfg(test)]
mod tests;
