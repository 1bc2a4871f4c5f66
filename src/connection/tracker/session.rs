//! What the database says of the session.

use super::Tracker;
use crate::connection::introspect::SessionInfo;
use crate::dialect::Dialect;
use crate::invalidate::SessionName;

impl Tracker {
    /// Whether the gate of its database in a shared store is closed, as far as is known.
    pub(crate) fn meets_closed_gate(&self) -> bool {
        let core = self.cache().core();
        let database = self.database().filter(|database| !database.id.is_private());
        core.is_shared()
            && database.is_some_and(|database| core.opening(database.id.tags).is_none())
    }

    /// What the database said of the session.
    pub(crate) fn identify(&mut self, dialect: Dialect, info: SessionInfo) {
        let database = self.cache.database(info.database, dialect);
        self.looked_at = info.looked_at;
        // The same database in memory keeps its name when it is asked again.
        if self
            .database
            .as_ref()
            .is_none_or(|known| known.id.tags != database.id.tags)
        {
            self.database = Some(database);
        }
        // rule: a-session-that-answers-is-not-at-work-for-another
        // Whatever an earlier session of the same name was asked is over.
        if let (None, Some(session)) = (&self.session, &info.session) {
            self.cache.core().resolve(session, self.way());
        }
        self.session = info.session.map(SessionName::of_a_server);
        self.watch = self.database.as_ref().map(|known| known.watch(&info.user));
        self.standby = info.standby;
        self.attached = info.attached;
        // MySQL cannot list its temporary tables.
        if dialect != Dialect::Mysql {
            self.temporary = info.temporary;
            self.temporary_views = info.temporary_views;
            self.temporary_unknown = false;
        }
        self.transaction
            .identify(dialect, info.isolation, info.settings);
        // rule: what-cannot-be-followed-loses-track
        if info.untrackable {
            self.transaction.lose_track();
        }
    }

    /// Whether the database is one that only this connection names so.
    pub(crate) fn is_private(&self) -> bool {
        let database = self.database.as_ref();
        database.is_some_and(|database| database.id.is_private())
    }

    /// What the session is called; without a name there is no evidence to be had of its end.
    pub(crate) fn set_session(&mut self, session: Option<SessionName>) {
        self.session = session;
    }
}
