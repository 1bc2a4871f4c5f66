//! What several threads, slow stores and other people's instrumentation do to cached reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::{Connection, Instrumentation, InstrumentationEvent, TransactionManager};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel_cache::{Bypass, Cache, CachedDsl, Outcome};

use super::engine::Conn;
use super::kit::{Rig, Rows, read, read_others, rename, run, things, transact};
use crate::support::{Barrier, HIT, MISS, Shelf, Witness, until};

/// Holds a connection up before a statement is sent that begins so.
#[derive(Clone)]
struct Gate {
    text: &'static str,
    barrier: Arc<Barrier>,
    /// Whether the next one to pass panics.
    panics: Arc<AtomicBool>,
    witness: Witness,
}

impl Gate {
    fn closed(text: &'static str) -> Self {
        let gate = Self {
            text,
            barrier: Arc::default(),
            panics: Arc::default(),
            witness: Witness::default(),
        };
        gate.barrier.close();
        gate
    }
}

impl Instrumentation for Gate {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        let here = match &event {
            InstrumentationEvent::StartQuery { query, .. } => {
                query.to_string().starts_with(self.text)
            }
            _ => false,
        };
        self.witness.on_connection_event(event);
        if here {
            self.barrier.pass();
            assert!(
                !self.panics.swap(false, Ordering::SeqCst),
                "a panic of the test's own"
            );
        }
    }
}

fn patient() -> Cache {
    Cache::builder()
        .url("memory://")
        .single_flight_wait(Duration::from_secs(8))
        .build()
        .unwrap()
}

impl Rig {
    fn gated(&self, gate: &Gate) -> Conn {
        let mut conn = self.arena.connect();
        self.cache.attach_with(&mut conn, gate.clone()).unwrap();
        conn
    }

    /// Eight readers of one cold key, of which the first is held up; what `meanwhile` does
    /// happens before it goes on.
    fn eight(
        &self,
        gate: &Gate,
        meanwhile: impl FnOnce(),
    ) -> Vec<thread::Result<QueryResult<Rows>>> {
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let mut conn = self.gated(gate);
                thread::spawn(move || things::table.order(things::id).cached().load(&mut conn))
            })
            .collect();
        until("one asks", || gate.barrier.arrived() > 0);
        // The others have gone to wait by then; if not, the outcome is the same.
        thread::sleep(Duration::from_millis(200));
        assert_eq!(gate.barrier.arrived(), 1, "more than one asked");
        meanwhile();
        gate.barrier.open();
        readers.into_iter().map(thread::JoinHandle::join).collect()
    }
}

#[test]
fn hazard_23_of_eight_cold_readers_one_asks() {
    let rig = Rig::with(patient());
    let gate = Gate::closed("SELECT");
    for rows in rig.eight(&gate, || {}) {
        assert_eq!(rows.unwrap().unwrap(), rig.truth());
    }
    assert_eq!(gate.witness.started("things"), 1);
    let stats = rig.cache.stats();
    assert_eq!(stats.joined + stats.hits, 7);
    assert_eq!(stats.puts, 1);
}

#[test]
fn hazard_23_a_leader_that_fails_leaves_nobody_waiting() {
    let rig = Rig::with(patient());
    let gate = Gate::closed("SELECT");
    let begun = Instant::now();
    let all = rig.eight(&gate, || run(&mut rig.plain(), "DROP TABLE things"));
    assert!(all.into_iter().all(|rows| rows.unwrap().is_err()));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn hazard_23_a_leader_that_panics_leaves_nobody_waiting() {
    let rig = Rig::with(patient());
    let gate = Gate::closed("SELECT");
    gate.panics.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    let all = rig.eight(&gate, || {});
    assert_eq!(all.iter().filter(|rows| rows.is_err()).count(), 1);
    for rows in all.into_iter().flatten() {
        assert_eq!(rows.unwrap(), rig.truth());
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    let mut conn = rig.conn();
    rig.warm(&mut conn);
}

#[test]
fn hazard_23_nobody_waits_inside_a_transaction() {
    let rig = Rig::with(patient());
    let gate = Gate::closed("SELECT");
    let mut slow = rig.gated(&gate);
    let leader = thread::spawn(move || read(&mut slow));
    until("it asks", || gate.barrier.arrived() > 0);
    let mut one = rig.conn();
    let begun = Instant::now();
    transact(&mut one, |one| rig.fresh(one)).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "it waited");
    gate.barrier.open();
    assert_eq!(leader.join().unwrap().0, rig.truth());
}

#[test]
fn hazard_23_a_flight_is_not_joined_across_a_write() {
    let rig = Rig::with(patient());
    let gate = Gate::closed("SELECT");
    let (mut slow, mut one, mut two) = (rig.gated(&gate), rig.conn(), rig.conn());
    let leader = thread::spawn(move || read(&mut slow));
    until("it asks", || gate.barrier.arrived() > 0);
    rename(&mut one, "b").unwrap();
    // It captured other tokens than the leader, so it asks by itself.
    assert_eq!(rig.fresh(&mut two), MISS);
    gate.barrier.open();
    leader.join().unwrap();
    rig.fresh(&mut one);
    rig.fresh(&mut two);
}

#[test]
fn the_users_instrumentation_sees_its_own_events_and_no_others() {
    let rig = Rig::new();
    let witness = Witness::default();
    let mut conn = rig.arena.connect();
    rig.cache.attach_with(&mut conn, witness.clone()).unwrap();
    assert_eq!(witness.take(), Vec::<String>::new());
    let without_cache = |witness: &Witness| {
        let mut events = witness.take();
        events.retain(|event| !event.starts_with("prepare "));
        events
    };
    assert_eq!(rig.fresh(&mut conn), MISS);
    let events = without_cache(&witness);
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events[0].starts_with("start SELECT ") && events[1].starts_with("finish SELECT "));
    assert_eq!(rig.fresh(&mut conn), HIT);
    assert_eq!(without_cache(&witness), Vec::<String>::new());
    transact(&mut conn, |conn| rename(conn, "b").unwrap()).unwrap();
    let events = without_cache(&witness);
    assert_eq!(events.len(), 8, "{events:?}");
    assert_eq!((&*events[0], &*events[5]), ("begin 1", "commit 1"));
    // The catalogue is read again, which is none of the user's business.
    run(&mut rig.conn(), "CREATE TABLE further (id INTEGER)");
    rig.fresh(&mut conn);
    let events = without_cache(&witness);
    assert_eq!(events.len(), 2, "{events:?}");
    // Nor is it where the cache finds it later.
    assert!(conn.instrumentation().downcast_mut::<Witness>().is_none());
}

#[test]
fn hazard_20_a_tracker_that_is_removed_from_a_pool_is_counted() {
    let rig = Rig::new();
    let pool = Pool::builder()
        .max_size(1)
        .connection_customizer(rig.cache.customizer())
        .build(ConnectionManager::<Conn>::new(rig.arena.url()))
        .unwrap();
    let leave = |removed: bool| {
        let mut conn = pool.get().unwrap();
        assert_eq!(rig.fresh(&mut conn), if removed { MISS } else { HIT });
        if removed {
            conn.set_instrumentation(Witness::default());
            assert_eq!(read(&mut conn).1, Outcome::Bypass(Bypass::Unattached));
        }
        // A connection with an open transaction is not taken back by the pool.
        <Conn as Connection>::TransactionManager::begin_transaction(&mut *conn).unwrap();
    };
    leave(true);
    until("it is counted", || rig.cache.stats().trackers_removed == 1);
    leave(false);
    assert_eq!(
        pool.get().map(|mut conn| rig.fresh(&mut conn)).ok(),
        Some(HIT)
    );
    assert_eq!(rig.cache.stats().trackers_removed, 1);
}

#[test]
fn a_late_fill_is_dead_on_arrival() {
    for careful in [true, false] {
        let shelf = if careful {
            Shelf::careful()
        } else {
            Shelf::careless()
        };
        let (barrier, put) = (Arc::clone(&shelf.barrier), Arc::clone(&shelf.put));
        let rig = Rig::with(Cache::builder().backend(shelf).build().unwrap());
        let (mut one, mut two, mut slow) = (rig.conn(), rig.conn(), rig.conn());
        for round in 0..2 {
            barrier.close();
            let before = barrier.arrived();
            let late = thread::spawn(move || (read(&mut slow).0, slow));
            until("it stores", || barrier.arrived() > before);
            if round == 0 {
                rename(&mut one, "b").unwrap();
            } else {
                transact(&mut one, |one| rename(one, "c").unwrap()).unwrap();
            }
            barrier.open();
            let (rows, back) = late.join().unwrap();
            slow = back;
            assert_ne!(rows, rig.truth(), "it was not late");
            assert!(put.lock().unwrap().len() > round);
            assert!(
                matches!(rig.fresh(&mut two), Outcome::Miss { .. }),
                "careful: {careful}"
            );
            assert_eq!(rig.fresh(&mut two), HIT);
            rename(&mut one, "d").unwrap();
        }
    }
}

#[test]
fn what_is_read_after_its_tokens_were_captured_is_fresh_or_unused() {
    let rig = Rig::new();
    let gate = Gate::closed("SELECT");
    let (mut slow, mut one, mut two) = (rig.gated(&gate), rig.conn(), rig.conn());
    let late = thread::spawn(move || read(&mut slow).0);
    until("it asks", || gate.barrier.arrived() > 0);
    rename(&mut one, "b").unwrap();
    gate.barrier.open();
    assert_eq!(late.join().unwrap(), rig.truth());
    rename(&mut one, "c").unwrap();
    assert_eq!(rig.fresh(&mut two), MISS);
}

#[test]
fn the_last_of_two_writers_ends_the_quarantine() {
    let rig = Rig::new();
    let mut reader = rig.conn();
    rig.warm(&mut reader);
    let gates = [Gate::closed("UPDATE"), Gate::closed("UPDATE")];
    let writers = gates.clone().map(|gate| {
        let mut conn = rig.gated(&gate);
        thread::spawn(move || rename(&mut conn, "b").unwrap())
    });
    for gate in &gates {
        until("it is about to write", || gate.barrier.arrived() > 0);
    }
    let mut still = Vec::new();
    for (gate, writer) in gates.iter().zip(writers) {
        still.push(rig.fresh(&mut reader));
        gate.barrier.open();
        writer.join().unwrap();
    }
    assert_eq!(still, [Outcome::Bypass(Bypass::Quarantined); 2]);
    assert_eq!(read_others(&mut reader).1, HIT);
    rig.invalidated(&mut reader);
}

#[test]
fn invalidations_leave_nothing_behind() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    let before = rig.cache.stats().usage.tags;
    for _ in 0..100_000 {
        rig.cache.invalidate_table("things");
    }
    for n in 0..100_000 {
        rig.cache.invalidate_table(&format!("table_{n}"));
    }
    let tags = rig.cache.stats().usage.tags;
    assert!(tags <= before + 8, "{before} tags became {tags}");
    rig.invalidated(&mut two);
    for n in 0..200 {
        let _ = diesel::sql_query(format!("UPDATE nowhere_{n} SET x = 1")).execute(&mut one);
        let _ = diesel::sql_query(format!("DELETE FROM things WHERE id = -{n}")).execute(&mut one);
    }
    let tags = rig.cache.stats().usage.tags;
    assert!(tags <= before + 8, "{before} tags became {tags}");
    rig.fresh(&mut two);
    rig.warm(&mut two);
}
