//! Entries: what is put, found, touched and removed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::world::{HOUR, TOLERANCE, World, content, is_near, key};
use super::{Broken, Found, ensure};
use crate::backend::{Ask, Put};
use crate::entry::Entry;
use crate::key::{Key, ValueParts};
use crate::protocol::{Judgement, Lift, TagState, judge};
use crate::tag::Tag;

/// The largest entry that is tried.
const LARGEST: usize = 16 << 20;

pub(super) fn what_is_put_is_found_as_it_was(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u", "v"]);
    ensure!(!world.hits("k", &tags)?, "an empty store has an entry");
    world.fill("k", &tags)?;
    for _ in 0..3 {
        ensure!(world.hits("k", &tags)?, "an entry is there only once");
    }
    ensure!(!world.hits("other", &tags)?, "an entry is under every key");
    Ok(())
}

pub(super) fn a_put_replaces(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    for content in [&b"one"[..], b"", b"a longer one"] {
        let entry = world.entry(&tags, world.capture(&tags)?, content);
        let put = world.backend.put(key("k"), entry, None)?;
        ensure!(put == Put::Stored, "a fill was {put:?}");
        ensure!(
            found(world, "k", &tags)?.as_deref() == Some(content),
            "not what was put last"
        );
    }
    Ok(())
}

pub(super) fn other_tags_than_the_entrys_do_not_hit(world: &World<'_>) -> Found {
    let (t, u) = (world.tags(&["t"]), world.tags(&["u"]));
    world.fill("t", &t)?;
    world.fill("u", &u)?;
    let both = world.tags(&["t", "u"]);
    ensure!(
        !world.hits("t", &both)?,
        "an entry hits for more tags than its own"
    );
    ensure!(
        !world.hits("t", &u)?,
        "an entry hits for other tags than its own"
    );
    world.fill("both", &both)?;
    let turned = world.tags(&["u", "t"]);
    ensure!(
        !world.hits("both", &turned)?,
        "an entry hits for its tags in another order"
    );
    Ok(())
}

pub(super) fn an_entry_without_tags_is_found(world: &World<'_>) -> Found {
    world.fill("k", &world.tags(&[]))?;
    world.backend.renew(&[])?;
    ensure!(
        world.hits("k", &[])?,
        "an entry without tags was invalidated"
    );
    Ok(())
}

pub(super) fn recall_finds_an_entry_and_its_own_tags(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u"]);
    let none = world.backend.recall(&key("k"), &[])?;
    ensure!(
        none.entry.is_none() && none.states.is_empty(),
        "recalled what is not there"
    );
    world.fill("k", &tags)?;
    let recalled = world.backend.recall(&key("k"), &[])?;
    ensure!(
        matches!(judge(recalled, &tags), Judgement::Hit(_)),
        "an entry is not recalled"
    );
    let writer = world.quarantine(&tags[1..])?;
    let states = world.backend.recall(&key("k"), &[])?.states;
    ensure!(
        matches!(states[..], [TagState::Clean(_), TagState::Quarantined] | []),
        "one of two tags is quarantined: {states:?}"
    );
    world.backend.lift(writer, &tags[1..], Lift::Renew)?;
    let recalled = world.backend.recall(&key("k"), &[])?;
    ensure!(
        !matches!(judge(recalled, &tags), Judgement::Hit(_)),
        "recalled what has ended"
    );
    Ok(())
}

pub(super) fn keys_may_be_any_bytes(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let long = "k".repeat(100_000);
    let longer = "k".repeat(100_001);
    let names = [
        "",
        " ",
        "\0",
        "\0\0",
        "a",
        "A",
        "a\r\nFLUSHALL\r\n",
        "{a}",
        "{b}",
        "{}",
        "*",
        "?",
        "[a]",
        "\u{feff}",
        "é",
        "e\u{301}",
        "\u{10ffff}",
        "a:b",
        "a/b",
        "..",
        "%00",
        "\\",
        "'",
        "\"",
        &long,
        &longer,
    ];
    for name in names {
        world.fill(name, &tags)?;
    }
    for name in names {
        ensure!(
            world.hits(name, &tags)?,
            "{:?} is gone",
            name.get(..20).unwrap_or(name)
        );
    }
    // Bytes that are no text, by way of the scope; and two keys that differ only there.
    let all: Vec<u8> = (0..=u8::MAX).collect();
    let scoped = |scope: &[u8]| {
        Key::of_value(&ValueParts {
            scope: Some(scope),
            ..ValueParts::default()
        })
    };
    let entry = world.entry(&tags, world.capture(&tags)?, b"scoped");
    world.backend.put(scoped(&all), entry, None)?;
    ensure!(
        matches!(world.look(&scoped(&all), &tags)?, Judgement::Hit(_)),
        "a key of all bytes is not found"
    );
    ensure!(
        !matches!(world.look(&scoped(&all[1..]), &tags)?, Judgement::Hit(_)),
        "a key of all bytes but one is found"
    );
    Ok(())
}

pub(super) fn entries_of_every_size_are_whole(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let mut sizes = vec![0, 1, 63, 64, 65, 1023];
    sizes.extend((10..=24).flat_map(|bits| [1 << bits, (1 << bits) + 1]));
    // Neither all the same nor at random, so that it can and cannot be compressed.
    let pattern: Vec<u8> = (0..4099_usize)
        .map(|at| u8::try_from((at * at / 7 + at) % 251).unwrap_or(0))
        .collect();
    let all = pattern.repeat(LARGEST / pattern.len() + 1);
    for size in sizes.into_iter().filter(|size| *size <= LARGEST) {
        let bytes = &all[..size];
        let entry = world.entry(&tags, world.capture(&tags)?, bytes);
        let put = world.backend.put(key("k"), entry, None)?;
        match put {
            Put::Stored => ensure!(
                found(world, "k", &tags)?.as_deref() == Some(bytes),
                "an entry of {size} bytes is not what was stored"
            ),
            Put::TooLarge => {
                // What was there before may stay.
                let left = found(world, "k", &tags)?;
                ensure!(
                    left.is_none_or(|left| left.len() < size),
                    "what was refused is there"
                );
                ensure!(size > 4096, "an entry of {size} bytes is too large");
                break;
            }
            other => return Err(Broken(format!("an entry of {size} bytes was {other:?}"))),
        }
        world.backend.remove(&key("k"))?;
    }
    Ok(())
}

pub(super) fn a_late_fill_is_refused(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u"]);
    for write in [true, false] {
        let vector = world.capture(&tags)?;
        if write {
            world.write(&tags[1..])?;
        } else {
            world.backend.renew(&tags[1..])?;
        }
        for add in [true, false] {
            let entry = world.entry(&tags, vector.clone(), b"late");
            let put = if add {
                world.backend.put_if_absent(key("k"), entry)?
            } else {
                world.backend.put(key("k"), entry, None)?
            };
            ensure!(put == Put::Outdated, "a late fill was {put:?}");
            ensure!(found(world, "k", &tags)?.is_none(), "a late fill is served");
        }
    }
    Ok(())
}

pub(super) fn a_fill_during_a_quarantine_is_refused(world: &World<'_>) -> Found {
    let tags = world.tags(&["t", "u"]);
    let vector = world.capture(&tags)?;
    let writer = world.quarantine(&tags[1..])?;
    let entry = world.entry(&tags, vector, b"early");
    let put = world.backend.put(key("k"), entry, None)?;
    ensure!(
        put == Put::Outdated,
        "a fill during a quarantine was {put:?}"
    );
    ensure!(
        found(world, "k", &tags)?.is_none(),
        "served during a quarantine"
    );
    world.backend.lift(writer, &tags, Lift::Renew)?;
    ensure!(found(world, "k", &tags)?.is_none(), "served after a write");
    Ok(())
}

pub(super) fn an_entry_is_not_added_twice(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let vector = world.capture(&tags)?;
    let add = |bytes: &[u8]| -> Result<Put, Broken> {
        let entry = world.entry(&tags, vector.clone(), bytes);
        Ok(world.backend.put_if_absent(key("k"), entry)?)
    };
    let (first, second) = (add(b"one")?, add(b"two")?);
    ensure!(first == Put::Stored, "the first was {first:?}");
    ensure!(second == Put::Present, "the second was {second:?}");
    ensure!(
        found(world, "k", &tags)?.as_deref() == Some(b"one"),
        "the first was replaced"
    );
    Ok(())
}

pub(super) fn an_entry_is_added_where_none_is_valid(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let add = |what: &str| -> Found {
        let entry = world.entry(&tags, world.capture(&tags)?, what.as_bytes());
        let put = world.backend.put_if_absent(key("k"), entry)?;
        ensure!(put == Put::Stored, "{what}: {put:?}");
        let found = found(world, "k", &tags)?;
        ensure!(
            found.as_deref() == Some(what.as_bytes()),
            "{what}: not found"
        );
        Ok(())
    };
    add("where none was")?;
    world.backend.renew(&tags)?;
    add("where one was renewed")?;
    world.backend.clear()?;
    add("after a clear")?;
    world.backend.remove(&key("k"))?;
    add("after a removal")?;
    world.backend.remove(&key("k"))?;
    put_expired(world, &tags)?;
    add("where one had expired")
}

pub(super) fn a_removed_entry_is_gone(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    world.fill("k", &tags)?;
    world.fill("other", &tags)?;
    ensure!(
        world.backend.remove(&key("k"))?,
        "a valid entry was not seen when removed"
    );
    ensure!(!world.hits("k", &tags)?, "what was removed is there");
    ensure!(!world.backend.remove(&key("k"))?, "removed twice");
    ensure!(world.hits("other", &tags)?, "another was removed");
    world.backend.renew(&tags)?;
    ensure!(
        !world.backend.remove(&key("other"))?,
        "what was invalid was seen when removed"
    );
    put_expired(world, &tags)?;
    ensure!(
        !world.backend.remove(&key("k"))?,
        "what had expired was seen when removed"
    );
    Ok(())
}

pub(super) fn a_touch_moves_the_end(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    ensure!(
        !world.backend.touch(&key("k"), Instant::now() + HOUR)?,
        "nothing was touched"
    );
    world.fill("k", &tags)?;
    for hours in [3, 2] {
        let end = Instant::now() + HOUR * hours;
        ensure!(
            world.backend.touch(&key("k"), end)?,
            "a valid entry was not touched"
        );
        let entry = entry(world, "k", &tags)?;
        ensure!(
            is_near(entry.expires_at, end),
            "a touch did not move the end"
        );
        ensure!(world.hits("k", &tags)?, "a touch changed an entry");
    }
    Ok(())
}

pub(super) fn a_touch_moves_no_end_past_the_latest(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let latest = Instant::now() + HOUR * 2;
    let mut stored = world.entry(&tags, world.capture(&tags)?, b"k");
    stored.not_after = Some(latest);
    world.backend.put(key("k"), stored, None)?;
    ensure!(
        world.backend.touch(&key("k"), Instant::now() + HOUR * 3)?,
        "a valid entry was not touched"
    );
    let entry = entry(world, "k", &tags)?;
    ensure!(
        is_near(entry.expires_at, latest),
        "an end was moved past the latest"
    );
    Ok(())
}

pub(super) fn a_touch_revives_nothing(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let later = Instant::now() + HOUR;
    put_expired(world, &tags)?;
    ensure!(
        !world.backend.touch(&key("k"), later)?,
        "what had expired was touched"
    );
    ensure!(!world.hits("k", &tags)?, "a touch revived what had expired");
    world.backend.remove(&key("k"))?;
    world.fill("k", &tags)?;
    let writer = world.quarantine(&tags)?;
    ensure!(
        !world.backend.touch(&key("k"), later)?,
        "what was quarantined was touched"
    );
    world.backend.lift(writer, &tags, Lift::Renew)?;
    ensure!(
        !world.backend.touch(&key("k"), later)?,
        "what was renewed was touched"
    );
    ensure!(!world.hits("k", &tags)?, "a touch revived what was renewed");
    Ok(())
}

pub(super) fn times_cross_the_store(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let now = Instant::now();
    let mut stored = world.entry(&tags, world.capture(&tags)?, b"k");
    stored.expires_at = now + HOUR;
    stored.lifetime = HOUR + Duration::from_secs(600);
    stored.stale_until = now + HOUR * 2;
    stored.not_after = Some(now + HOUR * 3);
    world.backend.put(key("k"), stored.clone(), None)?;
    let found = entry(world, "k", &tags)?;
    ensure!(
        is_near(found.expires_at, stored.expires_at),
        "its end changed"
    );
    ensure!(
        is_near(found.stale_until, stored.stale_until),
        "its staleness changed"
    );
    let latest = found.not_after.zip(stored.not_after);
    ensure!(
        latest.is_some_and(|(a, b)| is_near(a, b)),
        "its latest end changed"
    );
    ensure!(
        found.lifetime.abs_diff(stored.lifetime) < TOLERANCE,
        "its lifetime became {:?}",
        found.lifetime
    );
    stored.not_after = None;
    world.backend.put(key("k"), stored, None)?;
    ensure!(
        entry(world, "k", &tags)?.not_after.is_none(),
        "a latest end came from nowhere"
    );
    Ok(())
}

pub(super) fn a_purge_forgets_what_was_to_be_removed(world: &World<'_>) -> Found {
    let (t, u) = (world.tags(&["t"]), world.tags(&["u"]));
    let both = world.tags(&["t", "u"]);
    let put = |name: &str, on: &Arc<[Tag]>, with: &Arc<[Tag]>| -> Found {
        let mut entry = world.entry(on, world.capture(on)?, name.as_bytes());
        entry.removed_with = Arc::clone(with);
        let put = world.backend.put(key(name), entry, None)?;
        ensure!(put == Put::Stored, "{name}: {put:?}");
        ensure!(world.hits(name, on)?, "{name} is not found");
        Ok(())
    };
    put("with t", &both, &t)?;
    put("with both", &both, &both)?;
    put("with u", &u, &u)?;
    world.fill("stays", &both)?;
    world.backend.renew(&t)?;
    world.backend.purge(&t[0])?;
    for name in ["with t", "with both"] {
        ensure!(
            world.backend.recall(&key(name), &[])?.entry.is_none(),
            "{name:?} was not purged"
        );
    }
    ensure!(
        world.hits("with u", &u)?,
        "what is removed with another tag was purged"
    );
    // Also what is stored anew, and replaced by what is not to be removed.
    put("with t", &both, &t)?;
    put("with both", &both, &world.tags(&[]))?;
    world.backend.purge(&t[0])?;
    ensure!(
        !world.hits("with t", &both)?,
        "what was stored anew was not purged"
    );
    ensure!(
        world.hits("with both", &both)?,
        "what was replaced was purged"
    );
    Ok(())
}

pub(super) fn a_clear_ends_all_entries_and_late_fills(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let none = world.tags(&[]);
    world.fill("k", &tags)?;
    world.fill("without tags", &none)?;
    let vector = world.capture(&tags)?;
    world.backend.clear()?;
    ensure!(!world.hits("k", &tags)?, "an entry outlived a clear");
    ensure!(
        !world.hits("without tags", &none)?,
        "an entry without tags outlived a clear"
    );
    let put = world
        .backend
        .put(key("k"), world.entry(&tags, vector, b"k"), None)?;
    ensure!(
        put == Put::Outdated,
        "a fill from before a clear was {put:?}"
    );
    ensure!(
        !world.hits("k", &tags)?,
        "a fill from before a clear is served"
    );
    world.fill("k", &tags)
}

pub(super) fn a_clear_leaves_quarantines(world: &World<'_>) -> Found {
    let tags = world.tags(&["t"]);
    let writer = world.quarantine(&tags)?;
    world.backend.clear()?;
    ensure!(world.is_quarantined(&tags)?, "a clear ended a quarantine");
    world.backend.lift(writer, &tags, Lift::Renew)?;
    ensure!(
        !world.is_quarantined(&tags)?,
        "a lift does not end a quarantine after a clear"
    );
    Ok(())
}

/// What a read would be answered with.
fn found(world: &World<'_>, name: &str, tags: &[Tag]) -> Result<Option<Vec<u8>>, Broken> {
    match world.look(&key(name), tags)? {
        Judgement::Hit(entry) => Ok(content(&entry.payload)),
        _ => Ok(None),
    }
}

/// The valid entry of that name.
fn entry(world: &World<'_>, name: &str, tags: &[Tag]) -> Result<Entry, Broken> {
    let ask = key(name);
    let fetched = world
        .backend
        .fetch(&Ask::entry(&ask, tags, world.databases()))?;
    match judge(fetched, tags) {
        Judgement::Hit(entry) => Ok(entry),
        other => Err(Broken(format!("{name:?} is not found: {other:?}"))),
    }
}

/// Stores an entry that has expired under the key `k`; a store may drop it at once.
fn put_expired(world: &World<'_>, tags: &Arc<[Tag]>) -> Found {
    let mut entry = world.entry(tags, world.capture(tags)?, b"k");
    let Some(past) = Instant::now().checked_sub(Duration::from_secs(1)) else {
        return Ok(());
    };
    entry.expires_at = past;
    entry.stale_until = past;
    world.backend.put(key("k"), entry, None)?;
    ensure!(
        !world.hits("k", tags)?,
        "an entry came back younger than it was"
    );
    Ok(())
}
