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
}

/// The watch over one computation. It ends when this is dropped, on the same thread.
#[derive(Debug)]
pub(crate) struct Watch(PhantomData<*const ()>);

/// A read that was told of its handle, as long as this lives.
#[derive(Debug)]
pub(crate) struct Told(Option<Dependencies>);

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

/// This thread sends a read of these tables, or it is not known which.
pub(crate) fn statement(tables: Option<&BTreeSet<Name>>) {
    TOLD.with_borrow(|told| read(tables, told.as_ref()));
}

/// This thread reads these tables, or it is not known which; `told` is the handle that is
/// told of it.
// rule: a-read-outside-of-the-handle-is-not-stored
pub(crate) fn read(tables: Option<&BTreeSet<Name>>, told: Option<&Dependencies>) {
    if !is_watched() {
        return;
    }
    WATCHES.with_borrow(|watches| {
        // A value tells the one around it what it depends on, or refuses it.
        let knows = |watched: &Watched| told.is_some_and(|told| told.is(&watched.dependencies));
        let ignorant = watches.iter().rposition(knows).map_or(0, |at| at + 1);
        for watched in &watches[ignorant..] {
            if tables.is_none_or(|tables| !tables.is_subset(&watched.named)) {
                watched.dependencies.refuse(Unstored::Unseen);
            }
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
        let watch = begin(&dependencies, names(&["a", "b"]));
        statement(Some(&names(&["a"])));
        assert!(dependencies.finish().is_ok());
        statement(Some(&names(&["a", "c"])));
        assert_eq!(dependencies.finish().unwrap_err(), Unstored::Unseen);
        drop(watch);
    }

    #[test]
    fn a_read_that_was_told_is_fine_and_nothing_outside_counts() {
        let dependencies = Dependencies::new();
        statement(None);
        let watch = begin(&dependencies, BTreeSet::new());
        {
            let _told = told(&dependencies);
            statement(None);
        }
        assert!(dependencies.finish().is_ok());
        drop(watch);
        refuse(Unstored::Wrote);
        assert!(dependencies.finish().is_ok());
    }

    #[test]
    fn a_read_that_was_told_of_another_handle_counts() {
        let (outer, inner) = (Dependencies::new(), Dependencies::new());
        let _outer = begin(&outer, BTreeSet::new());
        let _inner = begin(&inner, BTreeSet::new());
        read(None, Some(&inner));
        assert!(outer.finish().is_ok() && inner.finish().is_ok());
        read(None, Some(&outer));
        assert!(outer.finish().is_ok() && inner.finish().is_err());
        read(None, Some(&Dependencies::new()));
        assert!(outer.finish().is_err());
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
