//! Several streams of events, each in the order of its times, made one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use crate::event::{Event, Time};

/// The number of a stream.
pub(crate) type Stream = u64;

/// Puts events in the order of their times. An event comes out once no stream can have an
/// earlier one.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    streams: HashMap<Stream, Queue>,
    /// The first event of each stream that has one.
    heads: BinaryHeap<Reverse<(Time, Stream)>>,
    waiting: usize,
}

#[derive(Debug)]
struct Queue {
    events: VecDeque<Event>,
    /// Nothing earlier follows.
    told: Time,
    closed: bool,
}

impl Merge {
    /// A stream begins, with nothing earlier than `from`.
    pub(crate) fn open(&mut self, stream: Stream, from: Time) {
        let queue = Queue {
            events: VecDeque::new(),
            told: from,
            closed: false,
        };
        self.streams.insert(stream, queue);
    }

    /// The next events of a stream.
    pub(crate) fn push(&mut self, stream: Stream, events: Vec<Event>) {
        let Some(queue) = self.streams.get_mut(&stream) else {
            return;
        };
        let Some(last) = events.last() else {
            return;
        };
        queue.told = last.at();
        if queue.events.is_empty() {
            self.heads.push(Reverse((events[0].at(), stream)));
        }
        self.waiting += events.len();
        queue.events.extend(events);
    }

    /// A stream has ended.
    pub(crate) fn close(&mut self, stream: Stream) {
        if let Some(queue) = self.streams.get_mut(&stream) {
            queue.closed = true;
            if queue.events.is_empty() {
                self.streams.remove(&stream);
            }
        }
    }

    /// How many events wait for others that may be earlier.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The open stream that was silent for the longest, and since when.
    pub(crate) fn slowest(&self) -> Option<(Stream, Time)> {
        let open = self.streams.iter().filter(|(_, queue)| !queue.closed);
        open.map(|(stream, queue)| (*stream, queue.told))
            .min_by_key(|(_, told)| *told)
    }

    /// Hands out, in order, whatever can be.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(&Event)) {
        let silent = self.streams.values();
        let silent = silent.filter(|queue| !queue.closed && queue.events.is_empty());
        let mut limit = silent.map(|queue| queue.told).min().unwrap_or(Time::MAX);
        while let Some(Reverse((at, stream))) = self.heads.peek().copied() {
            if at > limit {
                return;
            }
            self.heads.pop();
            let Some(queue) = self.streams.get_mut(&stream) else {
                continue;
            };
            if let Some(event) = queue.events.pop_front() {
                self.waiting -= 1;
                take(&event);
            }
            match queue.events.front() {
                Some(next) => self.heads.push(Reverse((next.at(), stream))),
                None if queue.closed => {
                    self.streams.remove(&stream);
                }
                None => limit = limit.min(queue.told),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(times: &[Time]) -> Vec<Event> {
        times.iter().map(|at| Event::Mark { at: *at }).collect()
    }

    fn drained(merge: &mut Merge) -> Vec<Time> {
        let mut times = Vec::new();
        merge.drain(|event| times.push(event.at()));
        times
    }

    #[test]
    fn events_come_in_the_order_of_their_times() {
        let mut merge = Merge::default();
        merge.open(1, 0);
        merge.open(2, 0);
        merge.push(1, marks(&[1, 4, 5]));
        assert!(drained(&mut merge).is_empty(), "2 may have earlier ones");
        merge.push(2, marks(&[2, 3, 9]));
        assert_eq!(drained(&mut merge), [1, 2, 3, 4, 5]);
        merge.push(1, marks(&[10]));
        assert_eq!(drained(&mut merge), [9]);
        merge.close(2);
        assert_eq!(drained(&mut merge), [10]);
        assert_eq!(merge.waiting(), 0);
    }

    #[test]
    fn a_stream_that_was_killed_holds_nobody_up() {
        let mut merge = Merge::default();
        merge.open(1, 0);
        merge.open(2, 5);
        merge.push(1, marks(&[1, 6]));
        assert_eq!(drained(&mut merge), [1]);
        assert_eq!(merge.slowest(), Some((2, 5)));
        merge.push(2, marks(&[7]));
        merge.close(2);
        merge.push(1, marks(&[8]));
        assert_eq!(drained(&mut merge), [6, 7, 8]);
    }
}
