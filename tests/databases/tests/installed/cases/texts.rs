//! What a connection of which nothing is known says, in every way to say it.

use super::kit::{Rig, rename, run};
use crate::alone;
use crate::support::{HIT, until};

#[test]
fn an_unknown_connection_that_is_dropped_inside_its_transaction() {
    let (cache, _alone) = alone();
    let rig = Rig::with(cache.clone());
    let mut reader = rig.plain();
    rig.warm(&mut reader);
    let mut writer = rig.plain();
    run(&mut writer, "BEGIN");
    rename(&mut writer, "lost").unwrap();
    drop(writer);
    rig.fresh(&mut reader);
    until("reads hit again", || rig.fresh(&mut reader) == HIT);
}

#[test]
fn a_whole_life_in_one_batch() {
    let (cache, _alone) = alone();
    let rig = Rig::with(cache.clone());
    let mut reader = rig.plain();
    for (n, text) in [
        "BEGIN; UPDATE things SET name = 'n'; COMMIT",
        "UPDATE others SET note = 'n'; UPDATE things SET name = 'n'",
        "BEGIN; UPDATE things SET name = 'n'; ROLLBACK",
        "CREATE TABLE further_n (id INTEGER); UPDATE things SET name = 'n'; DROP TABLE further_n",
    ]
    .into_iter()
    .enumerate()
    {
        rig.warm(&mut reader);
        let text = text
            .replace("'n'", &format!("'{n}'"))
            .replace("_n", &format!("_{n}"));
        run(&mut rig.plain(), &text);
        rig.fresh(&mut reader);
    }
}

/// Each text on a connection of its own that knows nothing, with a reader that fills
/// the cache after every one of them.
#[track_caller]
pub(super) fn followed(texts: &[&str]) {
    let (cache, _alone) = alone();
    let rig = Rig::with(cache.clone());
    let mut reader = rig.plain();
    rig.warm(&mut reader);
    let mut writer = rig.plain();
    for text in texts {
        run(&mut writer, text);
        rig.fresh(&mut reader);
        rig.fresh(&mut reader);
    }
    drop(writer);
    rig.fresh(&mut reader);
    until("reads hit again", || rig.fresh(&mut reader) == HIT);
}
