//! Runs tables of probes: each a database of its own, two attached connections, and the
//! truth.

use super::engine::Conn;
use super::kit::{Rig, plain_sql, read_others, read_sql, run};
use diesel::connection::SimpleConnection;
use diesel_cache::Cache;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs each probe: its name, what is set up, and how `things` is written, in parts that
/// stand between `@@`. A read that was cached before must see it.
pub(crate) fn probes(cases: &[(&str, &str, &str)]) {
    let mut failures = Vec::new();
    for (name, setup, how) in cases {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let rig = Rig::with(Cache::from_url("memory://?catalogue_interval=0s").unwrap());
            let mut plain = rig.plain();
            if !setup.is_empty() {
                run(&mut plain, setup);
            }
            let (mut one, mut two) = (rig.conn(), rig.conn());
            rig.fresh(&mut two);
            rig.fresh(&mut one);
            rig.fresh(&mut one);
            read_others(&mut one);
            // What the database refuses has written nothing, or has: the truth tells.
            for part in how.split("@@") {
                let _ = two.batch_execute(part);
            }
            let after = rig.truth();
            let got = super::kit::read(&mut one);
            assert_eq!(got.0, after, "STALE");
        }));
        if result.is_err() {
            failures.push(*name);
        }
    }
    assert!(failures.is_empty(), "FAILED {failures:?}");
}

/// Reads `sql` twice, changes what it reads by an attached connection, or by one that is
/// not attached if `how` begins with `~`, and reads it again.
pub(crate) fn reads(cases: &[(&str, &str, &str, &str)]) {
    let mut failures = Vec::new();
    for (name, setup, sql, how) in cases {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let rig = Rig::with(Cache::from_url("memory://?catalogue_interval=0s").unwrap());
            let mut plain: Conn = rig.plain();
            if !setup.is_empty() {
                run(&mut plain, setup);
            }
            let (mut one, mut two) = (rig.conn(), rig.conn());
            rig.fresh(&mut two);
            read_sql(&mut one, sql);
            read_sql(&mut one, sql);
            match how.strip_prefix('~') {
                Some(how) => run(&mut plain, how),
                None => run(&mut two, how),
            }
            let after = read_sql(&mut one, sql);
            let truth = plain_sql(&mut one, sql);
            assert_eq!(after.0, truth, "STALE");
        }));
        if result.is_err() {
            failures.push(*name);
        }
    }
    assert!(failures.is_empty(), "FAILED {failures:?}");
}
