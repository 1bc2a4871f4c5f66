//! Gates, epochs and testimonies. Of shared backends only.

use super::world::{World, key, look};
use super::{Broken, Found, ensure};
use crate::backend::{Ask, Databases, Declarations};
use crate::database::TagSpace;
use crate::protocol::{Judgement, Lift};
use crate::token::{Epoch, Nonce, Opening, ProcessId, WriterId};

fn spaces() -> [TagSpace; 3] {
    [b"one", b"two", b"six"].map(|name| TagSpace::of(name))
}

fn gate(world: &World<'_>, databases: Databases<'_>) -> Result<Option<Nonce>, Broken> {
    Ok(world.backend.fetch(&Ask::tokens(&[], databases))?.gate)
}

fn is_open(world: &World<'_>, space: TagSpace) -> Result<bool, Broken> {
    Ok(gate(world, Databases::One(space))?.is_some())
}

pub(super) fn an_empty_store_is_closed(world: &World<'_>) -> Found {
    let [one, ..] = spaces();
    for databases in [Databases::One(one), Databases::All(&[]), Databases::None] {
        ensure!(
            gate(world, databases)?.is_none(),
            "an empty store is open for {databases:?}"
        );
    }
    let tags = world.tags(&["t"]);
    let found = look(&*world.backend, Databases::All(&[]), &key("k"), &tags)?;
    ensure!(
        matches!(found, Judgement::Closed),
        "an empty store is not closed: {found:?}"
    );
    ensure!(
        world.backend.recall(&key("k"), &[])?.gate.is_none(),
        "an empty store is open when recalled from"
    );
    // A writer that comes first does not open it.
    let writer = world.quarantine(&tags)?;
    world.backend.lift(writer, &tags, Lift::Renew)?;
    ensure!(!is_open(world, one)?, "a writer opened the gate");
    Ok(())
}

pub(super) fn a_database_is_open_once_it_was_opened(world: &World<'_>) -> Found {
    let [one, two, six] = spaces();
    let standing = world.backend.beat(world.process, &[one, two])?;
    ensure!(
        standing.open.is_empty(),
        "open before anybody opened: {:?}",
        standing.open
    );
    ensure!(!is_open(world, one)?, "a beat opened the gate");
    ensure!(
        gate(world, Databases::All(&[one]))?.is_none(),
        "all are open, and none is"
    );
    ensure!(
        gate(world, Databases::None)?.is_some(),
        "no database is asked for, and it is closed"
    );
    world.backend.open(standing.epoch, one, Opening::fresh())?;
    ensure!(is_open(world, one)?, "an opened gate is closed");
    ensure!(!is_open(world, two)?, "another gate was opened");
    ensure!(
        gate(world, Databases::All(&[one, two]))?.is_none(),
        "all are open, and one is not"
    );
    world.backend.open(standing.epoch, two, Opening::fresh())?;
    ensure!(
        gate(world, Databases::All(&[one, two]))?.is_some(),
        "all are open, and the gate is not"
    );
    ensure!(
        gate(world, Databases::All(&[one]))?.is_some(),
        "all are open, and the gate is not"
    );
    ensure!(
        gate(world, Databases::All(&[six]))?.is_none(),
        "open for one that was never opened"
    );
    let again = world.backend.beat(world.process, &[one, two])?;
    ensure!(again.epoch == standing.epoch, "a beat began a new epoch");
    let mut open: Vec<_> = again.open.iter().map(|(space, _)| *space).collect();
    open.sort_unstable();
    let mut both = [one, two];
    both.sort_unstable();
    ensure!(open == both, "{open:?} are open");
    Ok(())
}

pub(super) fn a_gate_of_another_epoch_is_not_opened(world: &World<'_>) -> Found {
    let [one, ..] = spaces();
    let old = world.backend.beat(world.process, &[one])?.epoch;
    world.backend.close(Some(one))?;
    world.backend.open(old, one, Opening::fresh())?;
    world.backend.open(Epoch::fresh(), one, Opening::fresh())?;
    ensure!(
        !is_open(world, one)?,
        "a gate was opened in an epoch that is over"
    );
    Ok(())
}

pub(super) fn an_opening_keeps_its_name(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let (one, two) = (Opening::fresh(), Opening::fresh());
    let told = |expected: Option<Opening>| -> Found {
        let standing = world.backend.beat(world.process, &[world.space])?;
        let ask = Ask::tokens(&tags, world.databases());
        let writer = world.writer(WriterId::fresh());
        let all = [
            standing.opening(world.space),
            world.backend.fetch(&ask)?.opening,
            world.backend.quarantine(&writer, &tags)?.opening,
        ];
        world.backend.lift(writer.id, &tags, Lift::Restore)?;
        ensure!(all == [expected; 3], "{all:?} instead of {expected:?}");
        Ok(())
    };
    told(None)?;
    let epoch = world.backend.beat(world.process, &[world.space])?.epoch;
    world.backend.open(epoch, world.space, one)?;
    told(Some(one))?;
    world.backend.open(epoch, world.space, two)?;
    told(Some(one))?;
    world.backend.close(Some(world.space))?;
    told(None)?;
    let epoch = world.backend.beat(world.process, &[world.space])?.epoch;
    world.backend.open(epoch, world.space, two)?;
    told(Some(two))
}

pub(super) fn a_catalogue_is_recognised(world: &World<'_>) -> Found {
    world.open()?;
    let [one, two, _] = spaces();
    let (old, new) = ([1; 32], [2; 32]);
    let knows = |space, user, print| -> Result<bool, Broken> {
        Ok(world.backend.recognises(space, user, print)?)
    };
    // What was never seen may be taken for known or not; from then on it is.
    knows(one, "user", &old)?;
    for _ in 0..2 {
        ensure!(knows(one, "user", &old)?, "a catalogue was forgotten");
        ensure!(
            !knows(one, "user", &new)?,
            "another catalogue was taken for it"
        );
    }
    knows(one, "other", &new)?;
    knows(two, "user", &new)?;
    ensure!(
        knows(one, "user", &old)?,
        "another user's or database's was taken for it"
    );
    world.backend.remember(one, "user", &new)?;
    ensure!(
        knows(one, "user", &new)?,
        "what was to be remembered is not"
    );
    ensure!(
        !knows(one, "user", &old)?,
        "what was replaced is still known"
    );
    ensure!(
        knows(one, "other", &new)? && knows(two, "user", &new)?,
        "others were replaced"
    );
    Ok(())
}

pub(super) fn testimonies_are_kept_for_their_epoch(world: &World<'_>) -> Found {
    let [one, two, _] = spaces();
    let other = ProcessId::fresh();
    let mut ours = [(world.process, one), (world.process, two), (other, one)];
    ours.sort_unstable();
    let told = |spaces: &[TagSpace]| -> Result<_, Broken> {
        let standing = world.backend.beat(world.process, spaces)?;
        let mut testified = standing.testified;
        testified.sort_unstable();
        testified.dedup();
        Ok((standing.epoch, testified))
    };
    let (epoch, testified) = told(&[one, two])?;
    ensure!(testified.is_empty(), "nobody has testified: {testified:?}");
    world.backend.testify(world.process, epoch, &[one, two])?;
    world.backend.testify(world.process, epoch, &[one])?;
    world.backend.testify(other, epoch, &[one])?;
    world.backend.testify(other, Epoch::fresh(), &[two])?;
    let (_, testified) = told(&[])?;
    ensure!(testified == ours, "{testified:?} have testified");
    world.backend.close(Some(two))?;
    let (now, testified) = told(&[one])?;
    ensure!(now != epoch, "a closed gate stays in its epoch");
    ensure!(
        testified.is_empty(),
        "testimonies outlive their epoch: {testified:?}"
    );
    world.backend.testify(other, epoch, &[one])?;
    let (_, testified) = told(&[])?;
    ensure!(
        testified.is_empty(),
        "a testimony of another epoch counts: {testified:?}"
    );
    Ok(())
}

pub(super) fn closing_one_database_leaves_the_others(world: &World<'_>) -> Found {
    let [one, two, _] = spaces();
    for space in [one, two] {
        world.open_space(space)?;
    }
    let nonce = gate(world, Databases::One(two))?;
    world.backend.close(Some(one))?;
    ensure!(!is_open(world, one)?, "a closed gate is open");
    ensure!(
        gate(world, Databases::All(&[one, two]))?.is_none(),
        "all are open, and one was closed"
    );
    ensure!(
        is_open(world, two)?,
        "the gate of another database was closed"
    );
    ensure!(
        gate(world, Databases::One(two))? == nonce,
        "closing began a new generation"
    );
    world.open_space(one)?;
    ensure!(is_open(world, one)?, "a closed gate does not open again");
    Ok(())
}

pub(super) fn declarations_add_up_and_close_the_gate(world: &World<'_>) -> Found {
    let [one, two, _] = spaces();
    let list = |names: &[&str]| -> Declarations {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    };
    let first = world.backend.declare(one, &list(&["a", "b"]))?;
    ensure!(first == list(&["a", "b"]), "it is not what was declared");
    for space in [one, two] {
        world.open_space(space)?;
    }
    let epoch = world.backend.beat(world.process, &[])?.epoch;
    let same = world.backend.declare(one, &list(&["b"]))?;
    ensure!(same == first, "what was declared before is not told");
    let none = world.handle().declare(one, &Declarations::new())?;
    ensure!(none == first, "another handle is told of something else");
    ensure!(is_open(world, one)?, "nothing new closed the gate");
    let more = world.backend.declare(one, &list(&["", "c\0"]))?;
    ensure!(
        more == list(&["", "a", "b", "c\0"]),
        "declarations do not add up"
    );
    ensure!(
        !is_open(world, one)?,
        "a new declaration left the gate open"
    );
    ensure!(is_open(world, two)?, "it closed that of another database");
    let now = world.backend.beat(world.process, &[])?.epoch;
    ensure!(now != epoch, "it began no epoch");
    let other = world.backend.declare(two, &Declarations::new())?;
    ensure!(other.is_empty(), "it counts for another database");
    let large: Declarations = (0..200_u32)
        .map(|number| [&number.to_be_bytes()[..], &[b'x'; 1000]].concat())
        .collect();
    let kept = world.backend.declare(two, &large)?;
    ensure!(
        kept.iter().all(|one| large.contains(one)),
        "what was not declared is told"
    );
    Ok(())
}

pub(super) fn closing_all_closes_all(world: &World<'_>) -> Found {
    let [one, two, six] = spaces();
    for space in [one, two] {
        world.open_space(space)?;
    }
    world.backend.close(None)?;
    for space in [one, two, six] {
        ensure!(!is_open(world, space)?, "a closed gate is open");
    }
    ensure!(
        gate(world, Databases::All(&[one, two]))?.is_none(),
        "all were closed, and all are open"
    );
    Ok(())
}

pub(super) fn a_closed_gate_keeps_tokens_and_quarantines(world: &World<'_>) -> Found {
    world.open()?;
    let (t, u) = (world.tags(&["t"]), world.tags(&["u"]));
    world.fill("t", &t)?;
    let writer = world.quarantine(&u)?;
    world.backend.close(Some(world.space))?;
    ensure!(!world.hits("t", &t)?, "a hit behind a closed gate");
    world.open()?;
    ensure!(world.hits("t", &t)?, "closing lost an entry");
    ensure!(world.is_quarantined(&u)?, "closing ended a quarantine");
    world.backend.lift(writer, &u, Lift::Renew)?;
    world.fill("u", &u)
}

pub(super) fn a_quarantine_tells_the_epoch(world: &World<'_>) -> Found {
    let [one, ..] = spaces();
    let tags = world.tags(&["t"]);
    let writer = world.writer(WriterId::fresh());
    let told = world.backend.quarantine(&writer, &tags)?.epoch;
    let epoch = world.backend.beat(world.process, &[one])?.epoch;
    ensure!(
        told == epoch,
        "a quarantine in an empty store is in another epoch"
    );
    world.backend.close(None)?;
    let again = world.backend.quarantine(&writer, &tags)?.epoch;
    let now = world.backend.beat(world.process, &[one])?.epoch;
    ensure!(again == now, "a quarantine tells another epoch than a beat");
    ensure!(again != told, "a quarantine tells an epoch that is over");
    Ok(())
}

pub(super) fn a_process_sees_its_own_writers(world: &World<'_>) -> Found {
    let [one, ..] = spaces();
    let tags = world.tags(&["t", "u"]);
    let mut mine = [world.quarantine(&tags)?, world.quarantine(&tags[..1])?];
    mine.sort_unstable();
    let mut seen = world.backend.beat(world.process, &[one])?.mine;
    seen.sort_unstable();
    ensure!(seen == mine, "{seen:?} instead of {mine:?}");
    let others = world.backend.beat(ProcessId::fresh(), &[one])?.mine;
    ensure!(others.is_empty(), "another process sees {others:?}");
    world.backend.lift(mine[0], &tags, Lift::Renew)?;
    let seen = world.backend.beat(world.process, &[one])?.mine;
    ensure!(seen == mine[1..], "{seen:?} after a lift");
    Ok(())
}

pub(super) fn two_handles_see_one_store(world: &World<'_>) -> Found {
    world.open()?;
    let other = world.handle();
    let tags = world.tags(&["t"]);
    world.fill("t", &tags)?;
    let hits = |expected: bool| -> Found {
        let found = look(&*other, world.databases(), &key("t"), &tags)?;
        let hit = matches!(found, Judgement::Hit(_));
        ensure!(hit == expected, "another handle: {found:?}");
        Ok(())
    };
    hits(true)?;
    let writer = world.quarantine(&tags)?;
    hits(false)?;
    other.lift(writer, &tags, Lift::Restore)?;
    hits(true)?;
    ensure!(
        world.hits("t", &tags)?,
        "a lift by another handle is not seen"
    );
    other.renew(&tags)?;
    ensure!(
        !world.hits("t", &tags)?,
        "a renewal by another handle is not seen"
    );
    world.fill("t", &tags)?;
    other.clear()?;
    ensure!(
        !world.hits("t", &tags)?,
        "a clear by another handle is not seen"
    );
    world.fill("t", &tags)?;
    other.close(Some(world.space))?;
    ensure!(
        !world.hits("t", &tags)?,
        "a closing by another handle is not seen"
    );
    Ok(())
}
