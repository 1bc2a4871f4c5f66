//! The bytes of entries, whole and damaged.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::key::{Key, ValueParts};

fn digest(name: &str) -> Digest {
    Digest::of(&Key::of_value(&ValueParts {
        name,
        ..ValueParts::default()
    }))
}

fn tags(names: &[&str]) -> Arc<[Tag]> {
    names.iter().map(|name| Tag::label(name)).collect()
}

fn entry(payload: &[u8]) -> Entry {
    let now = Instant::now();
    Entry {
        tags: tags(&["a", "b", "c"]),
        vector: Vector {
            nonce: Nonce::fresh(),
            tokens: (0..3).map(|_| Token::fresh()).collect(),
        },
        payload: Payload::Bytes(payload.into()),
        weight: 4711,
        expires_at: now + Duration::from_secs(60),
        lifetime: Duration::from_millis(61_234),
        stale_until: now + Duration::from_secs(90),
        not_after: Some(now + Duration::from_secs(600)),
        removed_with: tags(&["x", "y"]),
    }
}

fn key(byte: u8) -> SealKey {
    SealKey::from_hex(&format!("{byte:02x}").repeat(32)).unwrap()
}

fn plain() -> Wire {
    Wire::new(None, 100, 1 << 20)
}

fn sealed(byte: u8) -> Wire {
    Wire::new(Some(&key(byte)), 100, 1 << 20)
}

fn payload(entry: &Entry) -> &[u8] {
    match &entry.payload {
        Payload::Bytes(bytes) => bytes,
        Payload::Typed(_) => panic!("typed"),
    }
}

/// Everything but the moments, and these to the millisecond.
fn same(a: &Entry, b: &Entry) -> bool {
    let near = |a: Instant, b: Instant| a.max(b) - a.min(b) <= Duration::from_millis(2);
    let near_if = |a: Option<Instant>, b: Option<Instant>| match (a, b) {
        (Some(a), Some(b)) => near(a, b),
        (None, None) => true,
        _ => false,
    };
    a.tags == b.tags
        && a.vector == b.vector
        && payload(a) == payload(b)
        && a.weight == b.weight
        && near(a.expires_at, b.expires_at)
        && a.lifetime == b.lifetime
        && near(a.stale_until, b.stale_until)
        && near_if(a.not_after, b.not_after)
        && a.removed_with == b.removed_with
}

#[test]
fn an_entry_comes_back_as_it_was() {
    let clock = Clock::now();
    for wire in [plain(), sealed(1)] {
        for length in [0, 1, 99, 100, 101, 5000] {
            let mut stored = entry(&vec![7; length]);
            for _ in 0..2 {
                let bytes = wire.encode(&digest("k"), &stored, clock).unwrap();
                let found = wire.decode(&digest("k"), &bytes, clock).unwrap();
                assert!(same(&stored, &found), "{length}: {stored:?} {found:?}");
                stored.not_after = None;
            }
        }
    }
}

#[test]
fn what_saves_an_eighth_is_compressed() {
    let wire = plain();
    let length = |payload: &[u8]| {
        let bytes = wire.encode(&digest("k"), &entry(payload), Clock::now());
        bytes.unwrap().len()
    };
    assert!(length(&[7; 100]) > length(&[7; 5000]));
    let noise: Vec<u8> = (0..5000).map(|_| rand::random()).collect();
    assert_eq!(length(&noise), length(&[]) + 5000);
}

#[test]
fn nothing_shows_in_a_sealed_entry_and_no_two_are_alike() {
    let wire = sealed(1);
    let secret = b"the rows of the customers";
    let one = wire
        .encode(&digest("k"), &entry(secret), Clock::now())
        .unwrap();
    let shows = |bytes: &[u8]| bytes.windows(8).any(|part| part == &secret[..8]);
    assert!(!shows(&one));
    let open = plain().encode(&digest("k"), &entry(secret), Clock::now());
    assert!(shows(&open.unwrap()));
    let stored = entry(secret);
    let twice = || wire.encode(&digest("k"), &stored, Clock::now()).unwrap();
    let (one, two) = (twice(), twice());
    assert_ne!(
        one[one.len() - secret.len()..],
        two[two.len() - secret.len()..]
    );
}

#[test]
fn another_key_of_either_kind_reads_nothing() {
    let clock = Clock::now();
    let stored = entry(b"rows");
    for wire in [plain(), sealed(1)] {
        let bytes = wire.encode(&digest("k"), &stored, clock).unwrap();
        assert!(wire.decode(&digest("l"), &bytes, clock).is_none());
        assert!(sealed(2).decode(&digest("k"), &bytes, clock).is_none());
    }
    let bytes = sealed(1).encode(&digest("k"), &stored, clock).unwrap();
    assert!(plain().decode(&digest("k"), &bytes, clock).is_none());
    let bytes = plain().encode(&digest("k"), &stored, clock).unwrap();
    assert!(sealed(1).decode(&digest("k"), &bytes, clock).is_none());
}

#[test]
fn a_flipped_bit_and_a_cut_are_found() {
    let clock = Clock::now();
    for wire in [plain(), sealed(1)] {
        for length in [40, 3000] {
            let bytes = wire
                .encode(&digest("k"), &entry(&vec![5; length]), clock)
                .unwrap();
            for at in 0..bytes.len() {
                assert!(wire.decode(&digest("k"), &bytes[..at], clock).is_none());
                for bit in 0..8 {
                    let mut flipped = bytes.clone();
                    flipped[at] ^= 1 << bit;
                    let found = wire.decode(&digest("k"), &flipped, clock);
                    assert!(found.is_none(), "byte {at}, bit {bit}");
                }
            }
            let longer = [&*bytes, &[0]].concat();
            assert!(wire.decode(&digest("k"), &longer, clock).is_none());
        }
    }
}

#[test]
fn the_end_may_be_replaced_up_to_the_limit() {
    let clock = Clock::now();
    let ends_at = |wire: &Wire, seconds: u64| {
        let mut bytes = wire.encode(&digest("k"), &entry(b"rows"), clock).unwrap();
        let to = clock.unix() + seconds * 1000;
        bytes[EXPIRY].copy_from_slice(&wire.expiry(&digest("k"), to));
        let found = wire.decode(&digest("k"), &bytes, clock).unwrap();
        clock.to_unix(found.expires_at).abs_diff(clock.unix()) / 1000
    };
    for wire in [plain(), sealed(1)] {
        assert_eq!(ends_at(&wire, 10), 10);
        assert_eq!(ends_at(&wire, 500), 500);
        assert!(ends_at(&wire, 5000) <= 600);
    }
    // Not by who does not have the key, nor with another entry's.
    let mut bytes = sealed(1)
        .encode(&digest("k"), &entry(b"rows"), clock)
        .unwrap();
    for field in [
        plain().expiry(&digest("k"), clock.unix()),
        sealed(2).expiry(&digest("k"), clock.unix()),
        sealed(1).expiry(&digest("l"), clock.unix()),
    ] {
        bytes[EXPIRY].copy_from_slice(&field);
        assert!(sealed(1).decode(&digest("k"), &bytes, clock).is_none());
    }
}

/// A valid checksum over a length that is not that of the payload.
#[test]
fn a_length_is_bounded_before_anything_is_allocated() {
    let clock = Clock::now();
    for length in [u32::MAX, 1 << 21, 5001, 4999, 0] {
        let wire = plain();
        let mut bytes = wire
            .encode(&digest("k"), &entry(&[7; 5000]), clock)
            .unwrap();
        bytes[60..64].copy_from_slice(&length.to_be_bytes());
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&bytes[..4])
            .update(&bytes[20..112])
            .update(&bytes[128..]);
        bytes[112..128].copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        assert!(
            wire.decode(&digest("k"), &bytes, clock).is_none(),
            "{length}"
        );
    }
}

#[test]
fn what_is_too_large_or_typed_is_not_written() {
    let wire = Wire::new(None, 100, 1000);
    let clock = Clock::now();
    assert!(wire.encode(&digest("k"), &entry(&[0; 1000]), clock).is_ok());
    assert_eq!(
        wire.encode(&digest("k"), &entry(&[0; 1001]), clock),
        Err(Unwritable)
    );
    let mut typed = entry(b"");
    typed.payload = Payload::Typed(Arc::new(5));
    assert_eq!(wire.encode(&digest("k"), &typed, clock), Err(Unwritable));
    // Written by somebody who allows more.
    let bytes = plain()
        .encode(&digest("k"), &entry(&[0; 1001]), clock)
        .unwrap();
    assert!(wire.decode(&digest("k"), &bytes, clock).is_none());
}

#[test]
fn a_key_is_hexadecimal_and_never_shown() {
    assert!(SealKey::from_hex("0F".repeat(32).as_str()).is_some());
    for text in [
        "",
        "0f",
        &"0g".repeat(32),
        &"é".repeat(32),
        &"+f".repeat(32),
    ] {
        assert!(SealKey::from_hex(text).is_none(), "{text}");
    }
    let shown = format!("{:?} {:?}", key(0xab), sealed(0xab));
    assert!(!shown.contains("171") && !shown.contains("ab, "), "{shown}");
}

fn wires() -> impl Strategy<Value = Wire> {
    any::<bool>().prop_map(|keyed| if keyed { sealed(1) } else { plain() })
}

proptest! {
    #[test]
    fn any_entry_comes_back(
        wire in wires(),
        payload in proptest::collection::vec(any::<u8>(), 0..600),
        repeat in 1_usize..20,
    ) {
        let clock = Clock::now();
        let stored = entry(&payload.repeat(repeat));
        let bytes = wire.encode(&digest("k"), &stored, clock).unwrap();
        prop_assert!(same(&stored, &wire.decode(&digest("k"), &bytes, clock).unwrap()));
    }

    #[test]
    fn any_bytes_are_none(wire in wires(), bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(wire.decode(&digest("k"), &bytes, Clock::now()).is_none());
        let begun = [b"dcE\x01".as_slice(), &bytes].concat();
        prop_assert!(wire.decode(&digest("k"), &begun, Clock::now()).is_none());
    }

    #[test]
    fn any_change_is_found(
        wire in wires(),
        length in 0_usize..700,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let clock = Clock::now();
        let bytes = wire.encode(&digest("k"), &entry(&vec![3; length]), clock).unwrap();
        let mut changed = bytes.clone();
        for (at, byte) in changes {
            let at = at.index(changed.len());
            changed[at] = byte;
        }
        prop_assume!(changed != bytes);
        prop_assert!(wire.decode(&digest("k"), &changed, clock).is_none());
    }

    #[test]
    fn any_packed_bytes_unpack_or_do_not(packed in proptest::collection::vec(any::<u8>(), 0..300), length in 0_usize..5000) {
        let _ = pack::decompress(&packed, length);
    }
}
