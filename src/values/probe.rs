//! What a type reads. Bytes are only read by a type of the same shape as wrote them. And a type that
//! reads fields which it never writes does not come back, but with their defaults, and no
//! comparison of what it tells serde could see that.
//!
//! A derived `Deserialize` names the fields of each struct before it is given any. So a type is
//! asked to read itself from a deserializer that has nothing, and notes what it is asked for. From
//! a struct it goes on to the type of each field, since the fields of a map may come in any order.
//! What it cannot get into (the second part of a tuple, what a type writes otherwise than it is)
//! stays unknown.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

/// The name of a struct in serde, or of an enum and of a variant with fields.
pub(super) type Name = (&'static str, &'static str);

/// The fields that each struct reads.
pub(super) type Fields = BTreeMap<Name, BTreeSet<&'static str>>;

/// How many ways are tried, for a type of many types.
const MOST_WAYS: usize = 1000;

/// How deep a way goes, for a type that holds itself.
const DEEPEST: usize = 64;

/// What a type reads, as far as it can be told.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) fields: Fields,
    /// A digest of all that it asked for: names and their order, and what kind each part is of.
    pub(super) digest: [u8; 32],
}

/// What a value of this type reads.
pub(super) fn shape<T: DeserializeOwned>() -> Shape {
    let asked = RefCell::new(blake3::Hasher::new());
    let mut fields = Fields::new();
    let mut enums = BTreeSet::new();
    let mut ways = VecDeque::from([Vec::new()]);
    for _ in 0..MOST_WAYS {
        let Some(way) = ways.pop_front() else { break };
        let probe = Probe {
            way: &way,
            left: DEEPEST,
            asked: &asked,
        };
        let Err(Stop(Some(at))) = T::deserialize(probe) else {
            continue;
        };
        // What was met before holds nothing new.
        let turns = match at {
            At::Struct(name, names) => {
                if fields.contains_key(&name) {
                    continue;
                }
                fields.insert(name, names.iter().copied().collect());
                names.len()
            }
            At::Enum(name, variants) => {
                if !enums.insert(name) {
                    continue;
                }
                variants.len()
            }
        };
        ways.extend((0..turns).map(|turn| [&way[..], &[turn]].concat()));
    }
    let digest = asked.borrow().finalize().into();
    Shape { fields, digest }
}

/// Where a type was when its way ended.
#[derive(Debug, Clone, Copy)]
enum At {
    Struct(Name, &'static [&'static str]),
    Enum(&'static str, &'static [&'static str]),
}

/// The end of a way.
#[derive(Debug)]
struct Stop(Option<At>);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is nothing to read")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(None)
    }
}

/// Has nothing to read, and is on its way into a type: at each struct and enum, the way says
/// which field or variant it goes into.
#[derive(Debug, Clone, Copy)]
struct Probe<'w> {
    way: &'w [usize],
    /// How many levels it may go down.
    left: usize,
    /// All that was asked for.
    asked: &'w RefCell<blake3::Hasher>,
}

impl<'w> Probe<'w> {
    fn note(self, kind: &str, names: &[&str]) -> Self {
        let mut asked = self.asked.borrow_mut();
        asked.update(&(names.len() as u64).to_le_bytes());
        for text in std::iter::once(&kind).chain(names) {
            asked.update(&(text.len() as u64).to_le_bytes());
            asked.update(text.as_bytes());
        }
        self
    }

    fn down(self) -> Result<Self, Stop> {
        let left = self.left.checked_sub(1).ok_or(Stop(None))?;
        Ok(Self { left, ..self })
    }

    /// Which of the names the way goes into, and what is left of it.
    fn turn(self, at: At, names: &[&'static str]) -> Result<(&'static str, Self), Stop> {
        let [turn, way @ ..] = self.way else {
            return Err(Stop(Some(at)));
        };
        let name = names.get(*turn).ok_or(Stop(None))?;
        Ok((
            name,
            Self {
                way,
                ..self.down()?
            },
        ))
    }

    fn parts(self) -> Result<One<'w>, Stop> {
        Ok(One {
            names: ("", ""),
            value: Some(self.down()?),
        })
    }

    fn fields<'de, V: Visitor<'de>>(
        self,
        name: Name,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let (field, rest) = self.turn(At::Struct(name, fields), fields)?;
        visitor.visit_map(One {
            names: ("", field),
            value: Some(rest),
        })
    }
}

/// What there is nothing of, noted by its method.
macro_rules! kinds {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
            self.note(stringify!($method), &[]);
            Err(Stop(None))
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Stop;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self.note("option", &[]).down()?)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self.note("newtype", &[]).down()?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_seq(self.note("sequence", &[]).parts()?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let kind = format!("tuple of {length}");
        visitor.visit_seq(self.note(&kind, &[]).parts()?)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_map(self.note("map", &[]).parts()?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.note(name, fields).fields((name, ""), fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let probe = self.note(name, variants);
        let (variant, rest) = probe.turn(At::Enum(name, variants), variants)?;
        visitor.visit_enum(One {
            names: (name, variant),
            value: Some(rest),
        })
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    kinds! {
        deserialize_bool deserialize_char deserialize_str deserialize_string
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_bytes deserialize_byte_buf deserialize_unit
        deserialize_identifier deserialize_ignored_any deserialize_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: V,
    ) -> Result<V::Value, Stop> {
        self.note(name, &[]);
        Err(Stop(None))
    }
}

/// One part of something. There is never a second: what could be made from nothing would be made
/// without end.
#[derive(Debug)]
struct One<'w> {
    names: Name,
    value: Option<Probe<'w>>,
}

impl<'w> One<'w> {
    fn value(&mut self) -> Result<Probe<'w>, Stop> {
        self.value.take().ok_or(Stop(None))
    }
}

/// Reads the name of a field or variant.
fn read_name<'de, S: DeserializeSeed<'de>>(name: &'static str, seed: S) -> Result<S::Value, Stop> {
    let name: StrDeserializer<'_, Stop> = name.into_deserializer();
    seed.deserialize(name)
}

/// The key of a map: a number if it is to be one, else a text.
struct Blank;

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            visitor.visit_u64(0)
        })*
    };
}

impl<'de> Deserializer<'de> for Blank {
    type Error = Stop;

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_str("")
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple tuple_struct
        map struct enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        seed.deserialize(self.value()?).map(Some)
    }
}

impl<'de> MapAccess<'de> for One<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        match self.value {
            Some(_) if self.names.1.is_empty() => seed.deserialize(Blank).map(Some),
            Some(_) => read_name(self.names.1, seed).map(Some),
            None => Err(Stop(None)),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        seed.deserialize(self.value()?)
    }
}

impl<'de> EnumAccess<'de> for One<'_> {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Stop> {
        Ok((read_name(self.names.1, seed)?, self))
    }
}

impl<'de> VariantAccess<'de> for One<'_> {
    type Error = Stop;

    fn unit_variant(mut self) -> Result<(), Stop> {
        self.value()?.note("unit variant", &[]);
        Err(Stop(None))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<S::Value, Stop> {
        seed.deserialize(self.value()?.note("newtype variant", &[]))
    }

    fn tuple_variant<V: Visitor<'de>>(
        mut self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.value()?.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let probe = self.value()?.note(self.names.1, fields);
        probe.fields(self.names, fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "read by serde alone")]
    struct Outer {
        a: i32,
        #[serde(default)]
        inner: Option<Vec<Inner>>,
        map: HashMap<String, Choice>,
        #[serde(skip)]
        skipped: i32,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "read by serde alone")]
    struct Inner {
        b: (Leaf, i32),
        again: Option<Box<Outer>>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "read by serde alone")]
    struct Leaf {
        c: (),
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "read by serde alone")]
    enum Choice {
        Unit,
        Wrapped(Box<Choice>),
        Fields { d: Deep },
        Two(Deep, Deep),
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "read by serde alone")]
    struct Deep(Vec<Deep>);

    /// Can be made from nothing.
    struct Free;

    impl<'de> Deserialize<'de> for Free {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "read by serde alone")]
    struct Frees {
        list: Vec<Free>,
        map: Vec<HashMap<String, Free>>,
    }

    fn fields<T: DeserializeOwned>() -> Vec<(Name, Vec<&'static str>)> {
        let all = shape::<T>().fields.into_iter();
        all.map(|(name, fields)| (name, fields.into_iter().collect()))
            .collect()
    }

    #[test]
    fn the_fields_of_all_structs_are_found() {
        let expected = [
            (("Choice", "Fields"), vec!["d"]),
            (("Inner", ""), vec!["again", "b"]),
            (("Leaf", ""), vec!["c"]),
            (("Outer", ""), vec!["a", "inner", "map"]),
        ];
        assert_eq!(fields::<Outer>(), expected);
        assert_eq!(fields::<HashMap<u64, Vec<Option<Outer>>>>(), expected);
        assert_eq!(fields::<Box<Outer>>(), expected);
    }

    #[test]
    fn types_without_end_come_to_one() {
        assert!(fields::<Deep>().is_empty());
        assert!(fields::<Vec<Free>>().is_empty());
        assert_eq!(fields::<Frees>(), [(("Frees", ""), vec!["list", "map"])]);
        assert!(fields::<i32>().is_empty());
    }
}
