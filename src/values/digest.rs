//! What a value says of itself to serde, summed up: so that a value that was read can be compared
//! with the one that was written, though its type need not be `PartialEq`.
//!
//! Finer than the bytes of a codec, in which `Some(None)` may look like `None`. The order of maps
//! and sequences does not count, since that of a `HashMap` and a `HashSet` is another in each.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::collections::hash_map::{DefaultHasher, RandomState};
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};

use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use crate::values::probe::{Fields, Name};

/// Makes digests that can be compared with each other.
#[derive(Debug, Default)]
pub(super) struct Digester {
    state: RandomState,
    /// What structs read, as long as they have not been seen to write it.
    unseen: RefCell<Fields>,
    /// Whether one has been seen not to.
    unwritten: Cell<bool>,
}

impl Digester {
    /// Looks whether structs write, or skip for a reason, the fields that they read.
    pub(super) fn expecting(fields: Fields) -> Self {
        Self {
            unseen: RefCell::new(fields),
            ..Self::default()
        }
    }

    /// The structs that have not been seen, or `None` if one reads what it does not write.
    pub(super) fn unseen(self) -> Option<Fields> {
        (!self.unwritten.get()).then(|| self.unseen.into_inner())
    }

    /// The digest of a value, or `None` if it does not serialize.
    pub(super) fn digest<T: Serialize + ?Sized>(&self, value: &T) -> Option<u64> {
        value.serialize(self).ok()
    }

    fn hash(&self, of: impl Hash) -> u64 {
        self.state.hash_one(of)
    }

    fn list(&self, kind: Kind, of: impl Hash) -> List<'_> {
        let mut hasher = self.state.build_hasher();
        (kind, of).hash(&mut hasher);
        List {
            digester: self,
            hasher,
            unwritten: BTreeSet::new(),
        }
    }

    fn fields(&self, kind: Kind, of: impl Hash, name: Name) -> List<'_> {
        let unseen = self.unseen.borrow_mut().remove(&name);
        List {
            unwritten: unseen.unwrap_or_default(),
            ..self.list(kind, of)
        }
    }
}

/// What a digest is of.
#[derive(Debug, Clone, Copy, Hash)]
enum Kind {
    Scalar,
    Text,
    Bytes,
    None,
    Some,
    Unit,
    Variant,
    Sequence,
    Tuple,
    Map,
    Struct,
}

/// A value that does not serialize.
#[derive(Debug)]
pub(super) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it does not serialize")
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Parts whose order counts.
#[derive(Debug)]
pub(super) struct List<'a> {
    digester: &'a Digester,
    hasher: DefaultHasher,
    /// The fields that it reads and has not written yet.
    unwritten: BTreeSet<&'static str>,
}

impl List<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(self.digester)?.hash(&mut self.hasher);
        Ok(())
    }

    fn close(self) -> u64 {
        if !self.unwritten.is_empty() {
            self.digester.unwritten.set(true);
        }
        self.hasher.finish()
    }
}

/// Parts whose order does not count.
#[derive(Debug)]
pub(super) struct Bag<'a> {
    digester: &'a Digester,
    kind: Kind,
    length: u64,
    sum: u64,
    key: Option<u64>,
}

impl<'a> Bag<'a> {
    fn new(digester: &'a Digester, kind: Kind) -> Self {
        Self {
            digester,
            kind,
            length: 0,
            sum: 0,
            key: None,
        }
    }

    fn add(&mut self, part: impl Hash) {
        self.length += 1;
        self.sum = self.sum.wrapping_add(self.digester.hash(part));
    }

    fn close(self) -> u64 {
        let parts = (self.kind, self.length, self.sum);
        self.digester.hash(parts)
    }
}

macro_rules! scalars {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<u64, Refused> {
            Ok(self.hash((Kind::Scalar, stringify!($type), value)))
        })*
    };
}

impl<'a> Serializer for &'a Digester {
    type Ok = u64;
    type Error = Refused;
    type SerializeSeq = Bag<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Bag<'a>;
    type SerializeStruct = List<'a>;
    type SerializeStructVariant = List<'a>;

    scalars! {
        serialize_bool: bool, serialize_char: char,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128
    }

    fn serialize_f32(self, value: f32) -> Result<u64, Refused> {
        // Each NaN is the same as itself.
        self.serialize_u32(value.to_bits())
    }

    fn serialize_f64(self, value: f64) -> Result<u64, Refused> {
        self.serialize_u64(value.to_bits())
    }

    fn serialize_str(self, value: &str) -> Result<u64, Refused> {
        Ok(self.hash((Kind::Text, value)))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<u64, Refused> {
        Ok(self.hash((Kind::Bytes, value)))
    }

    fn serialize_none(self) -> Result<u64, Refused> {
        Ok(self.hash(Kind::None))
    }

    // rule: some-of-nothing-is-not-nothing
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<u64, Refused> {
        Ok(self.hash((Kind::Some, value.serialize(self)?)))
    }

    fn serialize_unit(self) -> Result<u64, Refused> {
        Ok(self.hash(Kind::Unit))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<u64, Refused> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
    ) -> Result<u64, Refused> {
        Ok(self.hash((Kind::Variant, index)))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<u64, Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<u64, Refused> {
        let parts = (Kind::Variant, index, value.serialize(self)?);
        Ok(self.hash(parts))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Bag<'a>, Refused> {
        Ok(Bag::new(self, Kind::Sequence))
    }

    fn serialize_tuple(self, length: usize) -> Result<List<'a>, Refused> {
        Ok(self.list(Kind::Tuple, length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<List<'a>, Refused> {
        Ok(self.list(Kind::Tuple, length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        length: usize,
    ) -> Result<List<'a>, Refused> {
        Ok(self.list(Kind::Variant, (index, length)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Bag<'a>, Refused> {
        Ok(Bag::new(self, Kind::Map))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<List<'a>, Refused> {
        Ok(self.fields(Kind::Struct, (), (name, "")))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'a>, Refused> {
        Ok(self.fields(Kind::Variant, index, (name, variant)))
    }

    // As the codecs are, so that each type shows itself as it does to them.
    fn is_human_readable(&self) -> bool {
        false
    }
}

impl SerializeSeq for Bag<'_> {
    type Ok = u64;
    type Error = Refused;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let part = value.serialize(self.digester)?;
        self.add(part);
        Ok(())
    }

    fn end(self) -> Result<u64, Refused> {
        Ok(self.close())
    }
}

impl SerializeMap for Bag<'_> {
    type Ok = u64;
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.key = Some(key.serialize(self.digester)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let part = (self.key.take(), value.serialize(self.digester)?);
        self.add(part);
        Ok(())
    }

    fn end(self) -> Result<u64, Refused> {
        Ok(self.close())
    }
}

macro_rules! lists {
    ($($of:ident: $method:ident),*) => {
        $(impl $of for List<'_> {
            type Ok = u64;
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.add(value)
            }

            fn end(self) -> Result<u64, Refused> {
                Ok(self.close())
            }
        })*
    };
}

macro_rules! fields {
    ($($of:ident),*) => {
        $(impl $of for List<'_> {
            type Ok = u64;
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Refused> {
                self.unwritten.remove(name);
                name.hash(&mut self.hasher);
                self.add(value)
            }

            // Its default may be what it had. If not, the digest of what comes back tells.
            fn skip_field(&mut self, name: &'static str) -> Result<(), Refused> {
                self.unwritten.remove(name);
                Ok(())
            }

            fn end(self) -> Result<u64, Refused> {
                Ok(self.close())
            }
        })*
    };
}

lists! {
    SerializeTuple: serialize_element, SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
}
fields! { SerializeStruct, SerializeStructVariant }
