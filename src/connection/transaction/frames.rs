//! The transaction that is open, and its savepoints.

use super::{Certainty, Frame, Transaction};
use crate::catalogue::Writes;
use crate::dialect::Dialect;

impl Transaction {
    pub(super) fn release(&mut self, name: &str) -> Writes {
        // rule: a-tainted-release-may-commit
        if self.certainty == Certainty::Tainted {
            return self.pending();
        }
        match self.find(name) {
            Some(0) => {
                let pending = self.pending();
                self.frames.clear();
                self.certainty = Certainty::Known;
                self.scope.end_transaction();
                pending
            }
            Some(at) => {
                for frame in self.frames.split_off(at) {
                    self.frame_to_write().merge(&frame.writes);
                }
                Writes::default()
            }
            None => {
                self.taint();
                Writes::default()
            }
        }
    }

    pub(super) fn roll_back_to(&mut self, name: &str) {
        let Some(at) = self.find(name) else {
            self.taint();
            return;
        };
        if self.certainty == Certainty::Tainted {
            return;
        }
        self.frames.truncate(at + 1);
        self.failed = false;
        if let Some(frame) = self.frames.last_mut() {
            // rule: a-rolled-back-savepoint-wrote-nothing
            if !frame.writes.non_transactional {
                frame.writes = Writes::default();
            }
            if self.dialect == Some(Dialect::Postgres) {
                self.scope = frame.scope.clone();
                self.session_isolation = frame.session_isolation;
            }
        }
    }

    pub(super) fn roll_back_all(&mut self) {
        // rule: a-rollback-undoes-set-on-postgres
        if self.dialect == Some(Dialect::Postgres)
            && let Some(frame) = self.frames.first()
        {
            self.scope = frame.scope.clone();
            self.session_isolation = frame.session_isolation;
            // It may have committed on the way.
            if self.certainty != Certainty::Known {
                self.scope.forget();
            }
        }
        self.frames.clear();
        self.failed = false;
        self.certainty = Certainty::Known;
    }

    /// The session has given back what marks it, which neither a commit nor a rollback undoes.
    // rule: no-rollback-gives-a-mark-back
    pub(crate) fn lose_mark(&mut self) {
        self.scope.forget();
        for frame in &mut self.frames {
            frame.scope.forget();
        }
    }

    pub(super) fn push(&mut self, name: &str) {
        self.frames.push(Frame {
            name: name.into(),
            writes: Writes::default(),
            scope: self.scope.clone(),
            session_isolation: self.session_isolation,
        });
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.frames.iter().rposition(|frame| &*frame.name == name)
    }

    pub(super) fn frame_to_write(&mut self) -> &mut Writes {
        if self.frames.is_empty() {
            self.push("");
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last].writes
    }
}
