//! Leases, and who holds a quarantine. Of shared backends only.

use std::thread;
use std::time::{Duration, Instant};

use super::world::{HOUR, World, key};
use super::{Broken, Found, ensure};
use crate::backend::{Ask, Holder, Lease, Put, Writer};
use crate::entry::Vector;
use crate::protocol::{Judgement, Leased, Lift, judge};
use crate::tag::Tag;
use crate::token::{ProcessId, WriterId};

/// Asks for an entry, for the tokens of its tags, and for its lease.
fn ask(
    world: &World<'_>,
    holder: ProcessId,
    tags: &[Tag],
    patience: Duration,
) -> Result<(Leased, Judgement), Broken> {
    let key = key("k");
    let fetched = world.backend.fetch(&Ask {
        establish: true,
        lease: Some(Lease { holder, patience }),
        ..Ask::entry(&key, tags, world.databases())
    })?;
    Ok((fetched.leased, judge(fetched, tags)))
}

fn leased(world: &World<'_>, holder: ProcessId, tags: &[Tag]) -> Result<Leased, Broken> {
    Ok(ask(world, holder, tags, HOUR)?.0)
}

/// Gets the lease, and the tokens to make the entry with.
fn granted(world: &World<'_>, holder: ProcessId, tags: &[Tag]) -> Result<Vector, Broken> {
    match ask(world, holder, tags, HOUR)? {
        (Leased::Granted, Judgement::Miss(vector)) => Ok(vector),
        other => Err(Broken(format!("no lease: {other:?}"))),
    }
}

pub(super) fn one_asker_gets_the_lease(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let (one, two) = (ProcessId::fresh(), ProcessId::fresh());
    granted(world, one, &tags)?;
    let second = leased(world, two, &tags)?;
    ensure!(second == Leased::Taken, "the second asker: {second:?}");
    granted(world, one, &tags)?;
    let second = leased(world, two, &tags)?;
    ensure!(
        second == Leased::Taken,
        "after the first asked again: {second:?}"
    );
    // Who does not ask for it gets none.
    let plain = world
        .backend
        .fetch(&Ask::entry(&key("k"), &tags, world.databases()))?;
    ensure!(
        plain.leased == Leased::NotAsked,
        "nobody asked: {:?}",
        plain.leased
    );
    Ok(())
}

pub(super) fn a_put_ends_the_lease(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let (one, two) = (ProcessId::fresh(), ProcessId::fresh());
    let vector = granted(world, one, &tags)?;
    // By somebody who does not hold it: the lease stays.
    let entry = world.entry(&tags, vector.clone(), b"k");
    world.backend.put(key("k"), entry, Some(two))?;
    world.backend.remove(&key("k"))?;
    let taken = leased(world, two, &tags)?;
    ensure!(
        taken == Leased::Taken,
        "another's put ended a lease: {taken:?}"
    );
    let entry = world.entry(&tags, vector, b"k");
    let put = world.backend.put(key("k"), entry, Some(one))?;
    ensure!(put == Put::Stored, "the holder's put was {put:?}");
    world.backend.remove(&key("k"))?;
    granted(world, two, &tags)?;
    Ok(())
}

pub(super) fn a_release_ends_only_ones_own(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let (one, two) = (ProcessId::fresh(), ProcessId::fresh());
    granted(world, one, &tags)?;
    world.backend.release(&key("k"), two)?;
    let taken = leased(world, two, &tags)?;
    ensure!(
        taken == Leased::Taken,
        "another's release ended a lease: {taken:?}"
    );
    world.backend.release(&key("k"), one)?;
    granted(world, two, &tags)?;
    world.backend.release(&key("k"), two)?;
    world.backend.release(&key("k"), two)?;
    Ok(())
}

pub(super) fn no_lease_for_what_cannot_be_stored(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u"]);
    let (one, two) = (ProcessId::fresh(), ProcessId::fresh());
    let writer = world.quarantine(&tags[1..])?;
    let during = leased(world, one, &tags)?;
    ensure!(
        during == Leased::NotAsked,
        "during a quarantine: {during:?}"
    );
    world.backend.lift(writer, &tags[1..], Lift::Renew)?;
    // So nobody has it now.
    granted(world, two, &tags)?;
    world.backend.release(&key("k"), two)?;
    world.backend.close(Some(world.space))?;
    let closed = leased(world, one, &tags)?;
    ensure!(
        closed == Leased::NotAsked,
        "behind a closed gate: {closed:?}"
    );
    Ok(())
}

pub(super) fn no_lease_for_what_is_there(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let (one, two) = (ProcessId::fresh(), ProcessId::fresh());
    world.fill("k", &tags)?;
    let hit = leased(world, one, &tags)?;
    ensure!(hit == Leased::NotAsked, "an entry is there: {hit:?}");
    world.backend.renew(&tags)?;
    granted(world, two, &tags)?;
    let taken = leased(world, one, &tags)?;
    ensure!(taken == Leased::Taken, "another has it: {taken:?}");
    Ok(())
}

pub(super) fn a_lease_ends_by_itself(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let (one, two) = (ProcessId::fresh(), ProcessId::fresh());
    let (first, _) = ask(world, one, &tags, Duration::from_millis(100))?;
    ensure!(first == Leased::Granted, "the first asker: {first:?}");
    let limit = Instant::now() + Duration::from_secs(20);
    while leased(world, two, &tags)? != Leased::Granted {
        ensure!(
            Instant::now() < limit,
            "a lease of 100 ms has not ended after 20 s"
        );
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

pub(super) fn holders_are_told(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u", "v"]);
    let holder = |id: WriterId, session: Option<&str>, tags: &[Tag]| Holder {
        writer: id,
        process: world.process,
        space: session.map(|_| world.space),
        session: session.map(str::to_owned),
        tags: tags.to_vec(),
    };
    let sessions = [
        None,
        Some("17 2026-11-23 04:10:00+00"),
        Some("\0 {\"any\": 'text'} é"),
    ];
    let mut expected = Vec::new();
    for session in sessions {
        let id = WriterId::fresh();
        let writer = Writer {
            id,
            process: world.process,
            space: session.map(|_| world.space),
            session,
        };
        let before = Writer {
            session: session.map(|_| "before"),
            ..writer
        };
        world.backend.quarantine(&before, &tags[..1])?;
        world.backend.quarantine(&writer, &tags[..2])?;
        expected.push(holder(id, session, &tags[..2]));
    }
    let other = world.quarantine(&tags[2..])?;
    let told = |tags: &[Tag]| -> Result<Vec<Holder>, Broken> {
        let mut found = world.backend.holders(tags)?;
        for holder in &mut found {
            holder.tags.sort_unstable();
        }
        found.sort_unstable_by_key(|holder| holder.writer);
        Ok(found)
    };
    for holder in &mut expected {
        holder.tags.sort_unstable();
    }
    expected.sort_unstable_by_key(|holder| holder.writer);
    for asked in [&tags[..1], &tags[..2]] {
        let found = told(asked)?;
        ensure!(found == expected, "{found:?} instead of {expected:?}");
    }
    let all = told(&tags)?;
    ensure!(all.len() == 4, "{} of 4 writers hold these tags", all.len());
    ensure!(
        told(&world.tags(&["w"]))?.is_empty(),
        "somebody holds what nobody quarantined"
    );
    world.backend.lift(other, &tags[2..], Lift::Restore)?;
    ensure!(
        told(&tags[2..])?.is_empty(),
        "a writer still holds what it lifted"
    );
    let lifted = expected.remove(0);
    world.backend.lift(lifted.writer, &tags[..2], Lift::Renew)?;
    let found = told(&tags[..1])?;
    ensure!(
        found == expected,
        "{found:?} instead of {expected:?} after a lift"
    );
    Ok(())
}
