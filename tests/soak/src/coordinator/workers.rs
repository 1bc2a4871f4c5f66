//! The worker processes.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::coordinator::collector::Collector;
use crate::coordinator::database::Db;
use crate::coordinator::store::Store;
use crate::options::Options;
use crate::points::{How, Point};
use crate::worker::{Setup, VARIABLE};

/// How long a worker may take to start, or to come to rest.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a point may take to be met.
const MEETING: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_micros(500);
/// What a worker does without an order.
const RESTING: &str = "rest";

/// All workers.
#[derive(Debug)]
pub(super) struct Workers {
    slots: Vec<Mutex<Slot>>,
    /// What ended without having been told to.
    died: Mutex<Vec<String>>,
}

/// What is written to the workers, also to those that somebody else holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Inputs(Arc<Mutex<Vec<Option<ChildStdin>>>>);

impl Inputs {
    /// Sends a line to a worker. If it is gone, nothing happens.
    fn tell(&self, slot: usize, line: &str) {
        if let Some(Some(input)) = self.lock().get_mut(slot) {
            let _ = writeln!(input, "{line}");
            let _ = input.flush();
        }
    }

    /// Has all workers read an owner's rows in a table.
    pub(super) fn probe(&self, table: usize, owner: usize) {
        let count = self.lock().len();
        for slot in 0..count {
            self.tell(slot, &format!("probe {table} {owner}"));
        }
    }

    fn set(&self, slot: usize, input: ChildStdin) {
        let mut inputs = self.lock();
        if inputs.len() <= slot {
            inputs.resize_with(slot + 1, || None);
        }
        inputs[slot] = Some(input);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<ChildStdin>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them. Whoever holds it may break it.
#[derive(Debug)]
pub(super) struct Slot {
    setup: Setup,
    phase: String,
    child: Child,
    inputs: Inputs,
    answers: Receiver<String>,
}

impl Workers {
    pub(super) fn start(
        options: &Options,
        db: &Db,
        store: &Store,
        collector: &Collector,
        inputs: Inputs,
    ) -> Result<Self, String> {
        let mut slots = Vec::new();
        for slot in 0..options.processes {
            let setup = Setup {
                options: options.clone(),
                slot,
                life: 0,
                socket: collector.socket(),
                database: db.url_for_workers().to_owned(),
                store: store.url_for_workers(),
            };
            slots.push(Mutex::new(Slot::start(setup, RESTING, &inputs)?));
        }
        Ok(Self {
            slots,
            died: Mutex::default(),
        })
    }

    pub(super) fn count(&self) -> usize {
        self.slots.len()
    }

    /// One of them, for as long as it is held.
    pub(super) fn slot(&self, number: usize) -> MutexGuard<'_, Slot> {
        let slot = &self.slots[number % self.slots.len()];
        slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell_all(&self, command: &str) {
        for number in 0..self.count() {
            let mut slot = self.slot(number);
            slot.phase = command.to_owned();
            slot.tell(command);
        }
    }

    /// Waits until each of them has given that answer.
    pub(super) fn await_all(&self, answer: &str) -> Result<(), String> {
        (0..self.count()).try_for_each(|number| self.slot(number).await_answer(answer).map(drop))
    }

    /// Starts those anew that ended by themselves, which they should not.
    pub(super) fn replace_dead(&self) {
        for (number, slot) in self.slots.iter().enumerate() {
            // Whoever holds it knows what it does.
            let Ok(mut slot) = slot.try_lock() else {
                continue;
            };
            if let Ok(Some(status)) = slot.child.try_wait() {
                let what = format!("worker {number} ended by itself ({status})");
                eprintln!("soak: {what}");
                let mut died = self.died.lock().unwrap_or_else(PoisonError::into_inner);
                died.push(what);
                if let Err(error) = slot.restart() {
                    died.push(error);
                }
            }
        }
    }

    /// The counters of each cache.
    pub(super) fn stats(&self) -> Vec<Value> {
        (0..self.count())
            .filter_map(|number| {
                let mut slot = self.slot(number);
                slot.tell("stats");
                let line = slot.await_answer("stats").ok()?;
                serde_json::from_str(line.strip_prefix("stats ")?).ok()
            })
            .collect()
    }

    /// Ends all, and returns what went wrong with any before.
    pub(super) fn end(&self) -> Vec<String> {
        let mut died = self.died.lock().unwrap_or_else(PoisonError::into_inner);
        for number in 0..self.count() {
            let mut slot = self.slot(number);
            slot.tell("end");
            let until = Instant::now() + PATIENCE;
            loop {
                match slot.child.try_wait() {
                    Ok(Some(status)) if status.success() => break,
                    Ok(Some(status)) => {
                        died.push(format!("worker {number} ended badly ({status})"));
                        break;
                    }
                    _ if Instant::now() > until => {
                        died.push(format!("worker {number} does not end"));
                        break;
                    }
                    _ => thread::sleep(TICK),
                }
            }
        }
        std::mem::take(&mut died)
    }
}

impl Slot {
    /// Starts a worker. Where the store is down it may not come up: it is tried again.
    fn start(setup: Setup, phase: &str, inputs: &Inputs) -> Result<Self, String> {
        let until = Instant::now() + PATIENCE;
        loop {
            match Self::try_start(&setup, phase, inputs) {
                Err(_) if Instant::now() < until => thread::sleep(Duration::from_millis(50)),
                other => return other,
            }
        }
    }

    fn try_start(setup: &Setup, phase: &str, inputs: &Inputs) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let text = serde_json::to_string(setup).map_err(|error| error.to_string())?;
        let mut child = Command::new(program)
            .env(VARIABLE, text)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("starting a worker: {error}"))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or("a worker has no pipes")?;
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        inputs.set(setup.slot, input);
        let mut slot = Self {
            setup: setup.clone(),
            phase: phase.to_owned(),
            child,
            inputs: inputs.clone(),
            answers,
        };
        slot.await_answer("ready")?;
        if phase != RESTING {
            slot.tell(phase);
        }
        Ok(slot)
    }

    /// Sends a command. If the worker is gone, nothing happens.
    pub(super) fn tell(&self, command: &str) {
        self.inputs.tell(self.setup.slot, command);
    }

    /// Waits for a line that begins like this.
    fn await_answer(&mut self, answer: &str) -> Result<String, String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left) {
                Ok(line) if line.starts_with(answer) => return Ok(line),
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    return Err(format!("worker {} has ended", self.setup.slot));
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("worker {} says nothing", self.setup.slot));
                }
            }
        }
    }

    /// Kills it; [`restart`](Self::restart) it afterwards.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        self.kill();
        let setup = Setup {
            life: self.setup.life + 1,
            ..self.setup.clone()
        };
        let phase = self.phase.clone();
        let inputs = self.inputs.clone();
        *self = Self::start(setup, &phase, &inputs)?;
        Ok(())
    }

    /// It is to end or stop at a point, once it comes by there.
    pub(super) fn arm(&mut self, how: How, point: Point) {
        self.tell(&format!("arm {} {}", how.name(), point.name()));
    }

    /// Lets it end or stop at a point. Returns whether it came by there.
    pub(super) fn meet(&mut self, how: How, point: Point) -> bool {
        self.arm(how, point);
        let until = Instant::now() + MEETING;
        while Instant::now() < until {
            let met = match how {
                How::Kill => matches!(self.child.try_wait(), Ok(Some(_))),
                How::Stop => self.state() == Some('T'),
            };
            if met {
                return true;
            }
            thread::sleep(TICK);
        }
        self.tell("disarm");
        false
    }

    pub(super) fn stop(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(id) = id {
            let _ = kill_process(id, signal);
        }
    }

    /// A letter for what the process does, as `/proc` knows it.
    fn state(&self) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.kill();
    }
}
