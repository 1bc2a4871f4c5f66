//! Where the process is killed, and when the store is out of reach.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use diesel::connection::{Instrumentation, InstrumentationEvent};

/// What befalls a call to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Works,
    /// It is not done.
    Down,
    /// It is done, and nobody hears of it.
    Deaf,
}

#[derive(Debug)]
pub(crate) struct Points {
    kill: usize,
    down: usize,
    deaf: usize,
    /// Nothing counts before.
    begun: AtomicBool,
    passed: AtomicUsize,
    calls: AtomicUsize,
}

impl Points {
    pub(crate) fn of(script: &str) -> Self {
        let number = |name: &str| {
            let mut words = script.split(' ');
            let found = words.find_map(|word| word.strip_prefix(name));
            found.map_or(usize::MAX, |number| number.parse().unwrap())
        };
        Self {
            kill: number("kill="),
            down: number("down="),
            deaf: number("deaf="),
            begun: AtomicBool::new(false),
            passed: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
        }
    }

    pub(crate) fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
    }

    /// The process comes by a point.
    pub(crate) fn pass(&self) {
        if self.begun.load(Ordering::SeqCst)
            && self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.kill
        {
            self.end();
        }
    }

    /// What befalls a call that announces or invalidates, which it counts.
    pub(crate) fn count_call(&self) -> Fate {
        if self.begun.load(Ordering::SeqCst) {
            self.calls.fetch_add(1, Ordering::SeqCst);
        }
        self.fate()
    }

    /// What befalls a call now.
    pub(crate) fn fate(&self) -> Fate {
        let calls = self.calls.load(Ordering::SeqCst);
        if !self.begun.load(Ordering::SeqCst) {
            Fate::Works
        } else if calls > self.down {
            Fate::Down
        } else if calls > self.deaf {
            Fate::Deaf
        } else {
            Fate::Works
        }
    }

    /// The process is killed.
    pub(crate) fn end(&self) {
        let own = rustix::process::getpid();
        let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

/// Statements pass points, too.
#[derive(Debug)]
pub(crate) struct Statements(pub(crate) std::sync::Arc<Points>);

impl Instrumentation for Statements {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        use InstrumentationEvent as E;
        if matches!(event, E::StartQuery { .. } | E::FinishQuery { .. }) {
            self.0.pass();
        }
    }
}
