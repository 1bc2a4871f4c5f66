//! Where a thread writes down what it does.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use crate::clock::now;
use crate::event::{Event, Fate, Found, Keys, Origin, Time, Value, Verdict};
use crate::layout::Key;
use crate::worker::HELLO;

/// How much may wait to be sent, in bytes and in nanoseconds.
const SOME: usize = 8 << 10;
const SOON: Time = 20_000_000;

/// A thread's stream of events.
#[derive(Debug)]
pub(super) struct Log {
    stream: UnixStream,
    waiting: Vec<u8>,
    sent: Time,
    /// The number of the thread among all of the run, below 256: the last byte of its values.
    thread: u64,
    last: Value,
}

impl Log {
    /// Connects, and waits until the coordinator has taken note.
    pub(super) fn open(socket: &str, thread: usize) -> io::Result<Self> {
        let mut stream = UnixStream::connect(socket)?;
        let from = now();
        stream.write_all(&[HELLO])?;
        stream.write_all(&from.to_le_bytes())?;
        let mut welcome = [0];
        stream.read_exact(&mut welcome)?;
        Ok(Self {
            stream,
            waiting: Vec::with_capacity(2 * SOME),
            sent: now(),
            thread: thread as u64,
            last: 0,
        })
    }

    /// A read that began at `start` has returned these rows.
    pub(super) fn read(&mut self, start: Time, origin: Origin, found: Found) {
        let end = now();
        self.write(&Event::Read {
            start,
            end,
            origin,
            found,
        });
        self.send_if_due(end);
    }

    pub(super) fn foreign(&mut self, key: Key) {
        self.write(&Event::Foreign { at: now(), key });
    }

    pub(super) fn failed(&mut self) {
        let at = now();
        self.write(&Event::Failed { at });
        self.send_if_due(at);
    }

    /// Nothing happened.
    pub(super) fn mark(&mut self) {
        self.write(&Event::Mark { at: now() });
        self.send();
    }

    /// The value to write to these rows, greater than all before it. It is known to the
    /// coordinator when this returns.
    pub(super) fn begin(&mut self, keys: &Keys) -> Value {
        let at = now();
        let value = ((at << 8) | self.thread).max(self.last + 256);
        self.last = value;
        self.write(&Event::Begin {
            at,
            value,
            keys: keys.clone(),
        });
        self.send();
        value
    }

    pub(super) fn end(&mut self, value: Value, keys: &Keys, fate: Fate) {
        self.write(&Event::End {
            at: now(),
            value,
            fate,
            keys: keys.clone(),
        });
    }

    pub(super) fn wrote(&mut self, verdict: Verdict) {
        self.write(&Event::Wrote { at: now(), verdict });
        self.send();
    }

    fn write(&mut self, event: &Event) {
        event.encode(&mut self.waiting);
    }

    fn send_if_due(&mut self, at: Time) {
        if self.waiting.len() > SOME || at > self.sent + SOON {
            self.send();
        }
    }

    fn send(&mut self) {
        if self.stream.write_all(&self.waiting).is_err() {
            // Nobody reads it: the run is over.
            std::process::exit(0);
        }
        self.waiting.clear();
        self.sent = now();
    }
}
