//! What other connections see when a statement has finished, and what becomes of an instrumentation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use diesel::connection::{Connection, Instrumentation, InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;

use super::engine::{self, Arena, Conn, NAME};
use crate::support::Witness;

diesel::table! { things (id) { id -> Integer, name -> Text } }

fn arena() -> Arena {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL)")
        .unwrap();
    arena
}

fn add(conn: &mut Conn, id: i32) -> QueryResult<usize> {
    diesel::insert_into(things::table)
        .values((things::id.eq(id), things::name.eq("x")))
        .execute(conn)
}

/// What another connection sees, at every `Finish` of a statement that holds `of`.
struct Lookout {
    of: &'static str,
    look: Box<dyn FnMut() -> i64 + Send>,
    seen: Arc<Mutex<Vec<i64>>>,
}

impl Instrumentation for Lookout {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::FinishQuery { query, .. } = event
            && query.to_string().contains(self.of)
        {
            let seen = (self.look)();
            self.seen.lock().unwrap().push(seen);
        }
    }
}

/// Says when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Instrumentation for Dropped {
    fn on_connection_event(&mut self, _: InstrumentationEvent<'_>) {}
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn the_instrumentation_is_dropped_with_its_connection_or_by_the_next_one() {
    let arena = arena();
    for replace in [true, false] {
        let dropped = Arc::new(AtomicBool::new(false));
        let mut conn = arena.connect();
        conn.set_instrumentation(Dropped(Arc::clone(&dropped)));
        add(&mut conn, if replace { 1 } else { 2 }).unwrap();
        assert!(!dropped.load(Ordering::SeqCst));
        if replace {
            conn.set_instrumentation(Witness::default());
        } else {
            drop(conn);
        }
        assert!(dropped.load(Ordering::SeqCst));
    }
}

/// A connection on which every finish of a statement that holds `of` looks from outside.
fn lookout(arena: &Arena, of: &'static str) -> (Conn, Arc<Mutex<Vec<i64>>>) {
    let mut other = arena.connect();
    let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
    let mut conn = arena.connect();
    conn.set_instrumentation(Lookout {
        of,
        look: Box::new(move || things::table.count().get_result(&mut other).unwrap()),
        seen: Arc::clone(&seen),
    });
    (conn, seen)
}

#[test]
fn what_has_finished_is_committed() {
    let arena = arena();
    let (mut conn, seen) = lookout(&arena, "INSERT");
    add(&mut conn, 1).unwrap();
    conn.batch_execute("INSERT INTO things VALUES (2, 'x')")
        .unwrap();
    diesel::sql_query("INSERT INTO things VALUES (3, 'x')")
        .execute(&mut conn)
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
    let (mut conn, seen) = lookout(&arena, "COMMIT");
    conn.transaction(|conn| add(conn, 4)).unwrap();
    assert_eq!(*seen.lock().unwrap(), [4]);
}

#[test]
fn what_returned_its_rows_has_finished_and_is_committed() {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        id: i32,
    }
    let arena = arena();
    let (mut conn, seen) = lookout(&arena, "RETURNING");
    let insert =
        |ids: &str| diesel::sql_query(format!("INSERT INTO things VALUES {ids} RETURNING id"));
    let rows: QueryResult<Vec<Row>> = insert("(1, 'x'), (2, 'x')").load(&mut conn);
    if NAME == "mysql" {
        // MariaDB knows RETURNING, but Diesel cannot read it, and runs nothing.
        assert!(rows.is_err());
        assert_eq!(*seen.lock().unwrap(), [0]);
        return;
    }
    let rows = rows.unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(seen.lock().unwrap().last(), Some(&2));
    assert_eq!(
        insert("(3, 'x')").get_result::<Row>(&mut conn).unwrap().id,
        3
    );
    assert_eq!(seen.lock().unwrap().last(), Some(&3));
    let mut rows = insert("(4, 'x'), (5, 'x')")
        .load_iter::<Row, diesel::connection::DefaultLoadingMode>(&mut conn)
        .unwrap();
    assert_eq!(rows.next().unwrap().unwrap().id, 4);
    drop(rows);
    assert_eq!(
        seen.lock().unwrap().last(),
        Some(&5),
        "{:?}",
        seen.lock().unwrap()
    );
    // Whatever finished early, nothing finished without being seen by others.
    assert!(seen.lock().unwrap().iter().all(|n| [2, 3, 5].contains(n)));
}
