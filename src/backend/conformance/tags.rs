//! Tokens, quarantines, lifts and renewals.

use std::collections::BTreeSet;

use super::world::{World, is_missing};
use super::{Found, ensure};
use crate::backend::Ask;
use crate::protocol::{Lift, TagState};
use crate::token::WriterId;

pub(super) fn a_missing_tag_is_missing_until_it_is_established(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u"]);
    let states = world.states(&tags)?;
    ensure!(
        states.iter().all(|state| is_missing(*state)),
        "an empty store knows {states:?}"
    );
    let vector = world.capture(&tags)?;
    ensure!(
        vector.tokens[0] != vector.tokens[1],
        "two tags have the same token"
    );
    let states = world.states(&tags)?;
    let expected = vector.tokens.iter().map(|token| TagState::Clean(*token));
    ensure!(
        states.iter().copied().eq(expected),
        "established, but then {states:?}"
    );
    Ok(())
}

pub(super) fn an_established_token_stays(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let first = world.capture(&tags)?;
    ensure!(
        world.capture(&tags)? == first,
        "a token changed, and nobody wrote"
    );
    let other = world.handle();
    let found = other.fetch(&Ask::tokens(&tags, world.databases()))?;
    ensure!(
        found.states[..] == [TagState::Clean(first.tokens[0])],
        "another handle sees {:?}",
        found.states
    );
    Ok(())
}

pub(super) fn a_quarantine_blocks_until_the_lift_and_renews(world: &World<'_>) -> Found {
    let (t, u) = (world.tags(&["t"]), world.tags(&["u"]));
    world.fill("t", &t)?;
    world.fill("u", &u)?;
    let writer = world.quarantine(&t)?;
    ensure!(!world.hits("t", &t)?, "a quarantined tag does not block");
    ensure!(world.is_quarantined(&t)?, "a tag is not quarantined");
    ensure!(
        world.is_quarantined(&world.tags(&["u", "t"]))?,
        "one of two tags is not enough"
    );
    ensure!(world.hits("u", &u)?, "another tag is quarantined too");
    world.backend.lift(writer, &t, Lift::Renew)?;
    ensure!(
        !world.is_quarantined(&t)?,
        "a lift does not end the quarantine"
    );
    ensure!(!world.hits("t", &t)?, "an entry outlived a write");
    world.fill("t", &t)
}

pub(super) fn a_restored_quarantine_changes_nothing(world: &World<'_>) -> Found {
    let t = world.tags(&["t"]);
    world.fill("t", &t)?;
    let writer = world.quarantine(&t)?;
    world.backend.lift(writer, &t, Lift::Restore)?;
    ensure!(
        world.hits("t", &t)?,
        "a write that did not happen ended an entry"
    );
    Ok(())
}

pub(super) fn the_last_of_several_writers_makes_a_tag_clean(world: &World<'_>) -> Found {
    let t = world.tags(&["t"]);
    world.fill("t", &t)?;
    let (one, two) = (world.quarantine(&t)?, world.quarantine(&t)?);
    world.backend.lift(one, &t, Lift::Renew)?;
    ensure!(
        world.is_quarantined(&t)?,
        "one writer's lift ended another's quarantine"
    );
    world.backend.lift(two, &t, Lift::Renew)?;
    ensure!(
        !world.is_quarantined(&t)?,
        "the last lift did not end the quarantine"
    );
    world.fill("t", &t)
}

pub(super) fn a_renewing_writer_renews_also_when_the_last_restores(world: &World<'_>) -> Found {
    for first in [Lift::Renew, Lift::Restore] {
        let last = if first == Lift::Renew {
            Lift::Restore
        } else {
            Lift::Renew
        };
        let t = world.tags(&["t"]);
        world.fill("t", &t)?;
        let (one, two) = (world.quarantine(&t)?, world.quarantine(&t)?);
        world.backend.lift(one, &t, first)?;
        world.backend.lift(two, &t, last)?;
        ensure!(
            !world.is_quarantined(&t)?,
            "two lifts did not end two quarantines"
        );
        ensure!(
            !world.hits("t", &t)?,
            "one of two writers wrote ({first:?}, {last:?})"
        );
    }
    Ok(())
}

pub(super) fn a_quarantine_twice_is_one_quarantine(world: &World<'_>) -> Found {
    let t = world.tags(&["t"]);
    world.fill("t", &t)?;
    let writer = WriterId::fresh();
    for _ in 0..3 {
        world.backend.quarantine(&world.writer(writer), &t)?;
    }
    world.backend.lift(writer, &t, Lift::Restore)?;
    ensure!(
        !world.is_quarantined(&t)?,
        "one lift did not end a quarantine made three times"
    );
    ensure!(
        world.hits("t", &t)?,
        "a quarantine made three times renewed"
    );
    let tags = world.tags(&["t", "t"]);
    world.backend.quarantine(&world.writer(writer), &tags)?;
    world.backend.lift(writer, &tags, Lift::Renew)?;
    ensure!(
        !world.is_quarantined(&t)?,
        "a tag named twice stays quarantined"
    );
    Ok(())
}

pub(super) fn a_second_quarantine_adds_tags(world: &World<'_>) -> Found {
    let (t, u) = (world.tags(&["t"]), world.tags(&["u"]));
    let both = world.tags(&["t", "u"]);
    let writer = WriterId::fresh();
    world.backend.quarantine(&world.writer(writer), &t)?;
    ensure!(
        !world.is_quarantined(&u)?,
        "a tag is quarantined that nobody named"
    );
    world.backend.quarantine(&world.writer(writer), &u)?;
    ensure!(
        world.is_quarantined(&t)?,
        "a second quarantine ended the first"
    );
    ensure!(world.is_quarantined(&u)?, "a second quarantine did nothing");
    world.backend.lift(writer, &both, Lift::Renew)?;
    ensure!(
        !world.is_quarantined(&t)? && !world.is_quarantined(&u)?,
        "a lift was not enough"
    );
    Ok(())
}

pub(super) fn a_lift_ends_all_that_the_writer_holds(world: &World<'_>) -> Found {
    let (t, u) = (world.tags(&["t"]), world.tags(&["u"]));
    world.fill("t", &t)?;
    world.fill("u", &u)?;
    let writer = world.quarantine(&world.tags(&["t", "u"]))?;
    world.backend.lift(writer, &t, Lift::Renew)?;
    ensure!(
        !world.is_quarantined(&t)?,
        "a lift does not end the quarantine"
    );
    ensure!(
        !world.is_quarantined(&u)?,
        "a lift leaves what it does not name"
    );
    ensure!(
        !world.hits("u", &u)?,
        "a lift does not renew what it does not name"
    );
    Ok(())
}

pub(super) fn a_lift_that_finds_nothing_renews(world: &World<'_>) -> Found {
    for how in [Lift::Renew, Lift::Restore] {
        let t = world.tags(&["t"]);
        world.fill("t", &t)?;
        world.backend.lift(WriterId::fresh(), &t, how)?;
        ensure!(
            !world.hits("t", &t)?,
            "a quarantine was lost, and {how:?} believed it"
        );
        ensure!(!world.is_quarantined(&t)?, "{how:?} made a quarantine");
    }
    Ok(())
}

pub(super) fn a_lift_that_finds_nothing_leaves_others_alone(world: &World<'_>) -> Found {
    let t = world.tags(&["t"]);
    world.fill("t", &t)?;
    let writer = world.quarantine(&t)?;
    world.backend.lift(WriterId::fresh(), &t, Lift::Restore)?;
    ensure!(world.is_quarantined(&t)?, "a stranger ended a quarantine");
    world.backend.lift(writer, &t, Lift::Restore)?;
    ensure!(
        !world.is_quarantined(&t)?,
        "the writer could not end its quarantine"
    );
    ensure!(!world.hits("t", &t)?, "what a stranger wrote was forgotten");
    Ok(())
}

pub(super) fn a_renewed_tag_has_another_token(world: &World<'_>) -> Found {
    let t = world.tags(&["t"]);
    world.fill("t", &t)?;
    let before = world.token(t[0])?;
    world.backend.renew(&t)?;
    ensure!(!world.hits("t", &t)?, "an entry outlived a renewal");
    ensure!(
        world.token(t[0])? != before,
        "a renewed tag has its old token"
    );
    // Once more, and where there is none.
    world.backend.renew(&t)?;
    world.backend.renew(&t)?;
    world.fill("t", &t)
}

pub(super) fn renewing_a_quarantined_tag_keeps_the_quarantine(world: &World<'_>) -> Found {
    let t = world.tags(&["t"]);
    world.fill("t", &t)?;
    let writer = world.quarantine(&t)?;
    world.backend.renew(&t)?;
    ensure!(world.is_quarantined(&t)?, "a renewal ended a quarantine");
    world.backend.lift(writer, &t, Lift::Restore)?;
    ensure!(
        !world.is_quarantined(&t)?,
        "a lift does not end the quarantine"
    );
    ensure!(
        !world.hits("t", &t)?,
        "a renewal during a quarantine was forgotten"
    );
    Ok(())
}

pub(super) fn renewing_concerns_no_other_tag(world: &World<'_>) -> Found {
    let names: Vec<_> = (0..20).map(|n| format!("t{n}")).collect();
    for name in &names {
        world.fill(name, &world.tags(&[name]))?;
    }
    world.backend.renew(&world.tags(&["t3", "t7"]))?;
    world.write(&world.tags(&["t11"]))?;
    for name in &names {
        let gone = ["t3", "t7", "t11"].contains(&name.as_str());
        let hit = world.hits(name, &world.tags(&[name]))?;
        ensure!(
            hit != gone,
            "{name}: {}",
            if gone { "not renewed" } else { "renewed" }
        );
    }
    Ok(())
}

pub(super) fn a_token_never_comes_back(world: &World<'_>) -> Found {
    let t = world.tags(&["t"]);
    let mut seen = BTreeSet::new();
    for round in 0..50 {
        let token = world.token(t[0])?;
        ensure!(seen.insert(token), "round {round}: a token came back");
        match round % 4 {
            0 => world.backend.renew(&t)?,
            1 => world.write(&t)?,
            2 => world.backend.lift(WriterId::fresh(), &t, Lift::Restore)?,
            _ => {
                let (one, two) = (world.quarantine(&t)?, world.quarantine(&t)?);
                world.backend.lift(one, &t, Lift::Renew)?;
                world.backend.lift(two, &t, Lift::Restore)?;
            }
        }
    }
    Ok(())
}

pub(super) fn a_missing_tag_that_was_quarantined_is_no_old_one(world: &World<'_>) -> Found {
    let t = world.tags(&["t"]);
    let before = world.token(t[0])?;
    world.backend.renew(&t)?;
    // Nothing captured: the tag is missing when it is quarantined.
    let writer = world.quarantine(&t)?;
    ensure!(
        world.is_quarantined(&t)?,
        "a missing tag was not quarantined"
    );
    world.backend.lift(writer, &t, Lift::Restore)?;
    ensure!(world.token(t[0])? != before, "a token came back");
    Ok(())
}

pub(super) fn nothing_grows_with_invalidations(world: &World<'_>) -> Found {
    const ROUNDS: usize = 150;
    const TAGS: usize = 100;
    let mut known = Vec::new();
    for half in 0..2 {
        for round in 0..ROUNDS {
            let name = |n: usize| format!("{half} {round} {n}");
            let names: Vec<_> = (0..TAGS).map(name).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let tags = world.tags(&names);
            for tags in tags.chunks(1 + TAGS / 10) {
                world.write(tags)?;
            }
            world.backend.renew(&tags)?;
        }
        known.push(world.backend.usage().tags);
    }
    ensure!(
        known[1] <= known[0] + 100,
        "invalidations left {} tags, and as many again {}",
        known[0],
        known[1]
    );
    Ok(())
}
