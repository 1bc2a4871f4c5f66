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
    /// Whether the statement under way is a read that was told of its handle.
    static TOLD: Cell<bool> = const { Cell::new(false) };
}

struct Watched {
    dependencies: Dependencies,
    /// The tables that the value names.
    named: BTreeSet<Name>,
}

/// The watch over one computation. It ends when this is dropped, on the same thread.
#[derive(Debug)]
pub(crate) struct Watch(PhantomData<*const ()>);

/// A read that was told of its handle, as long as this lives.
#[derive(Debug)]
pub(crate) struct Told(bool);

/// Begins to watch.
pub(crate) fn begin(dependencies: &Dependencies, named: BTreeSet<Name>) -> Watch {
    let watched = Watched {
        dependencies: dependencies.clone(),
        named,
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

/// The reads of this thread are told of their handle from here on.
pub(crate) fn told() -> Told {
    Told(TOLD.replace(true))
}

impl Drop for Told {
    fn drop(&mut self) {
        TOLD.set(self.0);
    }
}

/// Whether this thread computes a value, so that what it does matters.
pub(crate) fn is_watched() -> bool {
    DEPTH.get() > 0
}

/// This thread reads these tables, or it is not known which.
// rule: a-read-outside-of-the-handle-is-not-stored
pub(crate) fn read(tables: Option<&BTreeSet<Name>>) {
    if !is_watched() || TOLD.get() {
        return;
    }
    refuse_where(Unstored::Unseen, |watched| {
        tables.is_none_or(|tables| !tables.is_subset(&watched.named))
    });
}

/// This thread does what no value may be computed from.
pub(crate) fn refuse(why: Unstored) {
    if is_watched() {
        refuse_where(why, |_| true);
    }
}

fn refuse_where(why: Unstored, applies: impl Fn(&Watched) -> bool) {
    WATCHES.with_borrow(|watches| {
        for watched in watches.iter().filter(|watched| applies(watched)) {
            watched.dependencies.refuse(why);
        }
    });
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
        let watch = begin(&dependencies, names(&["a", "b"]));
        read(Some(&names(&["a"])));
        assert!(dependencies.finish().is_ok());
        read(Some(&names(&["a", "c"])));
        assert_eq!(dependencies.finish().unwrap_err(), Unstored::Unseen);
        drop(watch);
    }

    #[test]
    fn a_read_that_was_told_is_fine_and_nothing_outside_counts() {
        let dependencies = Dependencies::new();
        read(None);
        let watch = begin(&dependencies, BTreeSet::new());
        {
            let _told = told();
            read(None);
        }
        assert!(dependencies.finish().is_ok());
        drop(watch);
        refuse(Unstored::Wrote);
        assert!(dependencies.finish().is_ok());
    }

    #[test]
    fn what_an_inner_value_does_counts_for_the_outer_one() {
        let (outer, inner) = (Dependencies::new(), Dependencies::new());
        let _outer = begin(&outer, BTreeSet::new());
        let _inner = begin(&inner, BTreeSet::new());
        refuse(Unstored::Wrote);
        assert!(outer.finish().is_err() && inner.finish().is_err());
    }
}
