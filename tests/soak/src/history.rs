//! The history of a run, and what is wrong with it.
//!
//! Events are told in the order of their times. Of each row, the history knows its *floor*:
//! the highest value that is known to have been committed, and since when. A write that
//! returned raises it, and so does every read: what was read was committed before the read
//! returned. A read is
//!
//! - **stale** if it returned less than the floor at the time it began,
//! - a **phantom** if it returned what nobody had attempted to write when it returned, or what
//!   was never committed,
//! - **foreign** if it returned other rows than it was asked for; the worker sees that itself.
//!
//! Values only grow: a statement writes its value only over a lower one, and the database
//! serializes the writers of a row.

use std::collections::VecDeque;

use crate::event::{Event, Fate, Found, Keys, Origin, Time, Value, Verdict};
use crate::fault::Kind;
use crate::layout::{KEYS, Key};
use crate::tally::{Tally, Violation};

/// How long floors of the past are kept: longer than any read takes, and any outage.
const MEMORY: Time = 300_000_000_000;

/// What is known of all rows.
#[derive(Debug)]
pub(crate) struct History {
    rows: Vec<Row>,
    /// Which faults were at work, and which lately: since when.
    faults: VecDeque<(Time, u32, u32)>,
    /// The tables that somebody writes besides the application.
    outside: fn(usize) -> bool,
    tally: Tally,
}

#[derive(Debug, Clone, Default)]
struct Row {
    /// The floors, each since its time. What is older than the first is not known any more.
    floors: VecDeque<(Time, Value)>,
    /// What was attempted and is not below the first floor.
    attempts: VecDeque<(Value, State)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It may be committed.
    Possible,
    /// It was read, so it is committed.
    Seen,
    /// It will never be committed.
    Void,
}

impl Row {
    /// The highest value known to be committed before `start`.
    fn floor(&self, start: Time) -> Value {
        let known = self.floors.partition_point(|(since, _)| *since < start);
        match known.checked_sub(1) {
            Some(at) => self.floors[at].1,
            None => 0,
        }
    }

    /// Since when a higher value than this is committed.
    fn surpassed(&self, value: Value) -> Option<Time> {
        let at = self.floors.partition_point(|(_, floor)| *floor <= value);
        self.floors.get(at).map(|(since, _)| *since)
    }

    fn raise(&mut self, at: Time, value: Value) {
        if self.floors.back().is_some_and(|(_, floor)| *floor >= value) {
            return;
        }
        self.floors.push_back((at, value));
        while self.floors.len() > 1 && self.floors[1].0 + MEMORY < at {
            self.floors.pop_front();
        }
        let lowest = self.floors.front().map_or(0, |(_, floor)| *floor);
        self.attempts.retain(|(value, _)| *value >= lowest);
    }

    fn attempt(&mut self, value: Value) -> Option<&mut State> {
        let found = self.attempts.iter_mut().rev();
        found
            .filter(|(attempted, _)| *attempted == value)
            .map(|(_, state)| state)
            .next()
    }

    /// Whether a read may return this value. Marks it as seen.
    fn admits(&mut self, value: Value) -> bool {
        let last = self.floors.back().map_or(0, |(_, floor)| *floor);
        // What is below the first floor is forgotten; the floor judges it.
        let forgotten = self.floors.front().map_or(0, |(_, floor)| *floor);
        if value == last || value == 0 || value < forgotten {
            return true;
        }
        match self.attempt(value) {
            None | Some(State::Void) => false,
            Some(state) => {
                *state = State::Seen;
                true
            }
        }
    }
}

impl History {
    pub(crate) fn new(tally: Tally) -> Self {
        Self {
            rows: vec![Row::default(); KEYS],
            faults: VecDeque::new(),
            outside: |_| false,
            tally,
        }
    }

    /// As [`new`](Self::new); somebody writes to those tables besides the application.
    pub(crate) fn with_outside(tally: Tally, outside: fn(usize) -> bool) -> Self {
        Self {
            outside,
            ..Self::new(tally)
        }
    }

    pub(crate) fn into_tally(self) -> Tally {
        self.tally
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Takes the next event; their times must not decrease.
    pub(crate) fn tell(&mut self, event: &Event) {
        match event {
            Event::Read {
                start,
                end,
                origin,
                found,
            } => self.read(*start, *end, *origin, found),
            Event::Foreign { at, key } => {
                self.tally.foreign_reads += 1;
                self.report(Violation::Foreign, *key, *at, *at, String::new());
            }
            Event::Failed { .. } => self.tally.failed_reads += 1,
            Event::Begin { value, keys, .. } => {
                for key in keys {
                    let attempts = &mut self.rows[key.0 as usize].attempts;
                    attempts.push_back((*value, State::Possible));
                }
            }
            Event::End {
                at,
                value,
                fate,
                keys,
            } => self.end(*at, *value, *fate, keys),
            Event::Wrote { verdict, .. } => {
                self.tally.writes += 1;
                match verdict {
                    Verdict::Committed => self.tally.committed_writes += 1,
                    Verdict::RolledBack => self.tally.rolled_back_writes += 1,
                    Verdict::Refused => self.tally.refused_writes += 1,
                    Verdict::Overtaken => self.tally.overtaken_writes += 1,
                    Verdict::Unknown => self.tally.unknown_writes += 1,
                }
            }
            Event::Faults { at, active, lately } => {
                self.faults.push_back((*at, *active, *lately));
                while self.faults.len() > 1 && self.faults[1].0 + MEMORY < *at {
                    self.faults.pop_front();
                }
            }
            Event::Mark { .. } => {}
        }
    }

    fn end(&mut self, at: Time, value: Value, fate: Fate, keys: &Keys) {
        for key in keys {
            let row = &mut self.rows[key.0 as usize];
            match fate {
                Fate::Committed => row.raise(at, value),
                Fate::Void => {
                    if let Some(state) = row.attempt(value) {
                        let was_seen = *state == State::Seen;
                        *state = State::Void;
                        if was_seen {
                            self.tally.phantom_reads += 1;
                            let what = format!("{value} was read and then not committed");
                            self.report(Violation::Phantom, *key, at, at, what);
                        }
                    }
                }
                Fate::Unknown => {}
            }
        }
    }

    fn read(&mut self, start: Time, end: Time, origin: Origin, found: &Found) {
        let (active, lately) = self.faults_at(start);
        if origin != Origin::Database {
            self.tally.count_read(origin, active, lately);
        }
        match found {
            Found::Rows(rows) => {
                for (key, value) in rows {
                    self.check(&[*key], *value, start, end, origin);
                    // Whatever was read is committed.
                    let row = &mut self.rows[key.0 as usize];
                    row.raise(end, *value);
                }
            }
            Found::Highest(keys, value) => self.check(keys, *value, start, end, origin),
        }
    }

    /// Checks a value that must be the highest of these rows.
    fn check(&mut self, keys: &[Key], value: Value, start: Time, end: Time, origin: Origin) {
        let mut floor = 0;
        let mut since = None;
        let mut admitted = false;
        for key in keys {
            let row = &mut self.rows[key.0 as usize];
            floor = floor.max(row.floor(start));
            since = [since, row.surpassed(value)].into_iter().flatten().min();
            admitted |= row.admits(value);
        }
        let Some(key) = keys.first().copied() else {
            return;
        };
        let what = |floor| {
            format!(
                "read {value} ({origin:?}), committed were {floor}; {} row(s)",
                keys.len()
            )
        };
        if value < floor {
            let late = start.saturating_sub(since.unwrap_or(start));
            if origin == Origin::Database {
                // The database itself: then this check is wrong, not the cache.
                self.tally.checker_errors += 1;
                self.report(Violation::Checker, key, start, end, what(floor));
            } else {
                let (active, lately) = self.faults_at(start);
                self.tally.count_stale(late, active | lately);
                let outage = self.outage(start.saturating_sub(late), start);
                let lag = late.saturating_sub(outage);
                let outside = (self.outside)(key.table());
                self.tally.count_late(lag, outage, outside, active | lately);
                self.report(Violation::Stale { late }, key, start, end, what(floor));
            }
        } else if !admitted {
            self.tally.phantom_reads += 1;
            self.report(Violation::Phantom, key, start, end, what(floor));
        }
    }

    /// The faults that were at work at a time, and those that were lately.
    fn faults_at(&self, time: Time) -> (u32, u32) {
        // Nearly always the last.
        let mut known = self.faults.iter().rev();
        known
            .find(|(since, _, _)| *since <= time)
            .map_or((0, 0), |(_, active, lately)| (*active, *lately))
    }

    /// For how much of that time something was out of reach.
    fn outage(&self, from: Time, until: Time) -> Time {
        let mut later = until;
        let mut outage = 0;
        for (since, active, _) in self.faults.iter().rev() {
            if active & Kind::OUTAGES != 0 {
                outage += later.saturating_sub((*since).max(from));
            }
            later = later.min(*since);
            if *since <= from {
                break;
            }
        }
        outage
    }

    fn report(&mut self, what: Violation, key: Key, start: Time, end: Time, text: String) {
        let (active, lately) = self.faults_at(start);
        self.tally
            .violated(what, key, (start, end), (active, lately), &text);
    }
}

#[cfg(test)]
mod tests;
