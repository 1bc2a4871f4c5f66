//! Further tags of an entry, and tags that are wanted also.

use std::sync::Arc;
use std::time::Instant;

use super::world::{HOUR, World, content, is_missing, key};
use super::{Broken, Found, ensure};
use crate::backend::{Ask, Lease, Put};
use crate::protocol::{Fetched, Further, Judgement, Leased, Lift, TagState, TagStates, judge};
use crate::tag::Tag;
use crate::token::ProcessId;

/// More than a store may look up at once.
const MANY: usize = 1001;

fn fetch(world: &World<'_>, name: &str, asked: &[Tag]) -> Result<Fetched, Broken> {
    let key = key(name);
    let ask = Ask::entry(&key, asked, world.databases());
    Ok(world.backend.fetch(&ask)?)
}

/// Requires that the entry of that name is there, and that its tags after those asked for stand
/// so.
fn stands(world: &World<'_>, name: &str, asked: &[Tag], expected: Further) -> Found {
    let fetched = fetch(world, name, asked)?;
    let further = fetched.further;
    ensure!(
        further == expected,
        "the further tags are {further:?} and should be {expected:?}"
    );
    ensure!(
        fetched.states.len() == asked.len() && fetched.also.is_empty(),
        "{} and {} states of {} tags",
        fetched.states.len(),
        fetched.also.len(),
        asked.len()
    );
    match (judge(fetched, asked), expected) {
        (Judgement::Hit(entry), Further::Current) => {
            ensure!(
                content(&entry.payload).as_deref() == Some(name.as_bytes()),
                "another entry is found"
            );
            Ok(())
        }
        (Judgement::Quarantined, Further::Quarantined)
        | (Judgement::Miss(_), Further::Outdated) => Ok(()),
        (judgement, _) => Err(Broken(format!("{expected:?}, and it is {judgement:?}"))),
    }
}

pub(super) fn an_entry_goes_on_after_the_tags_asked_for(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u", "v", "w"]);
    world.fill("k", &tags)?;
    for asked in 0..tags.len() {
        stands(world, "k", &tags[..asked], Further::Current)?;
    }
    let whole = fetch(world, "k", &tags)?;
    ensure!(
        whole.further == Further::None,
        "all tags were asked for, and further ones are {:?}",
        whole.further
    );
    ensure!(world.hits("k", &tags)?, "all its tags do not find an entry");
    let none = fetch(world, "other", &tags[..1])?;
    ensure!(
        none.entry.is_none() && none.further == Further::None,
        "no entry has further tags that are {:?}",
        none.further
    );
    // A tag may stand among the further ones again.
    let twice = [&tags[..2], &tags[1..3], &tags[..1]].concat().into();
    world.fill("twice", &twice)?;
    stands(world, "twice", &twice[..2], Further::Current)?;
    world.backend.renew(&twice[3..4])?;
    stands(world, "twice", &twice[..2], Further::Outdated)
}

pub(super) fn a_renewed_further_tag_ends_an_entry(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u", "v", "w"]);
    let asked = &tags[..1];
    for at in 1..tags.len() {
        let one = &tags[at..=at];
        for write in [true, false] {
            world.fill("k", &tags)?;
            stands(world, "k", asked, Further::Current)?;
            if write {
                world.write(one)?;
            } else {
                world.backend.renew(one)?;
            }
            stands(world, "k", asked, Further::Outdated)?;
            // Not by a new token either, nor by a writer that wrote nothing.
            world.capture(&tags)?;
            stands(world, "k", asked, Further::Outdated)?;
            let writer = world.quarantine(&tags[1..])?;
            stands(world, "k", asked, Further::Quarantined)?;
            world.backend.lift(writer, &tags[1..], Lift::Restore)?;
            stands(world, "k", asked, Further::Outdated)?;
        }
    }
    Ok(())
}

pub(super) fn a_quarantined_further_tag_blocks(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u", "v", "w"]);
    let asked = &tags[..2];
    world.fill("k", &tags)?;
    for at in 2..tags.len() {
        let one = &tags[at..=at];
        let writer = world.quarantine(one)?;
        stands(world, "k", asked, Further::Quarantined)?;
        world.backend.lift(writer, one, Lift::Restore)?;
        stands(world, "k", asked, Further::Current)?;
    }
    // Whatever the others are, before it and after it.
    for (held, renewed) in [(2..3, 3..4), (3..4, 2..3)] {
        world.fill("k", &tags)?;
        let writer = world.quarantine(&tags[held.clone()])?;
        world.backend.renew(&tags[renewed])?;
        stands(world, "k", asked, Further::Quarantined)?;
        world.backend.lift(writer, &tags[held], Lift::Restore)?;
        stands(world, "k", asked, Further::Outdated)?;
    }
    // Also one that the entry has outlived.
    world.fill("k", &tags)?;
    world.backend.renew(&tags[2..3])?;
    let writer = world.quarantine(&tags[2..3])?;
    stands(world, "k", asked, Further::Quarantined)?;
    world.backend.lift(writer, &tags[2..3], Lift::Renew)?;
    stands(world, "k", asked, Further::Outdated)
}

pub(super) fn tags_that_an_entry_does_not_begin_with_find_nothing(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u", "v"]);
    world.fill("k", &tags)?;
    let others: [&[&str]; 6] = [
        &["u"],
        &["u", "t"],
        &["t", "v"],
        &["u", "v"],
        &["t", "u", "v", "w"],
        &["t", "u", "w"],
    ];
    let find_nothing = || -> Found {
        for other in others {
            let asked = world.tags(other);
            let further = fetch(world, "k", &asked)?.further;
            ensure!(
                further == Further::None,
                "for {other:?} the further tags are {further:?}"
            );
            ensure!(!world.hits("k", &asked)?, "an entry hits for {other:?}");
        }
        Ok(())
    };
    find_nothing()?;
    let writer = world.quarantine(&tags[2..])?;
    find_nothing()?;
    world.backend.lift(writer, &tags[2..], Lift::Renew)?;
    find_nothing()
}

/// The states of tags that are wanted beside others.
fn also(
    world: &World<'_>,
    tags: &[Tag],
    also: &[Tag],
    establish: bool,
) -> Result<(TagStates, TagStates), Broken> {
    let key = key("k");
    let ask = Ask {
        also,
        establish,
        ..Ask::entry(&key, tags, world.databases())
    };
    let fetched = world.backend.fetch(&ask)?;
    ensure!(
        fetched.states.len() == tags.len() && fetched.also.len() == also.len(),
        "{} states of {} tags, and {} of {} that were wanted also",
        fetched.states.len(),
        tags.len(),
        fetched.also.len(),
        also.len()
    );
    Ok((fetched.states, fetched.also))
}

pub(super) fn what_is_wanted_also_is_told_in_its_order(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u"]);
    let wanted = world.tags(&["v", "w", "x"]);
    let (states, others) = also(world, &tags, &wanted, false)?;
    let mut all = states.iter().chain(&others);
    ensure!(
        all.all(|state| is_missing(*state)),
        "what nobody asked to establish is there"
    );
    let (states, others) = also(world, &tags, &wanted, true)?;
    let expect = |tags: &[Tag], states: &[TagState]| -> Found {
        let tokens = world.capture(tags)?.tokens;
        let tokens: Vec<_> = tokens.into_iter().map(TagState::Clean).collect();
        ensure!(tokens == states, "{states:?} instead of {tokens:?}");
        Ok(())
    };
    expect(&tags, &states)?;
    expect(&wanted, &others)?;
    let writer = world.quarantine(&wanted[1..2])?;
    world.backend.renew(&wanted[2..])?;
    let (_, told) = also(world, &tags, &wanted, false)?;
    ensure!(
        told[..] == [others[0], TagState::Quarantined, TagState::Missing],
        "clean, quarantined and missing are {told:?}"
    );
    let (_, told) = also(world, &tags, &wanted, true)?;
    ensure!(
        told[0] == others[0] && told[1] == TagState::Quarantined && told[2] != others[2],
        "clean, quarantined and established are {told:?}"
    );
    world.backend.lift(writer, &wanted[1..2], Lift::Restore)?;
    let ask = Ask {
        also: &wanted[1..2],
        ..Ask::tokens(&[], world.databases())
    };
    let alone = world.backend.fetch(&ask)?.also;
    ensure!(
        alone[..] == others[1..2],
        "without a key and other tags it is {alone:?}"
    );
    Ok(())
}

pub(super) fn what_is_wanted_twice_is_told_twice(world: &World<'_>) -> Found {
    for (round, establish) in [true, false, true].into_iter().enumerate() {
        let tags = world.tags(&["t", "u"]);
        let wanted = world.tags(&["v", "t", "v", "u", "t"]);
        if round == 2 {
            world.backend.renew(&[&tags[..], &wanted].concat())?;
        }
        let (states, told) = also(world, &tags, &wanted, establish)?;
        let (t, u, v) = (states[0], states[1], told[0]);
        ensure!(
            told[..] == [v, t, v, u, t],
            "one tag is both {states:?} and {told:?}"
        );
        ensure!(
            t != u && u != v && !told.contains(&TagState::Missing),
            "three tags are {t:?}, {u:?} and {v:?}"
        );
        ensure!(
            world.states(&tags)?[..] == [t, u],
            "established twice: another token"
        );
    }
    Ok(())
}

pub(super) fn what_is_wanted_also_has_no_say(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u"]);
    let wanted = world.tags(&["x", "u", "y"]);
    world.fill("k", &tags)?;
    let writer = world.quarantine(&wanted[..1])?;
    let key = key("k");
    for establish in [false, true] {
        for asked in 1..=tags.len() {
            let ask = Ask {
                also: &wanted,
                establish,
                ..Ask::entry(&key, &tags[..asked], world.databases())
            };
            let fetched = world.backend.fetch(&ask)?;
            let missing = fetched.also.contains(&TagState::Missing);
            ensure!(
                missing != establish && fetched.also[0] == TagState::Quarantined,
                "what was wanted also is {:?}",
                fetched.also
            );
            ensure!(
                matches!(judge(fetched, &tags[..asked]), Judgement::Hit(_)),
                "what was wanted also is in the way of a hit"
            );
        }
    }
    Ok(world.backend.lift(writer, &wanted[..1], Lift::Renew)?)
}

pub(super) fn a_fill_with_an_outdated_further_tag_is_refused(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u", "v"]);
    for held in [false, true] {
        let vector = world.capture(&tags)?;
        let writer = match held {
            true => Some(world.quarantine(&tags[2..])?),
            false => None,
        };
        if !held {
            world.backend.renew(&tags[2..])?;
        }
        for add in [false, true] {
            let entry = world.entry(&tags, vector.clone(), b"k");
            let put = match add {
                true => world.backend.put_if_absent(key("k"), entry)?,
                false => world.backend.put(key("k"), entry, None)?,
            };
            ensure!(put == Put::Outdated, "a late fill was {put:?}");
            ensure!(!world.hits("k", &tags[..1])?, "a late fill is served");
        }
        if let Some(writer) = writer {
            world.backend.lift(writer, &tags[2..], Lift::Renew)?;
        }
    }
    Ok(())
}

pub(super) fn an_entry_with_further_tags_is_added_and_touched(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u", "v"]);
    let asked = &tags[..1];
    let add = |expected: Put| -> Found {
        let entry = world.entry(&tags, world.capture(&tags)?, b"k");
        let put = world.backend.put_if_absent(key("k"), entry)?;
        ensure!(put == expected, "{put:?} and not {expected:?}");
        stands(world, "k", asked, Further::Current)
    };
    let touch = |expected: bool| -> Found {
        let touched = world.backend.touch(&key("k"), Instant::now() + HOUR * 2)?;
        ensure!(touched == expected, "touched: {touched}");
        Ok(())
    };
    add(Put::Stored)?;
    add(Put::Present)?;
    touch(true)?;
    stands(world, "k", asked, Further::Current)?;
    let writer = world.quarantine(&tags[2..])?;
    touch(false)?;
    world.backend.lift(writer, &tags[2..], Lift::Restore)?;
    touch(true)?;
    world.backend.renew(&tags[2..])?;
    touch(false)?;
    stands(world, "k", asked, Further::Outdated)?;
    add(Put::Stored)?;
    let recalled = world.backend.recall(&key("k"), &[])?;
    ensure!(
        recalled.states.len() == tags.len() && recalled.further == Further::None,
        "recalled with {} states, and further tags {:?}",
        recalled.states.len(),
        recalled.further
    );
    ensure!(
        matches!(judge(recalled, &tags), Judgement::Hit(_)),
        "not recalled"
    );
    ensure!(world.backend.remove(&key("k"))?, "not removed");
    Ok(())
}

pub(super) fn a_thousand_further_tags_are_one_word(world: &World<'_>) -> Found {
    let tags: Arc<[Tag]> = (0..2 + MANY)
        .map(|n| Tag::any(world.space, &n.to_string()))
        .collect();
    let (asked, rest) = tags.split_at(2);
    // Captured as those are that are known only with the rows.
    let (states, told) = also(world, asked, rest, true)?;
    let mut vector = world.capture(asked)?;
    let tokens: Option<Vec<_>> = states
        .iter()
        .chain(&told)
        .map(|state| match state {
            TagState::Clean(token) => Some(*token),
            _ => None,
        })
        .collect();
    vector.tokens = tokens.unwrap_or_default().into();
    let put = |name: &str| -> Found {
        let entry = world.entry(&tags, vector.clone(), name.as_bytes());
        let put = world.backend.put(key(name), entry, None)?;
        ensure!(put == Put::Stored, "with {MANY} further tags: {put:?}");
        stands(world, name, asked, Further::Current)
    };
    put("k")?;
    for at in [2, MANY / 2, MANY, MANY + 1] {
        let one = &tags[at..=at];
        let writer = world.quarantine(one)?;
        stands(world, "k", asked, Further::Quarantined)?;
        world.backend.lift(writer, one, Lift::Restore)?;
        stands(world, "k", asked, Further::Current)?;
    }
    world.backend.renew(&tags[MANY + 1..])?;
    stands(world, "k", asked, Further::Outdated)
}

/// What becomes of a lease that is asked for with the entry of the name `k`.
fn leased(
    world: &World<'_>,
    holder: ProcessId,
    asked: &[Tag],
    also: &[Tag],
) -> Result<Leased, Broken> {
    let key = key("k");
    let patience = HOUR;
    let ask = Ask {
        also,
        lease: Some(Lease { holder, patience }),
        ..Ask::entry(&key, asked, world.databases())
    };
    let leased = world.backend.fetch(&ask)?.leased;
    if leased == Leased::Granted {
        world.backend.release(&key, holder)?;
    }
    Ok(leased)
}

pub(super) fn a_lease_goes_by_the_further_tags(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u", "v"]);
    let other = world.tags(&["t", "v"]);
    let wanted = world.tags(&["x", "y"]);
    let one = ProcessId::fresh();
    let expect = |asked: &[Tag], expected: Leased, what: &str| -> Found {
        for also in [&[][..], &wanted] {
            let leased = leased(world, one, asked, also)?;
            ensure!(leased == expected, "{what}: {leased:?}");
        }
        Ok(())
    };
    // What is wanted also is quarantined, and missing.
    let held = world.quarantine(&wanted[..1])?;
    world.capture(&tags)?;
    expect(&tags, Leased::Granted, "no entry is there")?;
    world.fill("k", &tags)?;
    for asked in 0..=tags.len() {
        expect(&tags[..asked], Leased::NotAsked, "an entry is there")?;
    }
    expect(&other, Leased::Granted, "an entry of other tags is there")?;
    let writer = world.quarantine(&tags[2..])?;
    expect(&tags[..2], Leased::NotAsked, "during a quarantine")?;
    world.backend.lift(writer, &tags[2..], Lift::Restore)?;
    expect(&tags[..2], Leased::NotAsked, "an entry is there again")?;
    world.backend.renew(&tags[2..])?;
    expect(&tags[..2], Leased::Granted, "a further tag was renewed")?;
    Ok(world.backend.lift(held, &wanted[..1], Lift::Renew)?)
}
