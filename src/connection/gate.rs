//! A shared store that may have lost quarantines, and what the database knows of them.
//!
//! Each attached session carries a *mark* in the database: of which process it is, and of which
//! namespace. After a loss the gate of a database is closed until every process that has a
//! marked session there has testified that none of its writers is at work whose quarantine was
//! lost. A session that lives on without its process keeps its mark, and the gate closed.

use std::sync::Arc;

use crate::backend::Standing;
use crate::connection::introspect::{End, Marked};
use crate::connection::{Link, Wire, introspect};
use crate::core::{Core, Way};
use crate::database::TagSpace;
use crate::invalidate::{SessionName, of_holder};
use crate::tag::Tag;
use crate::token::{Opening, ProcessId};

/// What the sessions of this cache are marked with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    /// The namespace: a number below 2^24.
    pub(crate) class: u32,
    /// The process.
    pub(crate) process: ProcessId,
}

impl Mark {
    pub(super) fn of(core: &Core) -> Self {
        let digest = blake3::hash(format!("diesel-cache {}", core.config.namespace).as_bytes());
        let [a, b, c, ..] = *digest.as_bytes();
        Self {
            class: u32::from_be_bytes([0, a, b, c]),
            process: core.process,
        }
    }
}

/// Marks the session, where the store is shared. A session that cannot be marked is none that
/// there is evidence of: what it writes is invalidated after it is committed.
pub(super) async fn mark<L: Link>(conn: &mut L) {
    let Some(tracker) = conn.tracker() else {
        return;
    };
    let core = Arc::clone(tracker.cache().core());
    if !core.is_shared() {
        return;
    }
    let Some(space) = tracker.database().map(|database| database.id.tags) else {
        return;
    };
    // Nobody else has it, and nothing of it is shared.
    if tracker.is_private() {
        tracker.set_session(None);
        return;
    }
    // rule: attached-sessions-are-marked
    let marked = introspect::mark(conn, Mark::of(&core), &core.shared).await;
    let Some(tracker) = conn.tracker() else {
        return;
    };
    match marked.unwrap_or(Marked::No) {
        Marked::Yes => {}
        Marked::As(name) => {
            // rule: a-session-names-its-database
            let name = format!("{space:?} {name}");
            tracker.set_session(Some(SessionName::of_this_process(name)));
        }
        Marked::No => {
            log::warn!(
                "a session cannot be marked in the database: what it writes is invalidated after \
                 it is committed, not before"
            );
            tracker.set_session(None);
        }
    }
    core.shared.hurry();
    // From here on no gate opens without this process; what it knew before may be older.
    // rule: what-is-known-is-asked-after-the-mark
    if beat::<L>(&core).await.is_none() {
        core.learn_opening(space, None);
    }
}

/// Says to the store that this process is there, and learns how the store stands.
async fn beat<L: Wire>(core: &Arc<Core>) -> Option<Standing> {
    L::with_store(core, |core| core.beat()).await.flatten()
}

/// The cache beneath a connection and its database, if a question to that can do no harm now.
fn askable<L: Wire>(conn: &mut L) -> Option<(Arc<Core>, TagSpace)> {
    let tracker = conn.tracker().filter(|tracker| tracker.may_ask())?;
    let space = tracker.database()?.id.tags;
    Some((Arc::clone(tracker.cache().core()), space))
}

/// Whether the database says that a session has ended, or what it was doing. A refusal says
/// nothing.
async fn has_ended<L: Link>(conn: &mut L, space: TagSpace, session: &str, end: End) -> bool {
    introspect::has_ended(conn, space, session, end)
        .await
        .unwrap_or(false)
}

/// Opens the gate of the connection's database, if the database says that it may be opened.
/// Returns whether it is open.
pub(crate) async fn open<L: Link>(conn: &mut L) -> bool {
    let Some((core, space)) = askable(conn) else {
        return false;
    };
    if !core.shared.may_try(space) {
        return false;
    }
    let Some(standing) = beat::<L>(&core).await else {
        return false;
    };
    if standing.opening(space).is_some() {
        return true;
    }
    // What this process left behind keeps it from testifying.
    let standing = match resolve_own(conn).await {
        true => beat::<L>(&core).await,
        false => Some(standing),
    };
    let Some(standing) = standing else {
        return false;
    };
    let testified: Vec<ProcessId> = standing
        .testified
        .iter()
        .filter(|(_, of)| *of == space)
        .map(|(process, _)| *process)
        .collect();
    // rule: the-gate-opens-on-the-databases-evidence
    let waits = introspect::has_marks_besides(conn, Mark::of(&core), &testified).await;
    if waits.unwrap_or(true) {
        return false;
    }
    let epoch = standing.epoch;
    let opened = L::with_store(&core, move |core| {
        match core.backend.open(epoch, space, Opening::fresh()) {
            Ok(()) => true,
            Err(error) => {
                core.failed(&error);
                false
            }
        }
    });
    opened.await.unwrap_or(false)
}

/// Asks what became of sessions of this process that left a quarantine behind. Returns whether
/// any has ended, and with it its quarantine. A refusal changes nothing.
pub(super) async fn resolve_own<L: Link>(conn: &mut L) -> bool {
    let Some((core, space)) = askable(conn) else {
        return false;
    };
    let (sessions, before) = (core.unresolved(), core.count_orphans());
    for (session, answered) in sessions {
        if has_ended(conn, space, &session, End::OfSession).await {
            L::with_store(&core, move |core| core.resolve(&session, Way::Here)).await;
        } else if answered && has_ended(conn, space, &session, End::OfStatement).await {
            L::with_store(&core, move |core| core.resolve_answered(&session)).await;
        }
    }
    // What this connection itself had left is over, too, now that it has answered.
    core.count_orphans() < before
}

/// Asks what became of sessions that left a quarantine of these tags behind, of whatever
/// process; of any tags, if there are none. Returns whether any has ended.
pub(crate) async fn resolve_orphans<L: Link>(conn: &mut L, tags: &[Tag]) -> bool {
    let own = resolve_own(conn).await;
    resolve_holders(conn, tags).await || own
}

/// Asks what became of the writers that hold a quarantine of what a read depends on, and lifts
/// those whose session has ended. Returns whether any was.
async fn resolve_holders<L: Link>(conn: &mut L, tags: &[Tag]) -> bool {
    let Some((core, space)) = askable(conn) else {
        return false;
    };
    if !core.is_shared() || !core.shared.may_ask(space) {
        return false;
    }
    let of = tags.to_vec();
    let holders = L::with_store(&core, move |core| core.backend.holders(&of));
    let holders = match holders.await {
        Some(Ok(holders)) => holders,
        Some(Err(error)) => {
            core.failed(&error);
            return false;
        }
        None => return false,
    };
    // rule: a-file-stays-as-long-as-its-process-is-known
    if tags.is_empty() {
        let known: Vec<ProcessId> = holders.iter().map(|holder| holder.process).collect();
        let _ = introspect::forget_marks(conn, Mark::of(&core), &known).await;
    }
    let mut resolved = false;
    for holder in holders {
        // This process knows of its own.
        if holder.process == core.process && core.shared.is_under_way(holder.writer) {
            continue;
        }
        let Some(session) = holder.session else {
            continue;
        };
        // rule: a-quarantine-is-lifted-on-the-databases-evidence
        let (session, answered) = of_holder(&session);
        let end = match answered {
            true => End::OfStatement,
            false => End::OfSession,
        };
        if has_ended(conn, space, session, end).await {
            let of = holder.space.unwrap_or(space);
            let told = L::with_store(&core, move |core| {
                core.resolve_holder(holder.writer, of, &holder.tags);
            });
            resolved |= told.await.is_some();
        }
    }
    resolved
}
