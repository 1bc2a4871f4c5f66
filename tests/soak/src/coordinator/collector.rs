//! Takes the streams of all threads, and feeds the history in the order of their times.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::clock::{millis, now};
use crate::event::{Event, Fate, Keys, Time, Value, Verdict};
use crate::history::History;
use crate::layout::{self, Key};
use crate::merge::{Merge, Stream};
use crate::options::{Level, Options};
use crate::tally::Tally;
use crate::worker::HELLO;

/// How much of a stream is read at once.
const CHUNK: usize = 64 << 10;
/// After how long of silence a write is watched as one whose outcome is unknown.
const SLOW: Duration = Duration::from_millis(30);
/// How long a thread may say nothing before it counts as stuck.
const STUCK: Duration = Duration::from_secs(40);

enum Message {
    Open(Stream, Time),
    Events(Stream, Vec<Event>),
    Close(Stream),
    Finish,
}

/// Rows whose writers' outcome is not known, with the highest value that may be committed.
pub(super) type Unknown = Arc<Mutex<HashMap<Key, Value>>>;

#[derive(Debug)]
pub(super) struct Collector {
    _folder: TempDir,
    socket: PathBuf,
    sender: Sender<Message>,
    next: Arc<AtomicU64>,
    judge: Mutex<Option<JoinHandle<Tally>>>,
    unknown: Unknown,
    progress: Arc<Mutex<String>>,
    stuck: Arc<AtomicU64>,
}

/// A stream of the coordinator's own.
#[derive(Debug)]
pub(super) struct Feed {
    stream: Stream,
    sender: Sender<Message>,
}

impl Feed {
    pub(super) fn tell(&self, event: Event) {
        // Without a judge the run is over.
        let _ = self.sender.send(Message::Events(self.stream, vec![event]));
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let _ = self.sender.send(Message::Close(self.stream));
    }
}

impl Collector {
    pub(super) fn start(options: &Options) -> Result<Self, String> {
        let outside: fn(usize) -> bool = match options.level {
            Level::Durable => layout::is_outside,
            Level::Strong | Level::Eventual => |_| false,
        };
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let socket = folder.path().join("events");
        let listener = UnixListener::bind(&socket).map_err(|error| error.to_string())?;
        let (sender, receiver) = channel();
        let progress = Arc::new(Mutex::new(String::new()));
        let stuck = Arc::new(AtomicU64::new(0));
        let judge = {
            let (progress, stuck) = (Arc::clone(&progress), Arc::clone(&stuck));
            thread::spawn(move || judge(&receiver, outside, &progress, &stuck))
        };
        let next = Arc::new(AtomicU64::new(1));
        let unknown = Unknown::default();
        let collector = Self {
            _folder: folder,
            socket,
            sender: sender.clone(),
            next: Arc::clone(&next),
            judge: Mutex::new(Some(judge)),
            unknown: Arc::clone(&unknown),
            progress,
            stuck,
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = next.fetch_add(1, Ordering::SeqCst);
                let reader = Reader {
                    stream: number,
                    sender: sender.clone(),
                    open: HashMap::new(),
                    unknown: Arc::clone(&unknown),
                };
                thread::spawn(move || reader.run(stream));
            }
        });
        Ok(collector)
    }

    /// Where threads send their events.
    pub(super) fn socket(&self) -> String {
        self.socket.display().to_string()
    }

    /// A stream of the coordinator's own.
    pub(super) fn feed(&self) -> Feed {
        let stream = self.next.fetch_add(1, Ordering::SeqCst);
        let _ = self.sender.send(Message::Open(stream, now()));
        Feed {
            stream,
            sender: self.sender.clone(),
        }
    }

    pub(super) fn unknown(&self) -> Unknown {
        Arc::clone(&self.unknown)
    }

    /// How far the run is, in words.
    pub(super) fn progress(&self) -> String {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.clone()
    }

    /// Waits until everything is judged. All streams must have ended.
    pub(super) fn finish(&self) -> Result<Tally, String> {
        let _ = self.sender.send(Message::Finish);
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        let judge = judge.take().ok_or("there is no judge")?;
        judge.join().map_err(|_| "the judge panicked".to_owned())
    }

    /// How often a thread was silent for longer than anything may take.
    pub(super) fn stuck(&self) -> u64 {
        self.stuck.load(Ordering::SeqCst)
    }
}

fn judge(
    messages: &Receiver<Message>,
    outside: fn(usize) -> bool,
    progress: &Mutex<String>,
    stuck: &AtomicU64,
) -> Tally {
    let mut merge = Merge::default();
    let mut history = History::with_outside(Tally::new(true), outside);
    let mut open = 0usize;
    let mut finishing = false;
    let mut told = Instant::now();
    let mut complained = None;
    loop {
        let mut message = match messages.recv_timeout(Duration::from_millis(100)) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        while let Some(next) = message {
            match next {
                Message::Open(stream, from) => {
                    open += 1;
                    merge.open(stream, from);
                }
                Message::Events(stream, events) => merge.push(stream, events),
                Message::Close(stream) => {
                    open -= 1;
                    merge.close(stream);
                }
                Message::Finish => finishing = true,
            }
            message = messages.try_recv().ok();
        }
        merge.drain(|event| history.tell(event));
        if told.elapsed() > Duration::from_millis(200) {
            told = Instant::now();
            let tally = history.tally();
            *progress.lock().unwrap_or_else(PoisonError::into_inner) = format!(
                "{} reads, {} hits, {} writes ({} unknown), {} stale, {} phantom, {} foreign, \
                 {} failed; {} events wait",
                tally.reads,
                tally.hits,
                tally.writes,
                tally.unknown_writes,
                tally.stale_reads,
                tally.phantom_reads,
                tally.foreign_reads,
                tally.failed_reads,
                merge.waiting()
            );
            if let Some((stream, since)) = merge.slowest()
                && now().saturating_sub(since) > crate::clock::nanos(STUCK)
                && complained != Some((stream, since))
            {
                complained = Some((stream, since));
                stuck.fetch_add(1, Ordering::SeqCst);
                let silent = millis(now() - since) / 1e3;
                eprintln!("soak: stream {stream} has been silent for {silent:.0} s");
            }
        }
        if finishing && open == 0 {
            break;
        }
    }
    merge.drain(|event| history.tell(event));
    history.into_tally()
}

/// Reads the stream of one thread.
struct Reader {
    stream: Stream,
    sender: Sender<Message>,
    /// The attempts that have not ended.
    open: HashMap<Value, Keys>,
    unknown: Unknown,
}

impl Reader {
    fn run(mut self, mut stream: UnixStream) {
        let Ok(from) = hello(&mut stream) else {
            return;
        };
        if self.sender.send(Message::Open(self.stream, from)).is_err() {
            return;
        }
        // From here on nothing is judged without it.
        if stream.write_all(&[HELLO]).is_ok() {
            self.read(&mut stream);
        }
        // The process was killed, or is done. What it was about to write may be written.
        let open = std::mem::take(&mut self.open);
        if !open.is_empty() {
            let killed = Event::Wrote {
                at: now(),
                verdict: Verdict::Unknown,
            };
            let _ = self.sender.send(Message::Events(self.stream, vec![killed]));
        }
        for (value, keys) in open {
            self.is_unknown(value, &keys);
        }
        let _ = self.sender.send(Message::Close(self.stream));
    }

    fn read(&mut self, stream: &mut UnixStream) {
        let mut bytes = Vec::new();
        let mut chunk = vec![0; CHUNK];
        let _ = stream.set_read_timeout(Some(SLOW));
        loop {
            let length = match stream.read(&mut chunk) {
                Ok(length @ 1..) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.look_at_slow();
                    continue;
                }
                _ => return,
            };
            bytes.extend_from_slice(&chunk[..length]);
            let mut events = Vec::new();
            let mut left = bytes.as_slice();
            loop {
                match Event::decode(left) {
                    Ok(Some((event, rest))) => {
                        left = rest;
                        self.note(&event);
                        events.push(event);
                    }
                    Ok(None) => break,
                    Err(garbled) => {
                        eprintln!("soak: a stream is {garbled:?}");
                        return;
                    }
                }
            }
            let rest = left.to_vec();
            bytes = rest;
            if self
                .sender
                .send(Message::Events(self.stream, events))
                .is_err()
            {
                return;
            }
        }
    }

    /// Keeps track of attempts whose outcome may be unknown.
    fn note(&mut self, event: &Event) {
        match event {
            Event::Begin { value, keys, .. } => {
                self.open.insert(*value, keys.clone());
            }
            Event::End {
                value, fate, keys, ..
            } => {
                self.open.remove(value);
                if *fate == Fate::Unknown {
                    self.is_unknown(*value, keys);
                }
            }
            _ => {}
        }
    }

    /// A write takes long: it waits, or its process stands still.
    fn look_at_slow(&self) {
        for (value, keys) in &self.open {
            self.is_unknown(*value, keys);
        }
    }

    fn is_unknown(&self, value: Value, keys: &Keys) {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let highest = unknown.entry(*key).or_default();
            *highest = (*highest).max(value);
        }
    }
}

fn hello(stream: &mut UnixStream) -> io::Result<Time> {
    let mut hello = [0; 9];
    stream.read_exact(&mut hello)?;
    let (first, time) = (hello[0], &hello[1..]);
    if first != HELLO {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let time = time.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Time::from_le_bytes(time))
}
