//! Operations at random, on the backend and on the reference.

use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::compare::{Both, Captured, Read};
use super::world::{HOUR, World};
use super::{Broken, Found};
use crate::database::TagSpace;
use crate::protocol::Lift;
use crate::tag::Tag;
use crate::token::{Epoch, ProcessId, WriterId};

const STEPS: usize = 3000;
const TAGS: usize = 5;
const KEYS: usize = 6;
/// How many writers are at work at most.
const WRITERS: usize = 4;

pub(super) fn random_operations_do_what_the_reference_does(world: &World<'_>) -> Found {
    let seed = number("CACHE_TEST_SEED").unwrap_or_else(rand::random);
    let steps = number("CACHE_TEST_STEPS").and_then(|n| usize::try_from(n).ok());
    let mut run = Run::new(world, seed)?;
    for step in 0..steps.unwrap_or(STEPS) {
        run.step().map_err(|(operation, Broken(what))| {
            Broken(format!(
                "CACHE_TEST_SEED={seed}, step {step}, {operation}: {what}"
            ))
        })?;
    }
    Ok(())
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

struct Run<'a> {
    world: &'a World<'a>,
    both: Both<'a>,
    random: StdRng,
    tags: Vec<Tag>,
    /// A key, and the tags that its readers name.
    keys: Vec<(String, Arc<[Tag]>)>,
    processes: [ProcessId; 2],
    spaces: [TagSpace; 2],
    writers: Vec<(WriterId, Vec<Tag>)>,
    /// What was captured, and has perhaps ended since.
    captured: Vec<(usize, Captured)>,
    epochs: Vec<(Epoch, Epoch)>,
    stored: u64,
}

impl<'a> Run<'a> {
    fn new(world: &'a World<'a>, seed: u64) -> Result<Self, Broken> {
        let mut random = StdRng::seed_from_u64(seed);
        let tags: Vec<_> = (0..TAGS)
            .map(|n| Tag::any(world.space, &n.to_string()))
            .collect();
        let keys = (0..KEYS).map(|n| {
            let own = tags.iter().filter(|_| random.random_bool(0.4));
            (format!("key {n}"), own.copied().collect())
        });
        let keys = keys.collect();
        Ok(Self {
            both: Both::new(world)?,
            world,
            random,
            tags,
            keys,
            processes: [world.process, ProcessId::fresh()],
            spaces: [world.space, TagSpace::of(b"another")],
            writers: Vec::new(),
            captured: Vec::new(),
            epochs: Vec::new(),
            stored: 0,
        })
    }

    /// One operation; its name comes with what is wrong.
    fn step(&mut self) -> Result<(), (&'static str, Broken)> {
        let (name, found) = match self.random.random_range(0..100) {
            0..40 => ("a read", self.read()),
            40..58 => ("a fill", self.fill()),
            58..63 => ("a quarantine", self.quarantine()),
            63..70 => ("a lift", self.lift()),
            70..71 => ("a lift of what is not held", self.stray_lift()),
            71..74 => {
                let tags = self.some_tags();
                ("a renewal", self.both.renew(&tags))
            }
            74..78 => {
                let name = self.some_key().0;
                ("a recall", self.both.recall(&name))
            }
            78..84 => ("a touch", self.touch()),
            84..87 => {
                let name = self.some_key().0;
                (
                    "a removal",
                    self.opened().and_then(|()| self.both.remove(&name)),
                )
            }
            87..88 => {
                let tag = self.tags[self.random.random_range(0..TAGS)];
                ("a purge", self.both.purge(tag))
            }
            88..89 => ("a clear", self.clear()),
            89..92 => {
                let tags = self.some_tags();
                ("asking for holders", self.both.holders(&tags))
            }
            _ => ("a gate", self.gate()),
        };
        found.map_err(|broken| (name, broken))
    }

    fn some_tags(&mut self) -> Vec<Tag> {
        let random = &mut self.random;
        let tags = self.tags.iter().filter(|_| random.random_bool(0.3));
        tags.copied().collect()
    }

    /// In any order, and some of them twice.
    fn more_tags(&mut self) -> Vec<Tag> {
        let count = self.random.random_range(1..=3);
        let random = &mut self.random;
        (0..count)
            .map(|_| self.tags[random.random_range(0..TAGS)])
            .collect()
    }

    fn some_key(&mut self) -> (String, Arc<[Tag]>) {
        let at = self.random.random_range(0..KEYS);
        self.keys[at].clone()
    }

    fn process(&mut self) -> ProcessId {
        self.processes[usize::from(self.random.random_bool(0.5))]
    }

    /// Entries are of no concern while the gate is closed.
    fn opened(&mut self) -> Found {
        self.both.open(self.spaces[0])
    }

    fn read(&mut self) -> Found {
        let at = self.random.random_range(0..KEYS);
        let (name, tags) = self.keys[at].clone();
        // Now and then by one who knows of fewer of them.
        let named = match self.random.random_bool(0.2) {
            true => self.random.random_range(0..=tags.len()),
            false => tags.len(),
        };
        let also = match self.random.random_bool(0.4) {
            true => self.more_tags(),
            false => Vec::new(),
        };
        let process = self.process();
        let captured = self.both.fetch(&Read {
            name: &name,
            tags: &tags[..named],
            also: &also,
            establish: self.random.random_bool(0.7),
            holder: self.random.random_bool(0.3).then_some(process),
        })?;
        self.captured
            .extend(captured.map(|captured| (at, captured)));
        Ok(())
    }

    fn fill(&mut self) -> Found {
        if self.captured.is_empty() {
            return Ok(());
        }
        self.opened()?;
        // Mostly the latest, which may still be current.
        let last = self.captured.len() - 1;
        let from = if self.random.random_bool(0.2) {
            0
        } else {
            last
        };
        let (key, captured) = self.captured.remove(self.random.random_range(from..=last));
        let name = self.keys[key].0.clone();
        let own = Arc::clone(&captured.tags);
        let removed_with = match own.first() {
            Some(tag) if self.random.random_bool(0.2) => Arc::from([*tag]),
            _ => Arc::from([]),
        };
        self.stored += 1;
        let bytes = format!("{} of {name}", self.stored);
        let process = self.process();
        let holder = self.random.random_bool(0.7).then_some(process);
        self.both
            .put(&name, &captured, bytes.as_bytes(), &removed_with, holder)
    }

    fn quarantine(&mut self) -> Found {
        let tags = self.some_tags();
        let process = self.processes[0];
        // Now and then one that is at work already.
        if self.writers.len() >= WRITERS || self.random.random_bool(0.2) {
            let Some((id, held)) = self.writers.last_mut() else {
                return Ok(());
            };
            held.extend(&tags);
            return self.both.quarantine(process, *id, &tags);
        }
        let id = WriterId::fresh();
        self.writers.push((id, tags.clone()));
        self.both.quarantine(process, id, &tags)
    }

    fn lift(&mut self) -> Found {
        if self.writers.is_empty() {
            return Ok(());
        }
        let at = self.random.random_range(0..self.writers.len());
        let (id, mut tags) = self.writers.swap_remove(at);
        match self.random.random_range(0..6) {
            0 => tags.truncate(1),
            1 => tags.extend(self.some_tags()),
            _ => {}
        }
        let how = self.how();
        self.both.lift(id, &tags, how)?;
        if self.random.random_bool(0.2) {
            // Once more, as after a lost answer.
            self.both.lift(id, &tags, how)?;
        }
        Ok(())
    }

    fn stray_lift(&mut self) -> Found {
        let tags = self.some_tags();
        let how = self.how();
        self.both.lift(WriterId::fresh(), &tags, how)
    }

    fn how(&mut self) -> Lift {
        if self.random.random_bool(0.5) {
            Lift::Renew
        } else {
            Lift::Restore
        }
    }

    fn touch(&mut self) -> Found {
        self.opened()?;
        let name = self.some_key().0;
        let end = Instant::now() + HOUR * self.random.random_range(1..10);
        self.both.touch(&name, end)
    }

    fn clear(&mut self) -> Found {
        let tags = self.tags.clone();
        self.both.clear(&tags)?;
        // Whether a lease outlives a clear is left open.
        for (name, _) in &self.keys {
            for process in self.processes {
                self.both.release(name, process)?;
            }
        }
        Ok(())
    }

    fn gate(&mut self) -> Found {
        if !self.world.backend.is_shared() {
            return Ok(());
        }
        let space = self.spaces[usize::from(self.random.random_bool(0.5))];
        let process = self.process();
        let old = self.epochs.last().copied();
        match (self.random.random_range(0..8), old) {
            (0..2, _) => {
                let epochs = self.both.beat(process, &[space])?;
                self.epochs.push(epochs);
                Ok(())
            }
            (2..4, _) => self.both.open(space),
            (4, Some(epochs)) => self.both.open_in(epochs, space),
            (5, Some(epochs)) => self.both.testify(process, epochs, space),
            (6, _) => self.both.close(Some(space)),
            _ if self.random.random_bool(0.3) => self.both.close(None),
            _ => Ok(()),
        }
    }
}
