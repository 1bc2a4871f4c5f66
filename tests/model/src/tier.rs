//! Memory in front of a store that may answer without asking: `backend/tiered`.
//!
//! Two processes read one result, and one of them writes, time and again: it puts the result's tag
//! under quarantine, commits, lifts, and notes what it has invalidated. Time is a number that
//! may grow at any moment; a process that is stopped is one whose next step comes late. A read asks
//! the store, the store answers, and the answer arrives: three steps, with anything in between.
//!
//! What must hold of a read that began at `t`: no commit that outdates what it returns was made at
//! `t - δ` or before; and in the process that writes, none that had been lifted when the read
//! began.

use stateright::{Checker, Model, Property};

/// For how long what was said may be repeated: δ.
const STALENESS: u8 = 2;
/// How far time goes.
const END: u8 = 4;
/// How often is written.
const WRITES: u8 = 2;
/// The process that writes.
const WRITER: usize = 0;

const EXAMPLE: &str = "some read is answered without asking, with what is outdated";

/// A rule that may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// What was said counts from before the store was asked.
    SaidWhenAsked,
    /// What is too old is asked for again.
    Bounded,
    /// What was said before an own invalidation was done is forgotten.
    Noted,
    /// A copy is not a hit while the store says that a writer holds its tag.
    HeldIsNoHit,
}

/// What a process remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Said {
    at: u8,
    version: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Read {
    Idle,
    /// The store is asked.
    Asked {
        began: u8,
        at: u8,
        must: u8,
    },
    /// It has answered with a hit, or with what the database has now.
    Answered {
        began: u8,
        at: u8,
        must: u8,
        version: u8,
        hit: bool,
    },
    /// That was returned.
    Done {
        began: u8,
        must: u8,
        version: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Write {
    Idle,
    Held,
    Committed,
    Lifted,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    now: u8,
    /// When each version was committed; the first at the beginning.
    commits: Vec<u8>,
    /// The version of the stored entry, if its token is current.
    stored: Option<u8>,
    write: Write,
    /// How many commits were lifted, and noted.
    lifted: u8,
    /// When the writing process has noted an invalidation last.
    noted: Option<u8>,
    said: [Option<Said>; 2],
    reads: [Read; 2],
}

impl World {
    fn version(&self) -> u8 {
        u8::try_from(self.commits.len() - 1).unwrap_or(u8::MAX)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Tick,
    Write,
    Begin(usize),
    Answer(usize),
    Arrive(usize),
}

/// The model, without a rule.
struct Tier {
    without: Option<Rule>,
}

impl Tier {
    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// What a process may answer without asking.
    fn remembered(&self, world: &World, process: usize) -> Option<u8> {
        let said = world.said[process]?;
        let fresh = world.now - said.at < STALENESS || !self.keeps(Rule::Bounded);
        let own = process == WRITER && world.noted.is_some_and(|noted| noted >= said.at);
        (fresh && !own).then_some(said.version)
    }

    fn write(&self, world: &mut World) -> Option<()> {
        world.write = match world.write {
            Write::Idle if world.version() < WRITES => Write::Held,
            Write::Idle => return None,
            Write::Held => {
                world.commits.push(world.now);
                Write::Committed
            }
            Write::Committed => {
                world.stored = None;
                Write::Lifted
            }
            Write::Lifted => {
                if self.keeps(Rule::Noted) {
                    world.noted = Some(world.now);
                }
                world.lifted = world.version();
                Write::Idle
            }
        };
        Some(())
    }

    fn answer(&self, world: &mut World, process: usize) -> Option<()> {
        let Read::Asked { began, at, must } = world.reads[process] else {
            return None;
        };
        let held = matches!(world.write, Write::Held | Write::Committed);
        let hit = world
            .stored
            .filter(|_| !held || !self.keeps(Rule::HeldIsNoHit));
        let version = world.version();
        if hit.is_none() && !held {
            // A miss is made and stored: the next read hits.
            world.stored = Some(version);
        }
        world.reads[process] = Read::Answered {
            began,
            at,
            must,
            version: hit.unwrap_or(version),
            hit: hit.is_some(),
        };
        Some(())
    }
}

impl Model for Tier {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            now: 0,
            commits: vec![0],
            stored: None,
            write: Write::Idle,
            lifted: 0,
            noted: None,
            said: [None; 2],
            reads: [Read::Idle; 2],
        }]
    }

    fn actions(&self, _: &World, actions: &mut Vec<Step>) {
        actions.extend([Step::Tick, Step::Write]);
        for process in 0..2 {
            let steps = [Step::Begin, Step::Answer, Step::Arrive];
            actions.extend(steps.map(|step| step(process)));
        }
    }

    fn next_state(&self, before: &World, step: Step) -> Option<World> {
        let mut world = before.clone();
        match step {
            Step::Tick if world.now < END => world.now += 1,
            Step::Tick => return None,
            Step::Write => self.write(&mut world)?,
            Step::Begin(process) => {
                if !matches!(world.reads[process], Read::Idle | Read::Done { .. }) {
                    return None;
                }
                let began = world.now;
                let must = if process == WRITER { world.lifted } else { 0 };
                world.reads[process] = match self.remembered(&world, process) {
                    Some(version) => Read::Done {
                        began,
                        must,
                        version,
                    },
                    None => Read::Asked {
                        began,
                        at: began,
                        must,
                    },
                };
            }
            Step::Answer(process) => self.answer(&mut world, process)?,
            Step::Arrive(process) => {
                let Read::Answered {
                    began,
                    at,
                    must,
                    version,
                    hit,
                } = world.reads[process]
                else {
                    return None;
                };
                let at = if self.keeps(Rule::SaidWhenAsked) {
                    at
                } else {
                    world.now
                };
                if hit {
                    world.said[process] = Some(Said { at, version });
                }
                world.reads[process] = Read::Done {
                    began,
                    must,
                    version,
                };
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no read is older than it may be", |_, world: &World| {
                let mut reads = done(world);
                reads.all(|(began, _, version)| {
                    let next = world.commits.get(usize::from(version) + 1);
                    next.is_none_or(|outdated| outdated + STALENESS > began)
                })
            }),
            Property::always("a process reads its own writes", |_, world: &World| {
                let mut reads = done(world);
                reads.all(|(_, must, version)| version >= must)
            }),
            Property::sometimes(EXAMPLE, |_, world: &World| {
                let mut reads = done(world);
                reads.any(|(_, _, version)| version < world.version())
            }),
        ]
    }
}

/// The reads that have returned: when they began, what they had to see, and what they did.
fn done(world: &World) -> impl Iterator<Item = (u8, u8, u8)> + '_ {
    world.reads.iter().filter_map(|read| match *read {
        Read::Done {
            began,
            must,
            version,
        } => Some((began, must, version)),
        _ => None,
    })
}

/// How many states there are, and the first property that does not hold, with the number of steps
/// to where it does not.
///
/// # Panics
/// If no read is ever answered without asking: then nothing was checked.
#[must_use]
pub fn check(without: Option<Rule>) -> (usize, Option<(&'static str, usize)>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = Tier { without }
        .checker()
        .threads(threads)
        .spawn_bfs()
        .join();
    assert!(
        checker.discoveries().contains_key(EXAMPLE),
        "nothing is remembered"
    );
    let found = checker.discoveries().into_iter().find_map(|(name, path)| {
        let is_example = name == EXAMPLE;
        (!is_example).then(|| (name, path.into_actions().len()))
    });
    (checker.unique_state_count(), found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_need_not_ask_is_never_older_than_it_may_be() {
        let (states, broken) = check(None);
        assert_eq!(broken, None);
        assert!(states > 10_000, "{states}");
    }

    #[test]
    fn each_rule_of_a_tier_is_needed() {
        for rule in [
            Rule::SaidWhenAsked,
            Rule::Bounded,
            Rule::Noted,
            Rule::HeldIsNoHit,
        ] {
            let (states, broken) = check(Some(rule));
            assert!(
                broken.is_some(),
                "{rule:?} is not needed in {states} states"
            );
        }
    }
}
