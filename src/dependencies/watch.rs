//! Watches the thread that computes a value for what its handle is not told of.
//!
//! It can only refuse to store a value, never make one valid: what a thread does is no
//! more than evidence against it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::marker::PhantomData;

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

struct Watched {
    dependencies: Dependencies,
    /// The tables that the value names.
    named: BTreeSet<Name>,
    /// Which cache the value belongs to.
    cache: usize,
}

/// The watch over one computation. It ends when this is dropped, on the same thread.
#[derive(Debug)]
pub(crate) struct Watch(PhantomData<*const ()>);

/// A read that was told of its handle, as long as this lives.
#[derive(Debug)]
pub(crate) struct Told(Option<Dependencies>);

/// Begins to watch the computation of a value of that cache, which names those tables.
pub(crate) fn begin(dependencies: &Dependencies, named: BTreeSet<Name>, cache: usize) -> Watch {
    let watched = Watched {
        dependencies: dependencies.clone(),
        named,
        cache,
    };
    WATCHES.with_borrow_mut(|watches| watches.push(watched));
    DEPTH.set(DEPTH.get() + 1);
    Watch(PhantomData)
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
pub(crate) fn statement(tables: Option<&BTreeSet<Name>>, cache: usize) {
    TOLD.with_borrow(|told| {
        refuse_ignorant(told.as_ref(), |watched| {
            let named = tables.is_some_and(|tables| tables.is_subset(&watched.named));
            // What another cache invalidates does not reach this one.
            !(named && watched.cache == cache)
        });
    });
}

/// This thread reads through the cache; `told` is the handle that is told of it. No matter
/// what the value names: it must not outlive what is found, nor be for others to see.
// rule: a-cached-read-outside-of-the-handle-is-not-stored
pub(crate) fn cached(told: Option<&Dependencies>) {
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
pub(crate) fn refuse(why: Unstored) {
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

    fn names(names: &[&str]) -> BTreeSet<Name> {
        names.iter().map(|name| Name::from(*name)).collect()
    }

    #[test]
    fn a_read_of_named_tables_is_fine() {
        let dependencies = Dependencies::new();
        let watch = begin(&dependencies, names(&["a", "b"]), 1);
        statement(Some(&names(&["a"])), 1);
        assert!(dependencies.finish().is_ok());
        statement(Some(&names(&["a", "c"])), 1);
        assert_eq!(dependencies.finish().unwrap_err(), Unstored::Unseen);
        drop(watch);
    }

    #[test]
    fn a_read_of_another_cache_counts() {
        let dependencies = Dependencies::new();
        let _watch = begin(&dependencies, names(&["a"]), 1);
        statement(Some(&names(&["a"])), 2);
        assert!(dependencies.finish().is_err());
    }

    #[test]
    fn a_read_that_was_told_is_fine_and_nothing_outside_counts() {
        let dependencies = Dependencies::new();
        statement(None, 1);
        let watch = begin(&dependencies, BTreeSet::new(), 1);
        {
            let _told = told(&dependencies);
            statement(None, 1);
        }
        assert!(dependencies.finish().is_ok());
        drop(watch);
        refuse(Unstored::Wrote);
        assert!(dependencies.finish().is_ok());
    }

    #[test]
    fn a_read_that_was_told_of_another_handle_counts() {
        let (outer, inner) = (Dependencies::new(), Dependencies::new());
        let _outer = begin(&outer, BTreeSet::new(), 1);
        let _inner = begin(&inner, BTreeSet::new(), 1);
        cached(Some(&inner));
        assert!(outer.finish().is_ok() && inner.finish().is_ok());
        cached(Some(&outer));
        assert!(outer.finish().is_ok() && inner.finish().is_err());
        cached(Some(&Dependencies::new()));
        assert!(outer.finish().is_err());
    }

    #[test]
    fn what_an_inner_value_does_counts_for_the_outer_one() {
        let (outer, inner) = (Dependencies::new(), Dependencies::new());
        let _outer = begin(&outer, BTreeSet::new(), 1);
        let _inner = begin(&inner, BTreeSet::new(), 1);
        refuse(Unstored::Wrote);
        assert!(outer.finish().is_err() && inner.finish().is_err());
    }
}
