//! What workers tell of what they do, in few bytes.
//!
//! A worker's thread writes its events to a stream of its own, in the order of their times.
//! The event of a write is written *before* the statement is sent; so it is known even if
//! the process is killed in the middle of it.

use smallvec::SmallVec;

use crate::layout::Key;

/// Nanoseconds, see [`clock`](crate::clock).
pub(crate) type Time = u64;
/// What a row holds. Each attempt to write has a value of its own.
pub(crate) type Value = u64;
/// Rows that belong to one event.
pub(crate) type Keys = SmallVec<[Key; 4]>;

/// Where the rows of a read came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Origin {
    Hit = 0,
    Miss = 1,
    Bypass = 2,
    /// The coordinator's own question to the database.
    Database = 3,
}

/// What became of the rows of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fate {
    /// They are committed.
    Committed = 0,
    /// They never will be: rolled back, refused, or not written at all.
    Void = 1,
    /// Nobody knows.
    Unknown = 2,
}

/// What became of a write as its caller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Verdict {
    Committed = 0,
    RolledBack = 1,
    /// The cache refused it: it could not be invalidated.
    Refused = 2,
    /// Another writer was faster.
    Overtaken = 3,
    Unknown = 4,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A read returned: of each row the value, or of all rows the highest.
    Read {
        start: Time,
        end: Time,
        origin: Origin,
        found: Found,
    },
    /// A read returned rows that were not asked for, or not all that were.
    Foreign { at: Time, key: Key },
    /// A read returned an error.
    Failed { at: Time },
    /// An attempt to write that value to these rows begins.
    Begin { at: Time, value: Value, keys: Keys },
    /// What became of it.
    End {
        at: Time,
        value: Value,
        fate: Fate,
        keys: Keys,
    },
    /// A write, of one or several attempts, returned.
    Wrote { at: Time, verdict: Verdict },
    /// Which faults are at work from now on, and which were lately.
    Faults { at: Time, active: u32, lately: u32 },
    /// Nothing, until now.
    Mark { at: Time },
}

/// What a read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Rows(SmallVec<[(Key, Value); 4]>),
    Highest(Keys, Value),
}

impl Event {
    /// When it was written down; no event of its stream has an earlier time after it.
    pub(crate) fn at(&self) -> Time {
        match self {
            Self::Read { end, .. } => *end,
            Self::Foreign { at, .. }
            | Self::Failed { at }
            | Self::Begin { at, .. }
            | Self::End { at, .. }
            | Self::Wrote { at, .. }
            | Self::Faults { at, .. }
            | Self::Mark { at } => *at,
        }
    }

    /// Appends its bytes.
    pub(crate) fn encode(&self, to: &mut Vec<u8>) {
        match self {
            Self::Read {
                start,
                end,
                origin,
                found: Found::Rows(rows),
            } => {
                to.extend([0, *origin as u8, rows.len() as u8]);
                put(to, &[*start, *end]);
                for (key, value) in rows {
                    to.extend(key.0.to_le_bytes());
                    put(to, &[*value]);
                }
            }
            Self::Read {
                start,
                end,
                origin,
                found: Found::Highest(keys, value),
            } => {
                to.extend([1, *origin as u8]);
                put(to, &[*start, *end, *value]);
                put_keys(to, keys);
            }
            Self::Foreign { at, key } => {
                to.push(2);
                put(to, &[*at, u64::from(key.0)]);
            }
            Self::Failed { at } => {
                to.push(3);
                put(to, &[*at]);
            }
            Self::Begin { at, value, keys } => {
                to.push(4);
                put(to, &[*at, *value]);
                put_keys(to, keys);
            }
            Self::End {
                at,
                value,
                fate,
                keys,
            } => {
                to.extend([5, *fate as u8]);
                put(to, &[*at, *value]);
                put_keys(to, keys);
            }
            Self::Wrote { at, verdict } => {
                to.extend([6, *verdict as u8]);
                put(to, &[*at]);
            }
            Self::Mark { at } => {
                to.push(7);
                put(to, &[*at]);
            }
            // The coordinator's own: it never crosses a stream.
            Self::Faults { .. } => {}
        }
    }

    /// The first event of `bytes`, and what is left of them; `None` if it is not all there.
    ///
    /// # Errors
    /// If these are not the bytes of an event.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<(Self, &[u8])>, Garbled> {
        let mut reader = Reader { bytes };
        match reader.event() {
            Ok(event) => Ok(Some((event, reader.bytes))),
            Err(Short::NotAll) => Ok(None),
            Err(Short::Garbled) => Err(Garbled),
        }
    }
}

/// A stream holds something that no worker writes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Garbled;

enum Short {
    NotAll,
    Garbled,
}

fn put(to: &mut Vec<u8>, numbers: &[u64]) {
    for number in numbers {
        to.extend(number.to_le_bytes());
    }
}

fn put_keys(to: &mut Vec<u8>, keys: &Keys) {
    to.push(keys.len() as u8);
    for key in keys {
        to.extend(key.0.to_le_bytes());
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (first, rest) = self.bytes.split_first_chunk::<N>().ok_or(Short::NotAll)?;
        self.bytes = rest;
        Ok(*first)
    }

    fn byte(&mut self) -> Result<u8, Short> {
        Ok(self.take::<1>()?[0])
    }

    fn number(&mut self) -> Result<u64, Short> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn key(&mut self) -> Result<Key, Short> {
        let key = Key(u32::from_le_bytes(self.take()?));
        if key.0 as usize >= crate::layout::KEYS {
            return Err(Short::Garbled);
        }
        Ok(key)
    }

    fn keys(&mut self) -> Result<Keys, Short> {
        let count = self.byte()?;
        (0..count).map(|_| self.key()).collect()
    }

    fn event(&mut self) -> Result<Event, Short> {
        Ok(match self.byte()? {
            0 => {
                let origin = self.origin()?;
                let count = self.byte()?;
                let (start, end) = (self.number()?, self.number()?);
                let rows: Result<_, Short> = (0..count)
                    .map(|_| Ok((self.key()?, self.number()?)))
                    .collect();
                Event::Read {
                    start,
                    end,
                    origin,
                    found: Found::Rows(rows?),
                }
            }
            1 => {
                let origin = self.origin()?;
                let (start, end, value) = (self.number()?, self.number()?, self.number()?);
                Event::Read {
                    start,
                    end,
                    origin,
                    found: Found::Highest(self.keys()?, value),
                }
            }
            2 => Event::Foreign {
                at: self.number()?,
                key: Key(u32::try_from(self.number()?).map_err(|_| Short::Garbled)?),
            },
            3 => Event::Failed { at: self.number()? },
            4 => Event::Begin {
                at: self.number()?,
                value: self.number()?,
                keys: self.keys()?,
            },
            5 => {
                let fate = match self.byte()? {
                    0 => Fate::Committed,
                    1 => Fate::Void,
                    2 => Fate::Unknown,
                    _ => return Err(Short::Garbled),
                };
                Event::End {
                    at: self.number()?,
                    value: self.number()?,
                    fate,
                    keys: self.keys()?,
                }
            }
            6 => {
                let verdict = match self.byte()? {
                    0 => Verdict::Committed,
                    1 => Verdict::RolledBack,
                    2 => Verdict::Refused,
                    3 => Verdict::Overtaken,
                    4 => Verdict::Unknown,
                    _ => return Err(Short::Garbled),
                };
                Event::Wrote {
                    at: self.number()?,
                    verdict,
                }
            }
            7 => Event::Mark { at: self.number()? },
            _ => return Err(Short::Garbled),
        })
    }

    fn origin(&mut self) -> Result<Origin, Short> {
        match self.byte()? {
            0 => Ok(Origin::Hit),
            1 => Ok(Origin::Miss),
            2 => Ok(Origin::Bypass),
            3 => Ok(Origin::Database),
            _ => Err(Short::Garbled),
        }
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;

    #[test]
    fn events_cross_a_stream_as_they_are() {
        let keys: Keys = smallvec![Key(0), Key(150), Key(7)];
        let read = |found| Event::Read {
            start: 1,
            end: 2,
            origin: Origin::Miss,
            found,
        };
        let events = [
            read(Found::Rows(smallvec![(Key(1), 5), (Key(2), u64::MAX)])),
            read(Found::Rows(smallvec![])),
            read(Found::Highest(keys.clone(), 9)),
            Event::Foreign { at: 3, key: Key(9) },
            Event::Failed { at: 4 },
            Event::Begin {
                at: 5,
                value: 6,
                keys: keys.clone(),
            },
            Event::End {
                at: 7,
                value: 6,
                fate: Fate::Void,
                keys,
            },
            Event::Wrote {
                at: 8,
                verdict: Verdict::Unknown,
            },
            Event::Mark { at: 9 },
        ];
        let mut bytes = Vec::new();
        events.iter().for_each(|event| event.encode(&mut bytes));
        for cut in 0..bytes.len() {
            let mut left = &bytes[..cut];
            while let Some((_, rest)) = Event::decode(left).unwrap() {
                left = rest;
            }
        }
        let mut left = bytes.as_slice();
        for event in events {
            let (found, rest) = Event::decode(left).unwrap().unwrap();
            assert_eq!(found, event);
            left = rest;
        }
        assert!(left.is_empty());
        assert_eq!(Event::decode(&[99]), Err(Garbled));
    }
}
