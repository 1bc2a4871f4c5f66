//! What each of the processes has for itself that a program forks into.

use std::sync::OnceLock;

/// A value for this process, and others for those that are forked from it: a child can use neither
/// the connections nor the locks of its parent, which may be held for ever.
#[derive(Debug)]
pub(super) struct PerProcess<T>(OnceLock<Box<Place<T>>>);

#[derive(Debug)]
struct Place<T> {
    process: u32,
    value: T,
    /// That of a child.
    next: OnceLock<Box<Place<T>>>,
}

impl<T> PerProcess<T> {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// That of this process.
    pub(super) fn get(&self, make: impl Fn() -> T) -> &T {
        self.of(std::process::id(), make)
    }

    // rule: a-child-has-connections-and-locks-of-its-own
    fn of(&self, process: u32, make: impl Fn() -> T) -> &T {
        let mut place = &self.0;
        loop {
            let found = place.get_or_init(|| {
                Box::new(Place {
                    process,
                    value: make(),
                    next: OnceLock::new(),
                })
            });
            if found.process == process {
                return &found.value;
            }
            place = &found.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn each_process_has_its_own() {
        let made = AtomicU32::new(0);
        let own = PerProcess::new();
        let of = |process| *own.of(process, || made.fetch_add(1, Ordering::SeqCst));
        assert_eq!(
            [of(7), of(7), of(8), of(7), of(9), of(8)],
            [0, 0, 1, 0, 2, 1]
        );
    }
}
