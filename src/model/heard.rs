//! Who listens to a write of a model, and how they are told.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use diesel::connection::{Connection, TransactionManager};
use diesel::result::{Error, QueryResult};

use crate::cache::Cache;
use crate::connection::{self, Blocking, Tracker, tracker};
use crate::footprint::Name;
use crate::model::CacheModel;
use crate::now::now;
use crate::signal::{
    AnyEvent, Change, Commits, Event, Hook, Inside, Lifecycle, PostDelete, PostSave, PreDelete,
    PreSave, Sender, Signal, tell_any,
};

type AnySignal = Arc<Signal<AnyEvent<'static>>>;
pub(crate) type Changed = BTreeSet<Name>;

/// Where a write takes place, as far as those who listen may know.
pub(crate) trait Place {
    /// The connection, to be used by the receivers.
    fn inside(&mut self) -> Inside<'_>;

    /// The columns that stood in `SET` of the last statement.
    fn changed(&mut self) -> Option<Changed>;

    /// Leaves word for those who wait for the commit.
    fn after_commit(&mut self, hook: Hook);
}

impl<C: Connection + 'static> Place for C {
    fn inside(&mut self) -> Inside<'_> {
        Inside::of(self)
    }

    fn changed(&mut self) -> Option<Changed> {
        tracker(self)?.changed().cloned()
    }

    fn after_commit(&mut self, hook: Hook) {
        if let Some(tracker) = tracker(self) {
            tracker.after_commit(hook);
        }
    }
}

/// The signals with receivers when a write begins. A signal that gets its first receiver
/// later is not told: the write may not have the transaction that it needs.
pub(crate) struct Heard<M, Pre: Event, Post: Event> {
    pre: Option<Arc<Signal<Pre>>>,
    any_pre: Option<AnySignal>,
    post: Option<Arc<Signal<Post>>>,
    any_post: Option<AnySignal>,
    commit: Option<Arc<dyn Commits<M>>>,
    any_commit: Option<AnySignal>,
}

/// Who listens to `save` and `create`.
pub(crate) type Saves<M> = Heard<M, PreSave<'static, M>, PostSave<'static, M>>;
/// Who listens to `delete`.
pub(crate) type Deletes<M> = Heard<M, PreDelete<'static, M>, PostDelete<'static, M>>;

impl<M: CacheModel, Pre: Event, Post: Event> Heard<M, Pre, Post> {
    fn new(cache: &Cache, pre: Lifecycle, post: Lifecycle) -> Self {
        let signals = cache.signals();
        Self {
            pre: signals.heard(),
            any_pre: signals.heard_any(pre),
            post: signals.heard(),
            any_post: signals.heard_any(post),
            commit: signals.known_commits(),
            any_commit: signals.heard_any(Lifecycle::PostCommit),
        }
    }

    /// Whether a receiver may undo the write, so that it needs a transaction.
    pub(crate) fn may_undo(&self) -> bool {
        self.pre.is_some()
            || self.any_pre.is_some()
            || self.post.is_some()
            || self.any_post.is_some()
    }

    /// Runs a write, in a transaction if a receiver may undo it.
    pub(super) fn run<C: Connection, T>(
        &self,
        conn: &mut C,
        write: impl FnOnce(&mut C) -> QueryResult<T>,
    ) -> QueryResult<T> {
        let announces = |tracker: &mut Tracker| tracker.cache().core().announces_early();
        if self.may_undo() || tracker(conn).is_some_and(announces) {
            transaction(conn, write)
        } else {
            write(conn)
        }
    }

    fn hears_commit(&self) -> bool {
        let typed = self.commit.as_ref().is_some_and(|c| c.has_receivers());
        typed || self.any_commit.is_some()
    }

    /// Leaves word for those who wait for the commit.
    fn await_commit(
        &self,
        instance: &M,
        change: Change,
        changed: Option<&Changed>,
        conn: &mut dyn Place,
    ) {
        if !self.hears_commit() {
            return;
        }
        let sender = Sender::of::<M>(M::TABLE);
        let any = self.any_commit.clone();
        let changed = changed.cloned();
        let hook: Option<Hook> = match (&self.commit, any) {
            (Some(commit), any) => Some(commit.hook(instance, sender, change, changed, any)),
            (None, Some(any)) => Some(Box::new(move || {
                tell_any(&any, None, sender, change, changed.as_ref())
            })),
            (None, None) => None,
        };
        if let Some(hook) = hook {
            conn.after_commit(hook);
        }
    }
}

impl<M: CacheModel> Saves<M> {
    pub(crate) fn of(cache: &Cache) -> Self {
        Self::new(cache, Lifecycle::PreSave, Lifecycle::PostSave)
    }

    /// Tells of a save or create that is to come.
    ///
    /// # Errors
    /// A receiver's veto.
    pub(crate) fn before(&self, instance: Option<&M>, conn: &mut dyn Place) -> QueryResult<()> {
        let created = instance.is_none();
        if let Some(signal) = &self.pre {
            signal.send(&PreSave {
                instance,
                created,
                inside: conn.inside(),
            })?;
        }
        if let Some(signal) = &self.any_pre {
            let change = saved(created);
            let instance = instance.map(|instance| instance as &dyn Any);
            send_any::<M>(signal, Lifecycle::PreSave, instance, change, None, conn)?;
        }
        Ok(())
    }

    /// Tells of a save or create that has run.
    ///
    /// # Errors
    /// What a receiver returned.
    pub(crate) fn after(
        &self,
        instance: &M,
        created: bool,
        conn: &mut dyn Place,
    ) -> QueryResult<()> {
        let listens = self.post.is_some() || self.any_post.is_some() || self.hears_commit();
        // rule: changed-columns-are-those-of-the-statement
        let changed = (listens && !created).then(|| conn.changed()).flatten();
        let changed = changed.as_ref();
        let change = saved(created);
        self.await_commit(instance, change, changed, conn);
        if let Some(signal) = &self.post {
            signal.send(&PostSave {
                instance,
                created,
                changed,
                inside: conn.inside(),
            })?;
        }
        if let Some(signal) = &self.any_post {
            send_any::<M>(
                signal,
                Lifecycle::PostSave,
                Some(instance),
                change,
                changed,
                conn,
            )?;
        }
        Ok(())
    }
}

fn saved(created: bool) -> Change {
    if created {
        Change::Created
    } else {
        Change::Saved
    }
}

impl<M: CacheModel> Deletes<M> {
    pub(crate) fn of(cache: &Cache) -> Self {
        Self::new(cache, Lifecycle::PreDelete, Lifecycle::PostDelete)
    }

    /// Tells of a delete that is to come.
    ///
    /// # Errors
    /// A receiver's veto.
    pub(crate) fn before(&self, instance: &M, conn: &mut dyn Place) -> QueryResult<()> {
        if let Some(signal) = &self.pre {
            let inside = conn.inside();
            signal.send(&PreDelete { instance, inside })?;
        }
        if let Some(signal) = &self.any_pre {
            let (lifecycle, change) = (Lifecycle::PreDelete, Change::Deleted);
            send_any::<M>(signal, lifecycle, Some(instance), change, None, conn)?;
        }
        Ok(())
    }

    /// Tells of a delete that has run.
    ///
    /// # Errors
    /// What a receiver returned.
    pub(crate) fn after(&self, instance: &M, conn: &mut dyn Place) -> QueryResult<()> {
        self.await_commit(instance, Change::Deleted, None, conn);
        if let Some(signal) = &self.post {
            let inside = conn.inside();
            signal.send(&PostDelete { instance, inside })?;
        }
        if let Some(signal) = &self.any_post {
            let (lifecycle, change) = (Lifecycle::PostDelete, Change::Deleted);
            send_any::<M>(signal, lifecycle, Some(instance), change, None, conn)?;
        }
        Ok(())
    }
}

fn send_any<M: CacheModel>(
    signal: &AnySignal,
    lifecycle: Lifecycle,
    instance: Option<&dyn Any>,
    change: Change,
    changed: Option<&Changed>,
    conn: &mut dyn Place,
) -> QueryResult<()> {
    signal.send(&AnyEvent {
        lifecycle,
        sender: Sender::of::<M>(M::TABLE),
        instance,
        change,
        changed,
        inside: conn.inside(),
    })
}

/// Runs a statement that returns the rows that it writes.
///
/// # Errors
/// What the statement returns.
pub(super) fn returning<C: Connection, T>(
    conn: &mut C,
    write: impl FnOnce(&mut C) -> QueryResult<T>,
) -> QueryResult<T> {
    let suspected = tracker(conn).map(|tracker| tracker.is_suspected());
    let rows = write(conn)?;
    if let (Some(suspected), Some(tracker)) = (suspected, tracker(conn)) {
        tracker.vouch(suspected);
    }
    Ok(rows)
}

/// Diesel's `transaction`, which a panic rolls back too, and so does a receiver that leaves
/// more transactions open, or fewer, than it found.
pub(super) fn transaction<C: Connection, T>(
    conn: &mut C,
    run: impl FnOnce(&mut C) -> QueryResult<T>,
) -> QueryResult<T> {
    let mut panic = None;
    let result = conn.transaction(|conn| {
        let depth = depth(conn);
        // rule: a-panic-rolls-the-write-back
        let result = catch_unwind(AssertUnwindSafe(|| run(conn)));
        let balanced = self::depth(conn) == depth;
        // rule: what-a-receiver-leaves-open-is-rolled-back
        while self::depth(conn) > depth && C::TransactionManager::rollback_transaction(conn).is_ok()
        {
        }
        match result {
            Ok(Ok(_)) if !balanced => Err(Error::QueryBuilderError(
                "a receiver left a transaction open, or ended one that it had not begun".into(),
            )),
            Ok(Ok(value)) => now(connection::announce(&mut Blocking(conn))).map(|()| value),
            Ok(result) => result,
            Err(payload) => {
                panic = Some(payload);
                Err(Error::RollbackTransaction)
            }
        }
    });
    match panic {
        Some(payload) => resume_unwind(payload),
        None => result,
    }
}

fn depth<C: Connection>(conn: &mut C) -> u32 {
    let status = C::TransactionManager::transaction_manager_status_mut(conn);
    let depth = status.transaction_depth().ok().flatten();
    depth.map_or(0, std::num::NonZeroU32::get)
}

/// Who listens to a write of a model, for whoever writes in a future: the signals' own types
/// would keep it from being `Send`.
#[cfg(feature = "async")]
pub(crate) mod boxed {
    use diesel::result::QueryResult;

    use super::{Deletes, Place, Saves};
    use crate::cache::Cache;
    use crate::model::CacheModel;

    /// Who listens to `save` and `create`.
    pub(crate) trait Saving<M>: Send + Sync {
        fn may_undo(&self) -> bool;
        fn before(&self, instance: Option<&M>, conn: &mut dyn Place) -> QueryResult<()>;
        fn after(&self, instance: &M, created: bool, conn: &mut dyn Place) -> QueryResult<()>;
    }

    /// Who listens to `delete`.
    pub(crate) trait Deleting<M>: Send + Sync {
        fn may_undo(&self) -> bool;
        fn before(&self, instance: &M, conn: &mut dyn Place) -> QueryResult<()>;
        fn after(&self, instance: &M, conn: &mut dyn Place) -> QueryResult<()>;
    }

    pub(crate) fn saving<M: CacheModel>(cache: &Cache) -> Box<dyn Saving<M>> {
        Box::new(Saves::<M>::of(cache))
    }

    pub(crate) fn deleting<M: CacheModel>(cache: &Cache) -> Box<dyn Deleting<M>> {
        Box::new(Deletes::<M>::of(cache))
    }

    impl<M: CacheModel> Saving<M> for Saves<M> {
        fn may_undo(&self) -> bool {
            Saves::may_undo(self)
        }

        fn before(&self, instance: Option<&M>, conn: &mut dyn Place) -> QueryResult<()> {
            Saves::before(self, instance, conn)
        }

        fn after(&self, instance: &M, created: bool, conn: &mut dyn Place) -> QueryResult<()> {
            Saves::after(self, instance, created, conn)
        }
    }

    impl<M: CacheModel> Deleting<M> for Deletes<M> {
        fn may_undo(&self) -> bool {
            Deletes::may_undo(self)
        }

        fn before(&self, instance: &M, conn: &mut dyn Place) -> QueryResult<()> {
            Deletes::before(self, instance, conn)
        }

        fn after(&self, instance: &M, conn: &mut dyn Place) -> QueryResult<()> {
            Deletes::after(self, instance, conn)
        }
    }
}
