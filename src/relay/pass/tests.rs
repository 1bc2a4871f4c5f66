use super::*;
use crate::outbox::sessions::Sessions;

fn row(id: u32, session: Option<&str>) -> Row {
    Row {
        id: id.to_string(),
        generation: "0".to_owned(),
        session: session.map(str::to_owned),
        relation: Some("posts".to_owned()),
        event: None,
    }
}

#[test]
fn what_was_there_at_first_must_go_before_anything_is_served() {
    let rows = [row(1, None), row(2, Some("another"))];
    let mut memory = Memory::default();
    memory.note(&rows);
    assert!(!memory.caught_up);
    // What came later does not count.
    memory.note(&[row(2, Some("another")), row(3, None)]);
    assert!(!memory.caught_up);
    memory.forget(&[&row(2, None)]);
    assert!(memory.caught_up);
    let mut memory = Memory::default();
    memory.note(&[]);
    assert!(memory.caught_up);
    // There may be more than was listed.
    let mut memory = Memory::default();
    let many: Vec<Row> = (0..1000).map(|id| row(id, None)).collect();
    memory.note(&many);
    memory.note(&many[..999]);
    assert!(!memory.caught_up);
}

/// The numbers of the rows that are untold, and of those that are told.
fn sorted(
    memory: &mut Memory,
    rows: &[Row],
    now: Instant,
    sessions: &Sessions,
) -> (Vec<u32>, Vec<u32>) {
    let sorted = memory.sort(rows, now, |name| sessions.turn(name));
    let ids = |rows: &[&Row]| rows.iter().map(|row| row.id.parse().unwrap()).collect();
    (ids(&sorted.untold), ids(&sorted.told))
}

fn leading() -> Memory {
    Memory {
        leads: true,
        caught_up: true,
        ..Memory::default()
    }
}

#[test]
fn who_leads_tells_of_what_nobody_answers_for() {
    let (sessions, now) = (Sessions::default(), Instant::now());
    let rows = [row(1, None), row(2, Some("another"))];
    let mut memory = leading();
    assert_eq!(
        sorted(&mut memory, &rows, now, &sessions),
        (vec![1], vec![])
    );
    let mut memory = Memory::default();
    assert_eq!(sorted(&mut memory, &rows, now, &sessions), (vec![], vec![]));
}

#[test]
fn what_is_left_is_told_after_a_while_by_anyone() {
    let (sessions, now) = (Sessions::default(), Instant::now());
    let rows = [row(1, None), row(2, Some("another"))];
    let mut memory = Memory::default();
    sorted(&mut memory, &rows, now, &sessions);
    let soon = now + GRACE - Duration::from_millis(1);
    assert_eq!(
        sorted(&mut memory, &rows, soon, &sessions),
        (vec![], vec![])
    );
    let later = now + GRACE;
    assert_eq!(
        sorted(&mut memory, &rows, later, &sessions),
        (vec![1, 2], vec![])
    );
    // Another write found the row: it waits anew.
    let mut again = row(2, Some("another"));
    again.generation = "1".to_owned();
    assert_eq!(
        sorted(&mut memory, &[again], later, &sessions),
        (vec![], vec![])
    );
}

#[test]
fn the_first_look_tells_of_everything() {
    let (sessions, now) = (Sessions::default(), Instant::now());
    let mut memory = Memory {
        leads: true,
        ..Memory::default()
    };
    let rows = [row(1, None), row(2, Some("another"))];
    assert_eq!(
        sorted(&mut memory, &rows, now, &sessions),
        (vec![1, 2], vec![])
    );
}

#[test]
fn a_session_tells_of_its_rows_by_being_idle() {
    let (sessions, now) = (Sessions::default(), Instant::now());
    let session = sessions.begin().unwrap();
    let rows = [row(1, Some(session.name()))];
    let mut memory = leading();
    assert_eq!(
        sorted(&mut memory, &rows, now, &sessions),
        (vec![], vec![1])
    );

    let rows = [row(2, Some(session.name()))];
    session.set_busy(true);
    assert_eq!(sorted(&mut memory, &rows, now, &sessions), (vec![], vec![]));
    assert_eq!(sorted(&mut memory, &rows, now, &sessions), (vec![], vec![]));
    // Busy again, but with something later.
    session.set_busy(false);
    session.set_busy(true);
    assert_eq!(
        sorted(&mut memory, &rows, now, &sessions),
        (vec![], vec![2])
    );
}

#[test]
fn a_session_that_is_over_tells_of_nothing() {
    let (sessions, now) = (Sessions::default(), Instant::now());
    let session = sessions.begin().unwrap();
    let rows = [row(1, Some(session.name()))];
    session.set_busy(true);
    let mut memory = leading();
    assert_eq!(sorted(&mut memory, &rows, now, &sessions), (vec![], vec![]));
    drop(session);
    assert_eq!(sorted(&mut memory, &rows, now, &sessions), (vec![], vec![]));
    let later = now + GRACE;
    assert_eq!(
        sorted(&mut memory, &rows, later, &sessions),
        (vec![1], vec![])
    );
}

#[test]
fn what_an_event_does_not_tell_may_be_any() {
    assert_eq!(
        kinds(Some("insert"), Dialect::Postgres),
        [WriteKind::Insert]
    );
    assert_eq!(kinds(Some("insert"), Dialect::Sqlite), [WriteKind::Replace]);
    assert_eq!(kinds(Some("drop"), Dialect::Mysql).len(), 2);
    assert_eq!(kinds(None, Dialect::Mysql).len(), 2);
}
