//! Watches the thread that computes a value for what its handle is not told of.
//!
//! A task is watched on whatever thread it is at work. Connections that block may do a task's work
//! on threads of their own, as diesel-async's wrapper of SQLite does: what they send there counts
//! for all tasks that compute a value meanwhile.
//!
//! It can only refuse to store a value, never make one valid: what a thread does is no
//! more than evidence against it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::dependencies::{Dependencies, Unstored};
use crate::footprint::Name;

thread_local! {
    /// The values that this thread computes, the innermost last.
    static WATCHES: RefCell<Vec<Watched>> = const { RefCell::new(Vec::new()) };
    /// How many; asked for every statement.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// The handle that the read under way was told of.
    static TOLD: RefCell<Option<Dependencies>> = const { RefCell::new(None) };
}

/// For whom this thread may be at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// For what runs on it: it waits for nothing.
    Here,
    /// For a task elsewhere, too, that waits for it: what it does holds it up.
    Anywhere,
}

impl Place {
    /// That of a thread which is held up, or not.
    pub(crate) fn of(holds_up: bool) -> Self {
        if holds_up { Self::Anywhere } else { Self::Here }
    }
}

/// A value that is being computed.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) dependencies: Dependencies,
    /// The tables that the value names.
    pub(crate) named: BTreeSet<Name>,
    /// Which cache the value belongs to.
    pub(crate) cache: usize,
    /// Whether cached reads that are told of no handle are told of its own.
    pub(crate) adopts: bool,
    /// Whether a task computes it.
    pub(crate) awaited: bool,
}

/// The values that tasks compute, wherever.
static AWAITED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());
/// How many; asked for every statement that blocks.
static AWAITED_COUNT: AtomicUsize = AtomicUsize::new(0);

/// A value that a task computes, as long as this lives.
#[derive(Debug)]
struct Awaited(Dependencies);

impl Awaited {
    fn begin(watched: &Watched) -> Self {
        let mut awaited = AWAITED.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.push(watched.clone());
        AWAITED_COUNT.store(awaited.len(), Ordering::SeqCst);
        Self(watched.dependencies.clone())
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let mut awaited = AWAITED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = awaited.iter().position(|of| of.dependencies.is(&self.0)) {
            awaited.swap_remove(at);
        }
        AWAITED_COUNT.store(awaited.len(), Ordering::SeqCst);
    }
}

/// Whether a connection that blocks may be doing the work of a task that computes a value.
pub(crate) fn may_be_awaited() -> bool {
    AWAITED_COUNT.load(Ordering::SeqCst) > 0
}

/// Refuses the values that tasks compute, where that matters, unless a handle is told of what this
/// thread does.
// rule: what-a-task-has-done-elsewhere-counts
fn refuse_awaited(why: Unstored, matters: impl Fn(&Watched) -> bool) {
    if !may_be_awaited() || TOLD.with_borrow(Option::is_some) {
        return;
    }
    // What this thread itself is at is judged apart.
    let is_here = |watched: &Watched| {
        let is = |here: &Watched| here.dependencies.is(&watched.dependencies);
        is_watched() && WATCHES.with_borrow(|watches| watches.iter().any(is))
    };
    let awaited = AWAITED.lock().unwrap_or_else(PoisonError::into_inner);
    for watched in awaited.iter().filter(|watched| matters(watched)) {
        if !is_here(watched) {
            watched.dependencies.refuse(why);
        }
    }
}

/// The watch over one computation. It ends when this is dropped, on the same thread.
#[derive(Debug)]
struct Watch(PhantomData<*const ()>);

/// A read that was told of its handle, as long as this lives.
#[derive(Debug)]
pub(crate) struct Told(Option<Dependencies>);

fn begin(watched: Watched) -> Watch {
    WATCHES.with_borrow_mut(|watches| watches.push(watched));
    DEPTH.set(DEPTH.get() + 1);
    Watch(PhantomData)
}

/// Watches the computation of a value: this thread, whenever it is at it.
// rule: a-watch-is-kept-for-each-poll
pub(crate) async fn during<T>(watched: Watched, work: impl Future<Output = T>) -> T {
    let _awaited = watched.awaited.then(|| Awaited::begin(&watched));
    let mut work = pin!(work);
    poll_fn(|task| {
        let _watch = begin(watched.clone());
        work.as_mut().poll(task)
    })
    .await
}

/// Told of no handle, a read is told of that of the value which is being computed here, if that
/// takes what it meets.
pub(crate) fn adopt(told: &mut Option<Dependencies>) {
    if told.is_some() || !is_watched() {
        return;
    }
    *told = WATCHES.with_borrow(|watches| {
        let innermost = watches.last().filter(|watched| watched.adopts)?;
        Some(innermost.dependencies.clone())
    });
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHES.with_borrow_mut(Vec::pop);
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// The reads of this thread are told of that handle from here on.
pub(crate) fn told(value: &Dependencies) -> Told {
    Told(TOLD.replace(Some(value.clone())))
}

impl Drop for Told {
    fn drop(&mut self) {
        TOLD.set(self.0.take());
    }
}

/// Whether this thread computes a value, so that what it does matters.
pub(crate) fn is_watched() -> bool {
    DEPTH.get() > 0
}

/// This thread sends a read of these tables, or it is not known which, on a connection of
/// that cache.
// rule: a-read-outside-of-the-handle-is-not-stored
pub(crate) fn statement(tables: Option<&BTreeSet<Name>>, cache: usize, place: Place) {
    let matters = |watched: &Watched| {
        let named = tables.is_some_and(|tables| tables.is_subset(&watched.named));
        // What another cache invalidates does not reach this one.
        !(named && watched.cache == cache)
    };
    if place == Place::Anywhere {
        refuse_awaited(Unstored::Unseen, matters);
    }
    TOLD.with_borrow(|told| refuse_ignorant(told.as_ref(), matters));
}

/// This thread reads through the cache; `told` is the handle that is told of it. No matter
/// what the value names: it must not outlive what is found, nor be for others to see.
// rule: a-cached-read-outside-of-the-handle-is-not-stored
pub(crate) fn cached(told: Option<&Dependencies>, place: Place) {
    if told.is_none() && place == Place::Anywhere {
        refuse_awaited(Unstored::Unseen, |_| true);
    }
    refuse_ignorant(told, |_| true);
}

/// Refuses the values which that handle does not tell, where that matters.
fn refuse_ignorant(told: Option<&Dependencies>, matters: impl Fn(&Watched) -> bool) {
    if !is_watched() {
        return;
    }
    WATCHES.with_borrow(|watches| {
        // A value tells the one around it what it depends on, or refuses it.
        let knows = |watched: &Watched| told.is_some_and(|told| told.is(&watched.dependencies));
        let ignorant = watches.iter().rposition(knows).map_or(0, |at| at + 1);
        for watched in watches[ignorant..]
            .iter()
            .filter(|watched| matters(watched))
        {
            watched.dependencies.refuse(Unstored::Unseen);
        }
    });
}

/// This thread does what no value may be computed from.
pub(crate) fn refuse(why: Unstored, place: Place) {
    if place == Place::Anywhere {
        refuse_awaited(why, |_| true);
    }
    if is_watched() {
        WATCHES.with_borrow(|watches| {
            for watched in watches {
                watched.dependencies.refuse(why);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(dependencies: &Dependencies, named: BTreeSet<Name>, cache: usize) -> Watch {
        super::begin(Watched {
            dependencies: dependencies.clone(),
            named,
            cache,
            adopts: false,
            awaited: false,
        })
    }

    fn names(names: &[&str]) -> BTreeSet<Name> {
        names.iter().map(|name| Name::from(*name)).collect()
    }

    #[test]
    fn a_read_of_named_tables_is_fine() {
        let dependencies = Dependencies::new();
        let watch = begin(&dependencies, names(&["a", "b"]), 1);
        statement(Some(&names(&["a"])), 1, Place::Here);
        assert!(dependencies.finish().is_ok());
        statement(Some(&names(&["a", "c"])), 1, Place::Here);
        assert_eq!(dependencies.finish().unwrap_err(), Unstored::Unseen);
        drop(watch);
    }

    #[test]
    fn a_read_of_another_cache_counts() {
        let dependencies = Dependencies::new();
        let _watch = begin(&dependencies, names(&["a"]), 1);
        statement(Some(&names(&["a"])), 2, Place::Here);
        assert!(dependencies.finish().is_err());
    }

    #[test]
    fn a_read_that_was_told_is_fine_and_nothing_outside_counts() {
        let dependencies = Dependencies::new();
        statement(None, 1, Place::Here);
        let watch = begin(&dependencies, BTreeSet::new(), 1);
        {
            let _told = told(&dependencies);
            statement(None, 1, Place::Here);
        }
        assert!(dependencies.finish().is_ok());
        drop(watch);
        refuse(Unstored::Wrote, Place::Here);
        assert!(dependencies.finish().is_ok());
    }

    #[test]
    fn a_read_that_was_told_of_another_handle_counts() {
        let (outer, inner) = (Dependencies::new(), Dependencies::new());
        let _outer = begin(&outer, BTreeSet::new(), 1);
        let _inner = begin(&inner, BTreeSet::new(), 1);
        cached(Some(&inner), Place::Here);
        assert!(outer.finish().is_ok() && inner.finish().is_ok());
        cached(Some(&outer), Place::Here);
        assert!(outer.finish().is_ok() && inner.finish().is_err());
        cached(Some(&Dependencies::new()), Place::Here);
        assert!(outer.finish().is_err());
    }

    #[test]
    fn what_an_inner_value_does_counts_for_the_outer_one() {
        let (outer, inner) = (Dependencies::new(), Dependencies::new());
        let _outer = begin(&outer, BTreeSet::new(), 1);
        let _inner = begin(&inner, BTreeSet::new(), 1);
        refuse(Unstored::Wrote, Place::Here);
        assert!(outer.finish().is_err() && inner.finish().is_err());
    }
}
