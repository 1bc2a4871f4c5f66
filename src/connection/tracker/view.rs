//! What a tracker knows, for one who cannot have the connection for himself.
//!
//! A connection that several futures use at once gives its instrumentation to nobody. But it
//! announces each statement to it: so a statement is begun that is never sent, and the tracker
//! answers with a copy of what it knows.

use std::cell::RefCell;

use super::{Manner, Tracker};

thread_local! {
    /// Whether this thread asks for a view, and the answer.
    static ASKED: RefCell<Asked> = const { RefCell::new(Asked::No) };
}

enum Asked {
    No,
    Yes,
    Answered(Box<Tracker>),
}

/// Asks whatever tracker hears of the statement that `begin` begins.
// rule: a-view-is-asked-for-by-a-statement-that-is-never-sent
pub(crate) fn ask(begin: impl FnOnce()) -> Option<Tracker> {
    ASKED.set(Asked::Yes);
    begin();
    match ASKED.replace(Asked::No) {
        Asked::Answered(view) => Some(*view),
        Asked::No | Asked::Yes => None,
    }
}

impl Tracker {
    /// Answers one who asks for a view. Returns whether somebody does.
    pub(super) fn answers_view(&self) -> bool {
        let asked = ASKED.with_borrow(|asked| matches!(asked, Asked::Yes));
        if asked {
            ASKED.set(Asked::Answered(Box::new(self.view())));
        }
        asked
    }

    /// A copy of what is known. It follows nothing, and owes nothing.
    fn view(&self) -> Self {
        let mut view = Self::new(self.cache.clone(), None, Manner::Awaits);
        view.database.clone_from(&self.database);
        view.session.clone_from(&self.session);
        view.watch.clone_from(&self.watch);
        view.transaction.clone_from(&self.transaction);
        view.standby = self.standby;
        // What commits are played in is for one alone.
        view.attached = self.attached || self.simulation.is_some();
        view.looked_at.clone_from(&self.looked_at);
        view.temporary.clone_from(&self.temporary);
        view.temporary_views.clone_from(&self.temporary_views);
        view.temporary_unknown = self.temporary_unknown;
        view.hint = self.hint;
        view.is_view = true;
        view.controls = self.controls;
        view
    }
}
