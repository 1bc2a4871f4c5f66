//! The session's state, as far as it may change what the same SQL returns.
//!
//! It starts from a digest of what the database itself says, and follows every
//! `SET` from there. What it cannot follow makes it stale: the database is asked
//! again before the next cached read. Where the database cannot tell everything, the
//! state is then private: its keys are shared with no other session.

use std::collections::BTreeMap;

use crate::dialect::Dialect;
use crate::footprint::{Name, Session};

/// The session's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    base: [u8; 32],
    session: BTreeMap<Name, Box<str>>,
    local: BTreeMap<Name, Box<str>>,
    digest: [u8; 32],
    stale: bool,
    /// Whether nothing has changed since the connection was made.
    untouched: bool,
}

impl Scope {
    /// The state that the database described.
    pub(crate) fn known(base: [u8; 32]) -> Self {
        Self {
            base,
            session: BTreeMap::new(),
            local: BTreeMap::new(),
            digest: base,
            stale: false,
            untouched: false,
        }
    }

    /// The state that the database described, in part: no other session shares it.
    pub(crate) fn private(base: [u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&base);
        hasher.update(&rand::random::<[u8; 16]>());
        Self::known(*hasher.finalize().as_bytes())
    }

    /// The state that the database described, and what was set in it besides.
    pub(crate) fn renewed(&self, base: [u8; 32]) -> Self {
        let mut scope = Self::known(base);
        scope.session.clone_from(&self.session);
        scope.refresh();
        scope
    }

    /// A state that the database must be asked for.
    pub(crate) fn unknown() -> Self {
        let mut scope = Self::known([0; 32]);
        scope.stale = true;
        scope.untouched = true;
        scope
    }

    /// Whether nothing has changed since the connection was made.
    pub(crate) fn is_untouched(&self) -> bool {
        self.untouched
    }

    /// A digest of the state, or `None` if the database must be asked.
    pub(crate) fn digest(&self) -> Option<&[u8; 32]> {
        (!self.stale).then_some(&self.digest)
    }

    /// Follows a statement that changed the session.
    pub(crate) fn apply(&mut self, change: &Session, dialect: Option<Dialect>) {
        self.untouched = false;
        match change {
            // A partial value leaves a part of the old one in force.
            Session::Set { name, .. } if **name == *"datestyle" => self.stale = true,
            // rule: a-session-authorization-takes-the-role-with-it
            // And, if it was set for the transaction alone, gives it back.
            Session::Set { name, .. } if **name == *"session_authorization" => self.stale = true,
            Session::Set { local, name, value } => {
                // rule: a-prepared-statement-keeps-its-schema-on-mysql
                // What MySQL fixed when a statement was prepared stays in force for it, so
                // this session no longer returns what another in the same state does.
                if dialect == Some(Dialect::Mysql) && is_fixed_at_prepare(name) {
                    let private = format!("{:032x}", rand::random::<u128>());
                    self.session.insert("".into(), private.into());
                }
                // rule: set-local-ends-with-the-transaction
                if *local && dialect == Some(Dialect::Postgres) {
                    self.local.insert(name.clone(), value.clone());
                } else {
                    self.local.remove(name);
                    self.session.insert(name.clone(), value.clone());
                }
                self.refresh();
            }
            // What a variable is reset to is not visible here.
            Session::Reset(name) => {
                self.session.remove(name);
                self.local.remove(name);
                self.stale = true;
            }
            Session::ResetAll | Session::Unrecognised => self.stale = true,
        }
    }

    /// Marks the state as one that the database must be asked for.
    pub(crate) fn forget(&mut self) {
        self.untouched = false;
        self.stale = true;
    }

    /// The transaction committed: what was set for it alone is undone.
    pub(crate) fn end_transaction(&mut self) {
        if !self.local.is_empty() {
            self.local.clear();
            self.refresh();
        }
    }

    fn refresh(&mut self) {
        if self.session.is_empty() && self.local.is_empty() {
            self.digest = self.base;
            return;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.base);
        let mut effective: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, value) in self.session.iter().chain(&self.local) {
            effective.insert(name, value);
        }
        for (name, value) in effective {
            for part in [name, value] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        }
        self.digest = *hasher.finalize().as_bytes();
    }
}

fn is_fixed_at_prepare(name: &str) -> bool {
    matches!(name, "schema" | "sql_mode" | "names")
        || name.starts_with("character_set")
        || name.starts_with("collation")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Session {
        Session::Set {
            local: false,
            name: name.into(),
            value: value.into(),
        }
    }

    fn set_local(name: &str, value: &str) -> Session {
        Session::Set {
            local: true,
            name: name.into(),
            value: value.into(),
        }
    }

    fn after(changes: &[Session]) -> Scope {
        let mut scope = Scope::known([7; 32]);
        for change in changes {
            scope.apply(change, Some(Dialect::Postgres));
        }
        scope
    }

    #[test]
    fn the_last_value_counts_and_each_value_has_its_own_digest() {
        let a = after(&[set("search_path", "a")]);
        let b = after(&[set("search_path", "b")]);
        let again = after(&[set("search_path", "b"), set("search_path", "a")]);
        assert_ne!(a.digest(), b.digest());
        assert_eq!(a.digest(), again.digest());
        assert_ne!(a.digest(), after(&[]).digest());
    }

    #[test]
    fn a_local_value_ends_with_the_transaction() {
        let mut scope = after(&[set("role", "a"), set_local("role", "b")]);
        assert_eq!(scope.digest(), after(&[set("role", "b")]).digest());
        scope.end_transaction();
        assert_eq!(scope.digest(), after(&[set("role", "a")]).digest());
    }

    #[test]
    fn what_cannot_be_followed_is_stale() {
        for change in [
            Session::Reset("role".into()),
            Session::ResetAll,
            Session::Unrecognised,
            set("datestyle", "ISO"),
            set("session_authorization", "b"),
            set_local("session_authorization", "b"),
        ] {
            assert_eq!(after(&[change]).digest(), None);
        }
    }
}
