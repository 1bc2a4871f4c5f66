//! A value as bytes, for stores outside of the process.

use std::any::{TypeId, type_name};
use std::collections::{BTreeMap, HashSet};
use std::io::{Error, Write};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{self, Bytes, FINGERPRINT};
use crate::config::Codec;
use crate::footprint::Name;
use crate::values::CacheValue;
use crate::values::digest::Digester;
use crate::values::held::Held;
use crate::values::probe::{self, Shape};

/// Changed whenever the same bytes come to mean something else.
const FORMAT: u32 = 1;

/// How deep a value may be nested. Reading it takes some of the stack for each level.
const DEEPEST: usize = 256;

/// The settings and the tables, each in order, and the value.
type WireHeld<'a> = (Option<[u8; 32]>, Vec<&'a str>, Bytes<'a>);

/// Why a value cannot be stored as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Its bytes are more than the limit.
    TooLarge,
    /// It cannot be serialized.
    Unserializable,
    /// It would come back as another value.
    Lossy,
}

impl<T: CacheValue> Held<T> {
    /// The value as bytes, at most `limit` of its own.
    ///
    /// It is read again at once, and compared with what was written.
    ///
    /// # Errors
    /// Why it must not be stored.
    pub(super) fn encode(&self, codec: Codec, limit: u64) -> Result<Vec<u8>, Unfit> {
        let value = write(&self.value, codec, limit)?;
        // rule: a-value-that-comes-back-as-another-is-not-stored
        if !survives(&self.value, &value, codec) {
            warn::<T>("comes back from its bytes as another value");
            return Err(Unfit::Lossy);
        }
        let tables = self.tables.iter().map(|table| &**table).collect();
        let held: WireHeld<'_> = (self.settings, tables, Bytes(&value));
        codec::seal(fingerprint::<T>(codec), &held).ok_or(Unfit::Unserializable)
    }

    /// The value in the bytes of [`encode`](Self::encode); `None` for bytes of whatever else,
    /// also of a type of another name or of another codec.
    pub(super) fn decode(bytes: &[u8], codec: Codec) -> Option<Self> {
        let (settings, tables, Bytes(value)): WireHeld<'_> =
            codec::open(fingerprint::<T>(codec), bytes)?;
        Some(Self {
            value: read(value, codec)?,
            tables: tables.into_iter().map(Name::from).collect(),
            settings,
        })
    }
}

/// What is known of the types that were written or read.
static SHAPES: Mutex<BTreeMap<TypeId, Shape>> = Mutex::new(BTreeMap::new());

/// Looks at what a type reads, and has not been seen to write.
fn with_shape<T: DeserializeOwned + 'static, R>(look: impl Fn(&mut Shape) -> R) -> R {
    let shapes = || SHAPES.lock().unwrap_or_else(PoisonError::into_inner);
    let known = shapes().get_mut(&TypeId::of::<T>()).map(&look);
    known.unwrap_or_else(|| {
        // The type's own code runs: not under the lock.
        let shape = probe::shape::<T>();
        look(shapes().entry(TypeId::of::<T>()).or_insert(shape))
    })
}

// rule: a-value-of-another-type-is-a-miss
fn fingerprint<T: DeserializeOwned + 'static>(codec: Codec) -> [u8; FINGERPRINT] {
    let codec = match codec {
        Codec::Msgpack => "MessagePack with names",
        Codec::Postcard => "postcard",
    };
    let texts = ["a value", codec, type_name::<T>()];
    let parts = texts.into_iter().map(str::as_bytes);
    // rule: a-value-of-other-fields-is-a-miss
    let shape = with_shape::<T, _>(|shape| shape.digest);
    codec::fingerprint(parts.chain([&shape[..], &FORMAT.to_le_bytes()[..]]))
}

fn write<T: Serialize>(value: &T, codec: Codec, limit: u64) -> Result<Vec<u8>, Unfit> {
    let mut written = Limited {
        bytes: Vec::new(),
        left: limit,
        full: false,
    };
    let fits = match codec {
        Codec::Msgpack => rmp_serde::encode::write_named(&mut written, value).is_ok(),
        Codec::Postcard => postcard::to_io(value, &mut written).is_ok(),
    };
    match (fits, written.full) {
        (true, _) => Ok(written.bytes),
        (false, true) => Err(Unfit::TooLarge),
        (false, false) => Err(Unfit::Unserializable),
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8], codec: Codec) -> Option<T> {
    match codec {
        Codec::Msgpack => {
            let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
            deserializer.set_max_depth(DEEPEST);
            T::deserialize(&mut deserializer).ok()
        }
        Codec::Postcard => match postcard::take_from_bytes(bytes).ok()? {
            (value, []) => Some(value),
            _ => None,
        },
    }
}

/// Whether what is read is what was written, as far as the value tells serde.
fn survives<T: CacheValue>(value: &T, bytes: &[u8], codec: Codec) -> bool {
    let Some(back) = read::<T>(bytes, codec) else {
        return false;
    };
    let digester = Digester::expecting(with_shape::<T, _>(|shape| shape.fields.clone()));
    let (written, found) = (digester.digest(value), digester.digest(&back));
    // rule: a-field-that-is-never-written-does-not-come-back
    let Some(unseen) = digester.unseen() else {
        return false;
    };
    with_shape::<T, _>(|shape| shape.fields.retain(|name, _| unseen.contains_key(name)));
    written.is_some() && written == found
}

/// Says so of a type, once.
fn warn<T: 'static>(what: &str) {
    static WARNED: Mutex<Option<HashSet<TypeId>>> = Mutex::new(None);
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    let warned = warned.get_or_insert_default();
    if warned.insert(TypeId::of::<T>()) {
        log::warn!(
            "a value of type {} {what}: it is not stored",
            type_name::<T>()
        );
    }
}

/// Bytes, up to a limit.
struct Limited {
    bytes: Vec<u8>,
    left: u64,
    full: bool,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        match self.left.checked_sub(bytes.len() as u64) {
            Some(left) => self.left = left,
            None => {
                self.full = true;
                return Err(Error::other("too large"));
            }
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
