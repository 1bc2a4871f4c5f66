#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Debug;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const CODECS: [Codec; 2] = [Codec::Msgpack, Codec::Postcard];

fn held<T>(value: T) -> Held<T> {
    Held {
        value,
        tables: BTreeSet::from(["posts".into(), "users".into()]),
        settings: Some([7; 32]),
    }
}

#[track_caller]
fn back<T: CacheValue>(value: &T, codec: Codec) -> T {
    let held = held(value.clone());
    let bytes = held.encode(codec, 1 << 20).unwrap();
    let back = Held::<T>::decode(&bytes, codec).unwrap();
    assert_eq!((back.tables, back.settings), (held.tables, held.settings));
    back.value
}

#[track_caller]
fn comes_back<T: CacheValue + PartialEq + Debug>(value: T) {
    for codec in CODECS {
        assert_eq!(back(&value, codec), value, "{codec:?}");
    }
}

#[track_caller]
fn refused<T: CacheValue>(value: T, codec: Codec) -> Unfit {
    held(value).encode(codec, 1 << 20).unwrap_err()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Page {
    id: i64,
    title: String,
    body: Option<String>,
    tags: Vec<Tag>,
    by_name: HashMap<String, u64>,
    seen: HashSet<u32>,
    pair: (f64, [u8; 3]),
    nothing: (),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Tag {
    Plain,
    Named(String),
    Both(i32, i32),
    Struct { a: u8, b: Box<Tag> },
}

fn page() -> Page {
    Page {
        id: i64::MIN,
        title: "á\0€".to_owned(),
        body: None,
        tags: vec![
            Tag::Plain,
            Tag::Named(String::new()),
            Tag::Both(-1, 1),
            Tag::Struct {
                a: 255,
                b: Box::new(Tag::Plain),
            },
        ],
        by_name: (0..50).map(|n| (n.to_string(), u64::MAX - n)).collect(),
        seen: (0..50).collect(),
        pair: (-0.0, [1, 2, 3]),
        nothing: (),
    }
}

#[test]
fn what_serde_describes_comes_back() {
    comes_back(page());
    comes_back(vec![page(); 3]);
    comes_back(Some(page()));
    comes_back(());
    comes_back(None::<i32>);
    comes_back(Vec::<Page>::new());
    comes_back(BTreeMap::from([(i64::MIN, 'x'), (0, '€')]));
    comes_back((
        i8::MIN,
        u8::MAX,
        i16::MIN,
        u16::MAX,
        i32::MIN,
        u32::MAX,
        u64::MAX,
        f32::MIN,
    ));
    comes_back(std::net::IpAddr::from([127, 0, 0, 1]));
    comes_back(std::time::Duration::MAX);
    comes_back("x".repeat(100_000));
}

#[test]
fn a_not_a_number_comes_back_as_itself() {
    for codec in CODECS {
        for number in [
            f64::NAN,
            -f64::NAN,
            f64::from_bits(0x7ff0_0000_0000_0001),
            f64::INFINITY,
            -0.0,
        ] {
            assert_eq!(back(&number, codec).to_bits(), number.to_bits());
            assert_eq!(
                back(&vec![Some(number)], codec)[0].unwrap().to_bits(),
                number.to_bits()
            );
        }
        let single = f32::from_bits(0x7f80_0001);
        assert_eq!(back(&single, codec).to_bits(), single.to_bits());
    }
}

#[test]
fn nothing_in_something_is_refused_where_it_would_be_lost() {
    assert_eq!(refused(Some(None::<i32>), Codec::Msgpack), Unfit::Lossy);
    assert_eq!(
        refused(vec![(1, Some(None::<i32>))], Codec::Msgpack),
        Unfit::Lossy
    );
    // Other values of the type are not lost.
    assert_eq!(back(&Some(Some(1)), Codec::Msgpack), Some(Some(1)));
    assert_eq!(back(&None::<Option<i32>>, Codec::Msgpack), None);
    assert_eq!(back(&Some(None::<i32>), Codec::Postcard), Some(None));
}

#[test]
fn fields_that_are_renamed_one_way_are_refused() {
    #[derive(Clone, Serialize, Deserialize)]
    struct Strict {
        #[serde(rename(serialize = "a", deserialize = "b"))]
        field: i32,
    }
    #[derive(Clone, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Lenient {
        #[serde(rename(serialize = "a", deserialize = "b"))]
        field: i32,
    }
    assert_eq!(refused(Strict { field: 1 }, Codec::Msgpack), Unfit::Lossy);
    assert_eq!(refused(Lenient { field: 1 }, Codec::Msgpack), Unfit::Lossy);
}

#[test]
fn fields_that_are_skipped_for_a_reason_come_back() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Sparse {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        a: Option<i32>,
        b: i32,
        #[serde(flatten)]
        rest: BTreeMap<String, i32>,
    }
    for a in [None, Some(1)] {
        let rest = BTreeMap::from([("c".to_owned(), 3)]);
        let sparse = Sparse { a, b: 2, rest };
        assert_eq!(back(&sparse, Codec::Msgpack), sparse);
        // A positional codec cannot: it says so instead of mixing up fields.
        assert_ne!(refused(sparse, Codec::Postcard), Unfit::TooLarge);
    }
    // Skipped, and another value by default.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Odd {
        #[serde(default = "five", skip_serializing_if = "is_zero")]
        a: i32,
    }
    fn five() -> i32 {
        5
    }
    fn is_zero(number: &i32) -> bool {
        *number == 0
    }
    assert_eq!(back(&Odd { a: 1 }, Codec::Msgpack), Odd { a: 1 });
    assert_eq!(refused(Odd { a: 0 }, Codec::Msgpack), Unfit::Lossy);
}

#[test]
fn a_field_that_is_never_written_and_must_be_read_is_refused() {
    #[derive(Clone, Serialize, Deserialize)]
    #[allow(dead_code, reason = "read by serde alone")]
    struct Secret {
        name: String,
        #[serde(skip_serializing)]
        password: String,
    }
    for codec in CODECS {
        let secret = Secret {
            name: "a".to_owned(),
            password: "b".to_owned(),
        };
        assert_eq!(refused(secret, codec), Unfit::Lossy);
    }
}

#[test]
fn a_field_that_is_never_written_and_has_a_default_is_refused() {
    #[derive(Clone, Serialize, Deserialize)]
    #[allow(dead_code, reason = "read by serde alone")]
    struct Secret {
        name: String,
        #[serde(skip_serializing, default)]
        password: String,
    }
    #[derive(Clone, Serialize, Deserialize)]
    enum Holder {
        Nobody,
        One {
            secrets: Vec<Option<Secret>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            next: Option<Box<Holder>>,
        },
    }
    let one = |secrets| Holder::One {
        secrets,
        next: None,
    };
    let secret = || Secret {
        name: String::new(),
        password: "b".to_owned(),
    };
    let codec = Codec::Msgpack;
    assert_eq!(refused(secret(), codec), Unfit::Lossy);
    // Where it is not, there is nothing to lose.
    for _ in 0..2 {
        assert!(held(Holder::Nobody).encode(codec, 999).is_ok());
        assert!(held(one(vec![None])).encode(codec, 999).is_ok());
        assert_eq!(refused(one(vec![Some(secret())]), codec), Unfit::Lossy);
    }
}

#[test]
fn a_type_that_reads_other_names_too_is_refused() {
    // It cannot be told from one with a field that is never written.
    #[derive(Clone, Serialize, Deserialize)]
    struct Aliased {
        #[serde(alias = "b")]
        a: i32,
    }
    assert_eq!(refused(Aliased { a: 1 }, Codec::Msgpack), Unfit::Lossy);
}

#[test]
fn untagged_values_come_back_or_are_refused() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Small(u8),
        Large(i64),
        Text(String),
    }
    for value in [
        Either::Small(1),
        Either::Large(-1),
        Either::Text("x".to_owned()),
    ] {
        assert_eq!(back(&value, Codec::Msgpack), value);
        assert_eq!(refused(value, Codec::Postcard), Unfit::Lossy);
    }
    // Read as the first that fits.
    assert_eq!(refused(Either::Large(1), Codec::Msgpack), Unfit::Lossy);
}

#[test]
fn what_is_too_large_or_does_not_serialize_says_so() {
    for codec in CODECS {
        let text = "x".repeat(100);
        assert_eq!(held(text.clone()).encode(codec, 50), Err(Unfit::TooLarge));
        assert!(held(text).encode(codec, 110).is_ok());
    }
    #[derive(Clone, Deserialize)]
    struct Stubborn;
    impl Serialize for Stubborn {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    assert_eq!(refused(Stubborn, Codec::Msgpack), Unfit::Unserializable);
}

#[test]
fn a_value_that_is_nested_too_deep_is_refused() {
    #[derive(Clone, Serialize, Deserialize)]
    struct Deep(Vec<Deep>);
    let mut deep = Deep(Vec::new());
    for _ in 0..2 * DEEPEST {
        deep = Deep(vec![deep]);
    }
    assert_eq!(refused(deep, Codec::Msgpack), Unfit::Lossy);
}

#[test]
fn bytes_of_another_type_or_codec_are_a_miss() {
    #[derive(Clone, Serialize, Deserialize)]
    struct One {
        a: i32,
    }
    #[derive(Clone, Serialize, Deserialize)]
    struct Two {
        a: i32,
    }
    for codec in CODECS {
        let bytes = held(One { a: 1 }).encode(codec, 99).unwrap();
        assert!(Held::<One>::decode(&bytes, codec).is_some_and(|held| held.value.a == 1));
        assert!(Held::<Two>::decode(&bytes, codec).is_none());
        for other in CODECS {
            assert_eq!(Held::<One>::decode(&bytes, other).is_some(), other == codec);
        }
        for length in 0..bytes.len() {
            assert!(Held::<One>::decode(&bytes[..length], codec).is_none());
        }
    }
}

/// One name, and the fields of two versions of a program.
macro_rules! version {
    ($module:ident, $($fields:tt)*) => {
        mod $module {
            #[derive(Clone, serde::Deserialize)]
            #[allow(dead_code, reason = "read by serde alone")]
            pub(super) struct Row { $($fields)* }
        }
    };
}

version! { first, a: i32, b: i32 }
version! { again, a: i32, b: i32 }
version! { swapped, b: i32, a: i32 }
version! { more, a: i32, b: i32, #[serde(default)] c: i32 }
version! { wider, a: i32, b: i64 }
version! { optional, a: i32, b: Option<i32> }

#[test]
fn a_type_with_other_fields_is_another() {
    let first = probe::shape::<first::Row>().digest;
    assert_eq!(first, probe::shape::<again::Row>().digest);
    let others = [
        probe::shape::<swapped::Row>().digest,
        probe::shape::<more::Row>().digest,
        probe::shape::<wider::Row>().digest,
        probe::shape::<optional::Row>().digest,
        probe::shape::<(first::Row, i32)>().digest,
        probe::shape::<Vec<first::Row>>().digest,
    ];
    assert!(!others.contains(&first));
    let holds = |shape: [u8; 32]| others.iter().filter(|other| **other == shape).count();
    assert!(others.iter().all(|other| holds(*other) == 1));
    for (codec, name) in CODECS
        .into_iter()
        .zip(["MessagePack with names", "postcard"])
    {
        let parts = ["a value", name, type_name::<first::Row>()];
        let parts = parts.iter().map(|part| part.as_bytes());
        let format = FORMAT.to_le_bytes();
        let parts = parts.chain([&first[..], &format[..]]);
        assert_eq!(fingerprint::<first::Row>(codec), codec::fingerprint(parts));
    }
}

#[test]
fn a_type_that_lost_a_value_is_warned_of_once() {
    // The second time takes the other way through the set of types.
    for _ in 0..2 {
        assert_eq!(
            refused(Some(Some(None::<u16>)), Codec::Msgpack),
            Unfit::Lossy
        );
    }
}

proptest! {
    #[test]
    fn whatever_is_written_comes_back(
        texts in prop::collection::hash_map(any::<String>(), any::<(Option<i64>, u32)>(), 0..20),
        bits in prop::collection::vec(any::<u64>(), 0..20),
        bytes in any::<Vec<u8>>(),
    ) {
        let value = (texts, bits.iter().map(|bits| f64::from_bits(*bits)).collect::<Vec<_>>(), bytes);
        for codec in CODECS {
            let back = back(&value, codec);
            prop_assert_eq!(&back.0, &value.0);
            prop_assert_eq!(back.1.iter().map(|n| n.to_bits()).collect::<Vec<_>>(), bits.clone());
            prop_assert_eq!(&back.2, &value.2);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>()) {
        for codec in CODECS {
            let mut sealed = fingerprint::<Page>(codec).to_vec();
            sealed.extend_from_slice(&bytes);
            let _ = Held::<Page>::decode(&sealed, codec);
            let mut whole = held(page()).encode(codec, 1 << 20).unwrap();
            let place = FINGERPRINT + at.index(whole.len() - FINGERPRINT);
            whole[place] ^= bytes.first().copied().unwrap_or(0xff);
            let _ = Held::<Page>::decode(&whole, codec);
            let content: WireHeld<'_> = (None, vec!["t"], Bytes(&bytes));
            let framed = codec::seal(fingerprint::<Page>(codec), &content).unwrap();
            let _ = Held::<Page>::decode(&framed, codec);
            let framed = codec::seal(fingerprint::<Vec<String>>(codec), &content).unwrap();
            let _ = Held::<Vec<String>>::decode(&framed, codec);
        }
    }
}
