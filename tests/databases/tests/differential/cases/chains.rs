//! Threads write one table, and triggers and cascades carry its counters on to others, which
//! nobody else writes. A read that begins after a write returned must see it there, too.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::{CachedDsl, Outcome, Report};
use diesel_cache_databases::Store;

use super::engine::{self, Conn, NAME};
use crate::chance::{Chance, seed, steps};

const ROWS: usize = 6;
/// What a write that is rolled back adds.
const NEVER: i32 = 1_000_000;

const TABLES: &str = "
    CREATE TABLE source (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, UNIQUE (id, n));
    CREATE TABLE hop (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
    CREATE TABLE total (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
    CREATE TABLE kid (id INTEGER PRIMARY KEY, source_id INTEGER, n INTEGER,
        FOREIGN KEY (source_id, n) REFERENCES source (id, n) ON UPDATE CASCADE);
    CREATE TABLE far (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
    INSERT INTO source VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0);
    INSERT INTO hop SELECT id, n FROM source;
    INSERT INTO total SELECT id, n FROM source;
    INSERT INTO kid SELECT id, id, n FROM source;
    INSERT INTO far SELECT id, n FROM source;
    CREATE VIEW door AS SELECT id, n FROM source;
    CREATE VIEW joined AS SELECT h.id, t.n FROM hop h JOIN total t ON t.id = h.id AND t.n = h.n;
    CREATE VIEW above AS SELECT id, n FROM joined;";

/// The triggers. On MySQL no trigger is fired by a cascade: there `far` hangs on `total`.
fn code() -> &'static str {
    match NAME {
        "postgres" => {
            "CREATE FUNCTION carry(k integer, m integer) RETURNS void LANGUAGE plpgsql
                 AS $$ BEGIN UPDATE hop SET n = m WHERE id = k; END $$;
             CREATE FUNCTION on_source() RETURNS trigger LANGUAGE plpgsql
                 AS $$ BEGIN PERFORM carry(NEW.id, NEW.n); RETURN NEW; END $$;
             CREATE FUNCTION on_hop() RETURNS trigger LANGUAGE plpgsql
                 AS $$ BEGIN UPDATE total SET n = NEW.n WHERE id = NEW.id; RETURN NEW; END $$;
             CREATE FUNCTION on_kid() RETURNS trigger LANGUAGE plpgsql
                 AS $$ BEGIN UPDATE far SET n = NEW.n WHERE id = NEW.id; RETURN NEW; END $$;
             CREATE TRIGGER on_source AFTER UPDATE ON source
                 FOR EACH ROW EXECUTE FUNCTION on_source();
             CREATE CONSTRAINT TRIGGER on_hop AFTER UPDATE ON hop DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION on_hop();
             CREATE TRIGGER on_kid BEFORE UPDATE ON kid
                 FOR EACH ROW EXECUTE FUNCTION on_kid();
             CREATE FUNCTION bump(k integer) RETURNS integer LANGUAGE sql
                 AS $$ UPDATE source SET n = n + 1 WHERE id = k RETURNING n $$;"
        }
        "mysql" => {
            "CREATE PROCEDURE carry(k INTEGER, m INTEGER) UPDATE hop SET n = m WHERE id = k;
             CREATE TRIGGER on_source AFTER UPDATE ON source
                 FOR EACH ROW CALL carry(NEW.id, NEW.n);
             CREATE TRIGGER on_hop AFTER UPDATE ON hop
                 FOR EACH ROW UPDATE total SET n = NEW.n WHERE id = NEW.id;
             CREATE TRIGGER on_total BEFORE UPDATE ON total
                 FOR EACH ROW UPDATE far SET n = NEW.n WHERE id = NEW.id;
             CREATE FUNCTION bump(k INTEGER) RETURNS INTEGER MODIFIES SQL DATA BEGIN
                 UPDATE source SET n = n + 1 WHERE id = k; RETURN k; END;"
        }
        _ => {
            "CREATE TRIGGER on_source AFTER UPDATE ON source
                 BEGIN UPDATE hop SET n = NEW.n WHERE id = NEW.id; END;
             CREATE TRIGGER on_hop AFTER UPDATE ON hop
                 BEGIN UPDATE total SET n = NEW.n WHERE id = NEW.id; END;
             CREATE TRIGGER on_kid AFTER UPDATE ON kid
                 BEGIN UPDATE far SET n = NEW.n WHERE id = NEW.id; END;
             CREATE TRIGGER through INSTEAD OF UPDATE ON door
                 BEGIN UPDATE source SET n = NEW.n WHERE id = NEW.id; END;"
        }
    }
}

/// Where a counter can be read. Only `source` is ever written by name.
const PLACES: [&str; 8] = [
    "source", "hop", "total", "kid", "far", "door", "joined", "above",
];

#[derive(QueryableByName, Clone)]
struct Counter {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    n: i32,
}

struct Shared {
    /// The highest value of each counter that a write which has returned has committed.
    committed: [AtomicI32; ROWS],
    reads: AtomicUsize,
    hits: AtomicUsize,
    writes: AtomicUsize,
}

impl Shared {
    fn read(&self, conn: &mut Conn, chance: &mut Chance, how: &str) {
        let place = PLACES[chance.below(PLACES.len())];
        let id = chance.below(ROWS);
        let report = Report::new();
        let before = self.committed[id].load(Ordering::SeqCst);
        let rows = diesel::sql_query(format!("SELECT n FROM {place} WHERE id = {id}"))
            .cached()
            .report(&report)
            .load::<Counter>(conn)
            .unwrap();
        let outcome = report.outcome();
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.hits.fetch_add(
            usize::from(outcome == Some(Outcome::Hit)),
            Ordering::Relaxed,
        );
        assert_eq!(rows.len(), 1, "{NAME}: {how} of {place} ({outcome:?})");
        let n = rows[0].n;
        assert!(
            n >= before,
            "{NAME}: STALE: {how} sees {id} in {place} at {n} ({outcome:?}), after {before} was committed"
        );
        assert!(
            n < NEVER,
            "{NAME}: {how} of {place} sees what was rolled back ({outcome:?})"
        );
    }

    /// Adds one to a counter, in a transaction, and tells of it once it is committed.
    fn write(&self, conn: &mut Conn, chance: &mut Chance, id: usize) {
        let undone = chance.percent(25);
        let add = if undone { NEVER } else { 1 };
        let sql = self.statement(chance, id, add);
        let written = conn.transaction::<i32, Error, _>(|conn| {
            diesel::sql_query(sql).execute(conn)?;
            let own = format!("SELECT n FROM hop WHERE id = {id}");
            let truth = diesel::sql_query(&own).get_result::<Counter>(conn)?.n;
            // Own writes are seen, wherever they are carried to.
            let seen = diesel::sql_query(&own)
                .cached()
                .get_result::<Counter>(conn)?
                .n;
            assert_eq!(seen, truth, "{NAME}: an own write");
            if undone {
                Err(Error::RollbackTransaction)
            } else {
                Ok(truth)
            }
        });
        // A lock that was waited for too long is no failure of the cache.
        if let Ok(n) = written {
            self.committed[id].fetch_max(n, Ordering::SeqCst);
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds to a counter by a statement of its own. Only the counter's owner does that.
    fn write_alone(&self, conn: &mut Conn, chance: &mut Chance, id: usize) {
        let sql = self.statement(chance, id, 1);
        if diesel::sql_query(sql).execute(conn).is_ok() {
            self.committed[id].fetch_add(1, Ordering::SeqCst);
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn statement(&self, chance: &mut Chance, id: usize, add: i32) -> String {
        match chance.below(3) {
            0 => format!("UPDATE door SET n = n + {add} WHERE id = {id}"),
            1 if NAME != "sqlite" && add == 1 => format!("SELECT bump({id})"),
            _ => format!("UPDATE source SET n = n + {add} WHERE id = {id}"),
        }
    }
}

#[test]
fn a_read_sees_what_triggers_and_cascades_carried_on() {
    let arena = engine::arena();
    let mut plain = arena.connect();
    plain.batch_execute(TABLES).unwrap();
    plain.batch_execute(code()).unwrap();
    let store = Store::new();
    let shared = Shared {
        committed: Default::default(),
        reads: AtomicUsize::new(0),
        hits: AtomicUsize::new(0),
        writes: AtomicUsize::new(0),
    };
    let first = seed();
    eprintln!("{NAME}: CACHE_TEST_SEED={first}");
    let steps = steps(2500);
    let end = Instant::now() + Duration::from_secs(if steps > 2500 { 3600 } else { 12 });
    std::thread::scope(|threads| {
        for thread in 0..4_usize {
            let (arena, cache, shared) = (&arena, store.cache(), &shared);
            threads.spawn(move || {
                let mut chance = Chance::new(first + thread as u64);
                let mut conn = arena.connect();
                cache.attach(&mut conn).unwrap();
                for _ in 0..steps {
                    if Instant::now() > end {
                        break;
                    }
                    match chance.below(100) {
                        0 | 1 => {
                            // The last two counters are written by many, in transactions.
                            let id = 4 + chance.below(2);
                            shared.write(&mut conn, &mut chance, id);
                        }
                        2 | 3 => shared.write_alone(&mut conn, &mut chance, thread),
                        4..=10 => conn
                            .transaction::<(), Error, _>(|conn| {
                                shared.read(conn, &mut chance, "a read in a transaction");
                                Ok(())
                            })
                            .unwrap(),
                        _ => shared.read(&mut conn, &mut chance, "a read"),
                    }
                }
            });
        }
    });
    let (reads, hits) = (shared.reads.into_inner(), shared.hits.into_inner());
    let writes = shared.writes.into_inner();
    eprintln!("{NAME}: {reads} reads of carried counters, {hits} hits, 0 stale; {writes} writes");
    let committed: Vec<i32> = shared
        .committed
        .into_iter()
        .map(AtomicI32::into_inner)
        .collect();
    for place in PLACES {
        let ends = diesel::sql_query(format!("SELECT n FROM {place} ORDER BY id"))
            .load::<Counter>(&mut plain)
            .unwrap();
        let ends: Vec<i32> = ends.into_iter().map(|counter| counter.n).collect();
        assert_eq!(ends, committed, "{NAME}: the test itself lost count");
    }
    assert!(hits * 10 >= reads, "{NAME}: {hits} hits of {reads} reads");
    assert!(writes > 50, "{NAME}: {writes} writes");
}
