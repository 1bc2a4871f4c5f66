//! Points around a commit at which a process ends or stops.
//!
//! A worker's backend is [wrapped](crate::wrap): the process ends at a call to it, before or
//! after it is handed on. Nothing in the library knows of it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};

use crate::chance::Chance;
use crate::clock::now;

/// How long a statement, or a command to the store, is left to run at most.
const UNDER_WAY: Duration = Duration::from_micros(1500);

macro_rules! points {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// Where.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Point {
            $($(#[$doc])* $name),+
        }

        impl Point {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text),+
                }
            }

            pub(crate) fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().find(|point| point.name() == name).copied()
            }
        }
    };
}

points! {
    /// Nothing is announced yet; in a transaction, its statements have run.
    BeforeQuarantine = "before-quarantine",
    /// The announcement is on its way.
    InQuarantine = "in-quarantine",
    /// It is acknowledged; the statement, or COMMIT, is not sent.
    AfterQuarantine = "after-quarantine",
    /// The statement, or COMMIT, is on its way.
    InCommit = "in-commit",
    /// The database has answered.
    BeforeLift = "before-lift",
    /// The lift is on its way.
    InLift = "in-lift",
    /// The lift is acknowledged.
    AfterLift = "after-lift",
    /// A reader is about to look.
    BeforeFetch = "before-fetch",
    /// A reader has captured the tokens, and is about to ask the database.
    AfterFetch = "after-fetch",
    /// A reader is about to store what it read.
    BeforePut = "before-put",
}

/// What happens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum How {
    Kill = 1,
    Stop = 2,
}

impl How {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Kill, Self::Stop]
            .into_iter()
            .find(|how| how.name() == name)
    }

    fn happen(self) {
        let signal = match self {
            Self::Kill => Signal::KILL,
            Self::Stop => Signal::STOP,
        };
        let _ = kill_process(getpid(), signal);
        // The signal may reach another thread first: nothing may happen until it is here.
        let until = Instant::now() + Duration::from_millis(20);
        while Instant::now() < until {
            thread::yield_now();
        }
    }
}

/// The point that the process will end or stop at next, if any.
#[derive(Debug, Default)]
pub(crate) struct Armed {
    /// One more than the point's number.
    point: AtomicU8,
    how: AtomicU8,
}

impl Armed {
    pub(crate) fn arm(&self, how: How, point: Point) {
        self.how.store(how as u8, Ordering::SeqCst);
        self.point.store(point as u8 + 1, Ordering::SeqCst);
    }

    pub(crate) fn disarm(&self) {
        self.point.store(0, Ordering::SeqCst);
    }

    /// Takes what is to happen at this point, if it is the one.
    fn take(&self, point: Point) -> Option<How> {
        let number = point as u8 + 1;
        if self.point.load(Ordering::Relaxed) != number {
            return None;
        }
        let taken = self
            .point
            .compare_exchange(number, 0, Ordering::SeqCst, Ordering::SeqCst);
        taken.ok()?;
        Some(match self.how.load(Ordering::SeqCst) {
            1 => How::Kill,
            _ => How::Stop,
        })
    }

    /// The process is at that point.
    pub(crate) fn at(&self, point: Point) {
        if let Some(how) = self.take(point) {
            how.happen();
        }
    }

    /// What follows is on its way when it happens.
    pub(crate) fn during(&self, point: Point) {
        if let Some(how) = self.take(point) {
            let mut chance = Chance::new(now());
            let while_ = UNDER_WAY.mul_f64(chance.below(1000) as f64 / 1000.0);
            thread::spawn(move || {
                thread::sleep(while_);
                how.happen();
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_has_a_name() {
        for point in Point::ALL {
            assert_eq!(Point::named(point.name()), Some(*point));
        }
    }

    #[test]
    fn a_point_is_taken_once() {
        let armed = Armed::default();
        armed.arm(How::Stop, Point::AfterLift);
        assert_eq!(armed.take(Point::BeforeLift), None);
        assert_eq!(armed.take(Point::AfterLift), Some(How::Stop));
        assert_eq!(armed.take(Point::AfterLift), None);
    }
}
