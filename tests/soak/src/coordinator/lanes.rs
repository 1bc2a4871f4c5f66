//! Who breaks what, one thing after the other. Lanes run side by side.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::coordinator::database::Db;
use crate::coordinator::oracle::Oracle;
use crate::coordinator::store::Store;
use crate::coordinator::timeline::Timeline;
use crate::coordinator::workers::{Slot, Workers};
use crate::fault::Kind;
use crate::layout::TABLES;
use crate::options::Options;
use crate::points::{How, Point};

/// How many faults in a row may not come off.
const ATTEMPTS: usize = 5;

/// Everything that can be broken.
pub(super) struct World<'a> {
    pub(super) options: &'a Options,
    pub(super) workers: &'a Workers,
    pub(super) store: &'a Store,
    pub(super) db: &'a Db,
    pub(super) timeline: &'a Timeline,
    pub(super) oracle: &'a Oracle,
    /// How often workers ended or stopped at each point.
    pub(super) met: Mutex<BTreeMap<String, u64>>,
}

/// Faults of which there is one at a time.
#[derive(Debug)]
pub(super) struct Lane {
    kinds: Vec<Kind>,
    /// Milliseconds between two, from and to.
    between: (u64, u64),
}

impl Lane {
    /// The lanes for these faults: one for the store, one for everything else.
    pub(super) fn of(kinds: &[Kind]) -> Vec<Self> {
        let (store, others): (Vec<_>, Vec<_>) =
            kinds.iter().partition(|kind| kind.is_of_the_store());
        let lane = |kinds, between| Self { kinds, between };
        [lane(store, (1500, 4500)), lane(others, (300, 2000))]
            .into_iter()
            .filter(|lane| !lane.kinds.is_empty())
            .collect()
    }

    /// Breaks things until then.
    pub(super) fn run(
        self,
        world: &World<'_>,
        mut chance: Chance,
        until: Instant,
    ) -> Result<(), String> {
        let mut left = Vec::new();
        let mut points = chance.below(Point::ALL.len());
        let mut failed = 0;
        loop {
            let (low, high) = self.between;
            let pause = Duration::from_millis(chance.between(low, high));
            if Instant::now() + pause >= until {
                return Ok(());
            }
            thread::sleep(pause);
            // Each of them once, in another order each time.
            let kind = match left.pop() {
                Some(kind) => kind,
                None => {
                    left = self.kinds.clone();
                    chance.shuffle(&mut left);
                    continue;
                }
            };
            match world.suffer(kind, &mut chance, &mut points) {
                Ok(()) => failed = 0,
                // The faults meet each other: a lock may end in a deadlock.
                Err(error) => {
                    failed += 1;
                    eprintln!("soak: {} could not be made: {error}", kind.name());
                    if failed == ATTEMPTS {
                        return Err(error);
                    }
                }
            }
        }
    }
}

impl World<'_> {
    fn suffer(&self, kind: Kind, chance: &mut Chance, points: &mut usize) -> Result<(), String> {
        let number = chance.below(self.workers.count());
        let _at_work = self.timeline.begin(kind);
        match kind {
            Kind::KillWriter => {
                let mut slot = self.workers.slot(number);
                if chance.percent(50) {
                    // Its statements go on without it once they get their locks.
                    let locked = self.db.lock_rows(chance.below(TABLES))?;
                    pause(chance, 50, 400);
                    slot.kill();
                    pause(chance, 50, 400);
                    drop(locked);
                } else {
                    slot.kill();
                }
                slot.restart()
            }
            Kind::KillPoints => {
                let mut slot = self.workers.slot(number);
                if self.meet(&mut slot, How::Kill, points) {
                    slot.restart()?;
                }
                Ok(())
            }
            Kind::StopWriter => self.stop_writer(number, chance, points),
            Kind::DbKill => {
                for _ in 0..chance.between(1, 3) {
                    let count = 1 + chance.below(3);
                    self.db.end_sessions(count)?;
                    pause(chance, 5, 100);
                }
                Ok(())
            }
            Kind::DbCut => {
                let locked = self.db.lock_rows(chance.below(TABLES))?;
                pause(chance, 100, 800);
                self.db.cut();
                pause(chance, 100, 800);
                drop(locked);
                Ok(())
            }
            Kind::Clear => {
                self.workers.slot(number).tell("clear");
                Ok(())
            }
            of_the_store => self.store.suffer(of_the_store, chance),
        }
    }

    /// A worker is stopped somewhere, and the world goes on without it.
    fn stop_writer(
        &self,
        number: usize,
        chance: &mut Chance,
        points: &mut usize,
    ) -> Result<(), String> {
        let may_lose = |kind: &Kind| matches!(kind, Kind::FlushAll | Kind::StoreKill);
        let may_lose = self.options.faults.iter().any(may_lose);
        let mut slot = self.workers.slot(number);
        // In the middle of a commit, the store forgets that it was announced.
        if may_lose && chance.percent(40) {
            if self.meet_at(&mut slot, How::Stop, Point::AfterQuarantine) {
                self.store.lose(chance)?;
                pause(chance, 100, 1500);
                match chance.below(4) {
                    // It commits, and nobody hears of that.
                    0 | 1 => {
                        slot.arm(How::Kill, Point::BeforeLift);
                        slot.go_on();
                        pause(chance, 20, 50);
                        slot.restart()?;
                    }
                    2 => {
                        slot.go_on();
                        thread::sleep(Duration::from_micros(chance.between(100, 2500)));
                        slot.restart()?;
                    }
                    _ => slot.go_on(),
                }
            }
            return Ok(());
        }
        if chance.percent(30) {
            slot.stop();
        } else if !self.meet(&mut slot, How::Stop, points) {
            return Ok(());
        }
        pause(chance, 1, 100);
        if may_lose && chance.percent(50) {
            self.store.lose(chance)?;
        }
        pause(chance, 100, 1200);
        slot.go_on();
        Ok(())
    }

    /// A worker ends or stops at the next point. Returns whether it came by there.
    fn meet(&self, slot: &mut Slot, how: How, points: &mut usize) -> bool {
        let point = Point::ALL[*points % Point::ALL.len()];
        *points += 1;
        self.meet_at(slot, how, point)
    }

    fn meet_at(&self, slot: &mut Slot, how: How, point: Point) -> bool {
        let met = slot.meet(how, point);
        if met {
            let name = format!("{} {}", how.name(), point.name());
            let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
            *met.entry(name).or_default() += 1;
        }
        met
    }
}

fn pause(chance: &mut Chance, low: u64, high: u64) {
    thread::sleep(Duration::from_millis(chance.between(low, high)));
}
