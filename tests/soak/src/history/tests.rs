use smallvec::smallvec;

use super::*;
use crate::fault::Kind;

const A: Key = Key(0);
const B: Key = Key(1);

/// A history told in a few letters.
struct Told(History);

impl Told {
    fn new() -> Self {
        Self(History::new(Tally::new(false)))
    }

    fn begin(mut self, at: Time, value: Value, keys: &[Key]) -> Self {
        let keys = keys.into();
        self.0.tell(&Event::Begin { at, value, keys });
        self
    }

    fn end(mut self, at: Time, value: Value, fate: Fate, keys: &[Key]) -> Self {
        let keys = keys.into();
        self.0.tell(&Event::End {
            at,
            value,
            fate,
            keys,
        });
        self
    }

    fn committed(self, start: Time, end: Time, key: Key, value: Value) -> Self {
        self.begin(start, value, &[key])
            .end(end, value, Fate::Committed, &[key])
    }

    fn found(mut self, start: Time, end: Time, origin: Origin, found: Found) -> Self {
        self.0.tell(&Event::Read {
            start,
            end,
            origin,
            found,
        });
        self
    }

    fn read(self, start: Time, end: Time, key: Key, value: Value) -> Self {
        self.found(
            start,
            end,
            Origin::Hit,
            Found::Rows(smallvec![(key, value)]),
        )
    }

    fn highest(self, start: Time, end: Time, value: Value) -> Self {
        let found = Found::Highest(smallvec![A, B], value);
        self.found(start, end, Origin::Hit, found)
    }

    fn database(self, start: Time, end: Time, key: Key, value: Value) -> Self {
        self.found(
            start,
            end,
            Origin::Database,
            Found::Rows(smallvec![(key, value)]),
        )
    }

    /// Stale, phantom and foreign reads, and errors of the checker's own.
    fn wrong(&self) -> (u64, u64, u64, u64) {
        let tally = self.0.tally();
        (
            tally.stale_reads,
            tally.phantom_reads,
            tally.foreign_reads,
            tally.checker_errors,
        )
    }

    fn is_right(&self) -> bool {
        self.wrong() == (0, 0, 0, 0)
    }
}

#[test]
fn reads_of_what_is_current_are_right() {
    let told = Told::new()
        .read(1, 2, A, 0)
        .committed(3, 4, A, 10)
        .read(5, 6, A, 10)
        .read(5, 6, B, 0);
    assert!(told.is_right());
    assert_eq!(told.0.tally().reads, 3);
}

#[test]
fn a_read_of_less_than_was_committed_before_it_began_is_stale() {
    let told = Told::new().committed(1, 2, A, 10).read(3, 4, A, 0);
    assert_eq!(told.wrong(), (1, 0, 0, 0));
    assert_eq!(told.0.tally().longest_staleness, 1);
    let told = told.committed(5, 6, A, 20).read(7, 9, A, 10);
    assert_eq!(told.wrong(), (2, 0, 0, 0));
}

#[test]
fn a_read_that_began_before_the_write_returned_may_return_either() {
    let told = Told::new()
        .begin(1, 10, &[A])
        .read(2, 3, A, 0)
        .read(4, 5, B, 0)
        .end(6, 10, Fate::Committed, &[A])
        .read(6, 7, A, 0)
        .read(5, 8, A, 10);
    assert!(told.is_right());
}

#[test]
fn what_was_read_once_must_be_read_from_then_on() {
    let told = Told::new()
        .begin(1, 10, &[A])
        .read(2, 3, A, 10)
        .read(3, 5, A, 0);
    assert!(told.is_right(), "the two overlap");
    let told = told.read(4, 6, A, 0);
    assert_eq!(told.wrong(), (1, 0, 0, 0));
}

#[test]
fn an_unknown_outcome_may_go_either_way_until_it_is_read() {
    let told = Told::new()
        .begin(1, 10, &[A])
        .end(2, 10, Fate::Unknown, &[A])
        .read(3, 4, A, 0)
        .read(5, 6, A, 0);
    assert!(told.is_right());
    let told = told.database(7, 8, A, 10).read(9, 10, A, 10);
    assert!(told.is_right());
    let told = told.read(11, 12, A, 0);
    assert_eq!(told.wrong(), (1, 0, 0, 0));
    assert_eq!(told.0.tally().reads, 4, "the database is no reader");
}

#[test]
fn a_killed_writer_has_an_unknown_outcome() {
    let told = Told::new().begin(1, 10, &[A]).read(90, 91, A, 0);
    assert!(told.is_right());
    assert!(told.read(92, 93, A, 10).is_right());
}

#[test]
fn what_nobody_wrote_is_a_phantom() {
    let told = Told::new().read(1, 2, A, 7);
    assert_eq!(told.wrong(), (0, 1, 0, 0));
    let told = Told::new().committed(1, 2, B, 7).read(3, 4, A, 7);
    assert_eq!(told.wrong(), (0, 1, 0, 0), "it was written to another row");
    let told = Told::new().read(1, 2, A, 10).committed(3, 4, A, 10);
    assert_eq!(told.wrong(), (0, 1, 0, 0), "it was not written yet");
}

#[test]
fn what_was_rolled_back_is_a_phantom() {
    let told = Told::new()
        .begin(1, 10, &[A])
        .end(2, 10, Fate::Void, &[A])
        .read(3, 4, A, 10);
    assert_eq!(told.wrong(), (0, 1, 0, 0));
    let told = Told::new()
        .begin(1, 10, &[A])
        .read(2, 3, A, 10)
        .end(4, 10, Fate::Void, &[A]);
    assert_eq!(told.wrong(), (0, 1, 0, 0), "read before it was rolled back");
}

#[test]
fn the_rows_of_one_attempt_have_fates_of_their_own() {
    let told = Told::new()
        .begin(1, 10, &[A, B])
        .end(2, 10, Fate::Committed, &[A])
        .end(2, 10, Fate::Void, &[B])
        .read(3, 4, A, 10)
        .read(3, 4, B, 0);
    assert!(told.is_right());
    assert_eq!(told.read(5, 6, B, 10).wrong(), (0, 1, 0, 0));
}

#[test]
fn the_highest_of_several_rows_is_judged_by_all_of_them() {
    let told = || {
        Told::new()
            .highest(1, 1, 0)
            .committed(1, 2, A, 10)
            .committed(3, 4, B, 20)
    };
    assert!(told().highest(5, 6, 20).is_right());
    assert!(
        told().highest(4, 6, 10).is_right(),
        "B returned as it began"
    );
    assert_eq!(told().highest(5, 6, 10).wrong(), (1, 0, 0, 0));
    assert_eq!(told().highest(5, 6, 0).wrong(), (1, 0, 0, 0));
    assert_eq!(told().highest(5, 6, 21).wrong(), (0, 1, 0, 0));
}

#[test]
fn staleness_counts_from_the_first_newer_value() {
    let told = Told::new()
        .committed(1, 100, A, 10)
        .committed(110, 200, A, 20)
        .committed(210, 300, A, 30)
        .read(1000, 1001, A, 10);
    assert_eq!(told.0.tally().longest_staleness, 800);
}

#[test]
fn a_database_that_goes_back_is_an_error_of_the_checker() {
    let told = Told::new().committed(1, 2, A, 10).database(3, 4, A, 0);
    assert_eq!(told.wrong(), (0, 0, 0, 1));
}

#[test]
fn old_floors_are_forgotten_and_judge_no_more() {
    let mut told = Told::new().committed(1, 2, A, 1);
    for step in 1..200 {
        let at = step * 5_000_000_000;
        told = told.committed(at, at + 1, A, step + 1);
    }
    let row = &told.0.rows[0];
    assert!(row.floors.len() < 70 && row.attempts.len() < 70, "{row:?}");
    let now = 200 * 5_000_000_000;
    let told = told.read(now - 10, now, A, 200);
    assert!(told.is_right());
    let told = told.read(now - 10, now, A, 2);
    assert_eq!(told.wrong(), (1, 0, 0, 0), "of long ago, and still stale");
}

#[test]
fn reads_are_counted_for_the_faults_they_began_in() {
    let mut told = Told::new();
    let (flush, kill) = (Kind::FlushAll, Kind::KillWriter);
    let faults = |at, active, lately| Event::Faults { at, active, lately };
    told.0.tell(&faults(10, flush.bit(), 0));
    told.0.tell(&faults(20, 0, flush.bit()));
    told.0.tell(&faults(30, kill.bit(), 0));
    let told = told
        .read(5, 31, A, 0)
        .read(10, 32, A, 0)
        .read(25, 33, A, 0)
        .read(30, 34, A, 0);
    let of = |kind: Kind| told.0.tally().of(kind);
    assert_eq!((of(flush).reads, of(flush).hits_after), (2, 1));
    assert_eq!(of(kill).reads, 1);
}
