//! Several threads at once; of a shared backend, on two handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::world::{World, content, entry, key, look};
use super::{Broken, Found, ensure};
use crate::backend::{Ask, CacheBackend, Databases, Put, Writer};
use crate::database::TagSpace;
use crate::entry::{Entry, Vector};
use crate::protocol::{Judgement, Lift, TagState, judge};
use crate::tag::Tag;
use crate::token::{ProcessId, WriterId};

const WRITES: u64 = 150;
const READS: u64 = 600;

type Job<'a> = Box<dyn FnOnce() -> Found + Send + 'a>;

/// Runs these at once and returns what the first that failed found.
fn at_once(jobs: Vec<Job<'_>>) -> Found {
    thread::scope(|scope| {
        let running: Vec<_> = jobs.into_iter().map(|job| scope.spawn(job)).collect();
        let ended = running.into_iter().map(|job| {
            let panicked = |_| Err(Broken("a thread panicked".to_owned()));
            job.join().unwrap_or_else(panicked)
        });
        // All of them, so that none is still at work.
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}

/// A counter stands for the database: a read that hits must not return less than the counter
/// held when the read began.
struct Counter {
    value: AtomicU64,
    committed: AtomicU64,
    /// What its value depends on.
    tags: Arc<[Tag]>,
    /// How many of these a reader can name.
    named: usize,
    /// What its writers touch.
    written: Arc<[Tag]>,
}

impl Counter {
    fn new(tags: &Arc<[Tag]>, named: usize, written: &[Tag]) -> Self {
        Self {
            value: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            tags: Arc::clone(tags),
            named,
            written: written.into(),
        }
    }
}

pub(super) fn readers_and_writers_at_once(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    at_work(world, &Counter::new(&tags, 1, &tags))
}

pub(super) fn readers_of_further_tags_and_writers_at_once(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u", "v"]);
    at_work(world, &Counter::new(&tags, 1, &tags[2..]))
}

fn at_work(world: &World<'_>, counter: &Counter) -> Found {
    let handles = [world.handle(), world.handle()];
    let mut jobs: Vec<Job<'_>> = Vec::new();
    // A world is of one thread: it makes handles.
    let seen = Seen::of(world);
    for (index, backend) in handles.iter().enumerate() {
        let seen = &seen;
        jobs.push(Box::new(move || counter.write(&**backend, seen)));
        jobs.push(Box::new(move || {
            counter.read(&**backend, seen, &index.to_string())
        }));
    }
    at_once(jobs)?;
    ensure!(
        !world.is_quarantined(&counter.tags)?,
        "all writers are done, and one holds a tag"
    );
    Ok(())
}

/// What threads need of a world.
struct Seen {
    databases: Databases<'static>,
    process: ProcessId,
    space: TagSpace,
    shared: bool,
}

impl Seen {
    fn of(world: &World<'_>) -> Self {
        Self {
            databases: world.databases(),
            process: world.process,
            space: world.space,
            shared: world.backend.is_shared(),
        }
    }

    fn entry(&self, tags: &Arc<[Tag]>, vector: Vector, bytes: &[u8]) -> Entry {
        entry(self.shared, tags, vector, bytes)
    }

    fn writer(&self, id: WriterId) -> Writer<'static> {
        Writer {
            id,
            process: self.process,
            space: Some(self.space),
            session: None,
        }
    }
}

impl Counter {
    fn write(&self, backend: &dyn CacheBackend, seen: &Seen) -> Found {
        for round in 0..WRITES {
            let id = WriterId::fresh();
            backend.quarantine(&seen.writer(id), &self.written)?;
            if round % 4 == 3 {
                // It changes its mind.
                backend.lift(id, &self.written, Lift::Restore)?;
                continue;
            }
            let now = self.value.fetch_add(1, Ordering::SeqCst) + 1;
            backend.lift(id, &self.written, Lift::Renew)?;
            self.committed.fetch_max(now, Ordering::SeqCst);
        }
        Ok(())
    }

    /// The tokens of all its tags, if they are clean.
    fn capture(&self, backend: &dyn CacheBackend, seen: &Seen) -> Result<Option<Vector>, Broken> {
        let (named, further) = self.tags.split_at(self.named);
        let ask = Ask {
            also: further,
            ..Ask::tokens(named, seen.databases)
        };
        let fetched = backend.fetch(&ask)?;
        let clean = fetched.also.iter().map(|state| match state {
            TagState::Clean(token) => Some(*token),
            _ => None,
        });
        let further: Option<Vec<_>> = clean.collect();
        Ok(match (judge(fetched, named), further) {
            (Judgement::Miss(mut vector), Some(further)) => {
                vector.tokens = [&vector.tokens[..], &further].concat().into();
                Some(vector)
            }
            _ => None,
        })
    }

    fn read(&self, backend: &dyn CacheBackend, seen: &Seen, name: &str) -> Found {
        let key = key(name);
        let named = &self.tags[..self.named];
        for _ in 0..READS {
            let began = self.committed.load(Ordering::SeqCst);
            match look(backend, seen.databases, &key, named)? {
                Judgement::Hit(entry) => {
                    let bytes = content(&entry.payload).and_then(|b| b.try_into().ok());
                    let value = bytes.map(u64::from_le_bytes);
                    ensure!(
                        value.is_some_and(|v| v >= began),
                        "stale: {value:?} after {began}"
                    );
                }
                Judgement::Miss(vector) => {
                    let vector = match self.named == self.tags.len() {
                        true => Some(vector),
                        false => self.capture(backend, seen)?,
                    };
                    let Some(vector) = vector else {
                        continue;
                    };
                    let value = self.value.load(Ordering::SeqCst).to_le_bytes();
                    let entry = seen.entry(&self.tags, vector, &value);
                    backend.put(key.clone(), entry, None)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

pub(super) fn one_of_several_adds(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let handles = [world.handle(), world.handle()];
    let seen = Seen::of(world);
    for round in 0..20 {
        let vector = world.capture(&tags)?;
        let stored = AtomicU64::new(0);
        let name = format!("k{round}");
        let mut jobs: Vec<Job<'_>> = Vec::new();
        for number in 0..4_u8 {
            let backend = &handles[usize::from(number % 2)];
            let entry = seen.entry(&tags, vector.clone(), &[number]);
            let (name, stored) = (&name, &stored);
            jobs.push(Box::new(move || {
                match backend.put_if_absent(key(name), entry)? {
                    Put::Stored => stored.fetch_add(1, Ordering::SeqCst),
                    Put::Present => 0,
                    other => return Err(Broken(format!("an add was {other:?}"))),
                };
                Ok(())
            }));
        }
        at_once(jobs)?;
        let stored = stored.load(Ordering::SeqCst);
        ensure!(stored == 1, "{stored} of 4 at once added an entry");
    }
    Ok(())
}

pub(super) fn many_writers_of_one_tag(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u"]);
    let handles = [world.handle(), world.handle()];
    let seen = Seen::of(world);
    world.fill("both", &tags)?;
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for index in 0..4 {
        let (backend, seen, tags) = (&handles[index % 2], &seen, &tags);
        jobs.push(Box::new(move || {
            for _ in 0..50 {
                let id = WriterId::fresh();
                backend.quarantine(&seen.writer(id), tags)?;
                let ask = Ask::tokens(tags, seen.databases);
                let states = backend.fetch(&ask)?.states;
                ensure!(
                    states.iter().all(|state| *state == TagState::Quarantined),
                    "quarantined, and then {states:?}"
                );
                backend.lift(id, tags, Lift::Restore)?;
            }
            Ok(())
        }));
    }
    at_once(jobs)?;
    ensure!(
        world.hits("both", &tags)?,
        "nobody wrote, and an entry has ended"
    );
    Ok(())
}
