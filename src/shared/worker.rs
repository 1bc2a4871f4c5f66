//! The worker: a thread that keeps a process in step with a shared store.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::Shared;
use crate::core::Core;

/// How often the worker beats while all is well.
const CALM: Duration = Duration::from_millis(500);
/// How often it beats while a gate is closed.
const TENSE: Duration = Duration::from_millis(25);
/// How long it waits at most after failures.
const SLOWEST: Duration = Duration::from_secs(1);

/// Makes sure that the worker of this cache runs in this process.
pub(crate) fn start(core: &Arc<Core>) {
    let pid = std::process::id();
    {
        let mut state = core.shared.state();
        // rule: a-forked-child-has-a-worker-of-its-own
        if state.worker == Some(pid) || state.stopped {
            return;
        }
        state.worker = Some(pid);
    }
    let shared = Arc::clone(&core.shared);
    let core = Arc::downgrade(core);
    let started = std::thread::Builder::new()
        .name("diesel-cache".to_owned())
        .spawn(move || run(&shared, &core));
    if let Err(error) = started {
        log::error!("the cache's worker cannot be started: {error}");
    }
}

fn run(shared: &Shared, core: &Weak<Core>) {
    let mut failures = 0_u32;
    loop {
        let Some(core) = core.upgrade() else {
            return;
        };
        let delivered = deliver(&core);
        let standing = survive(|| core.beat()).flatten();
        let closed = standing.as_ref().is_some_and(|standing| {
            let spaces = core.attached();
            spaces
                .iter()
                .any(|space| standing.opening(*space).is_none())
        });
        drop(core);
        failures = match delivered && standing.is_some() {
            true => 0,
            false => failures.saturating_add(1),
        };
        let pause = match failures {
            0 if closed => TENSE,
            0 => CALM,
            _ => (TENSE * (1 << failures.min(6))).min(SLOWEST),
        };
        if !pause_for(shared, pause, failures == 0) {
            return;
        }
    }
}

/// Waits, but not longer than until there is something to do. Returns whether to go on.
fn pause_for(shared: &Shared, pause: Duration, eager: bool) -> bool {
    let deadline = Instant::now() + pause;
    let mut state = shared.state();
    loop {
        if state.stopped {
            return false;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let wanted = state.hurry || (eager && !state.backlog.is_empty());
        if left.is_zero() || wanted {
            state.hurry = false;
            return true;
        }
        let waited = shared.changed.wait_timeout(state, left);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Asks the store something; `None` if that panics, as another's backend may.
// rule: the-worker-outlives-a-panic
fn survive<T>(ask: impl FnOnce() -> T) -> Option<T> {
    let answer = catch_unwind(AssertUnwindSafe(ask)).ok();
    if answer.is_none() {
        log::error!("the cache's store panicked; it is asked again");
    }
    answer
}

/// Delivers what waits, in order. Returns whether nothing is left.
fn deliver(core: &Core) -> bool {
    loop {
        let Some(next) = core.shared.state().backlog.next() else {
            core.shared.changed.notify_all();
            return true;
        };
        let done = match survive(|| next.to(&*core.backend)) {
            Some(Ok(epoch)) => {
                if let (Some(writer), Some(epoch)) = (next.announces(), epoch) {
                    core.shared.acknowledge(writer, Some(epoch));
                }
                true
            }
            Some(Err(error)) => {
                core.failed(&error);
                false
            }
            None => false,
        };
        core.shared.change(|backlog| backlog.delivered(done));
        if !done {
            return false;
        }
    }
}
