//! What the scripts answer.

use std::time::Instant;

use redis::Value;

use crate::backend::wire::{Clock, Digest, Wire, mark};
use crate::backend::{Acknowledged, Declarations, Holder, Mark, Unless};
use crate::database::TagSpace;
use crate::entry::Entry;
use crate::protocol::{Fetched, Further, Leased, TagState, TagStates};
use crate::tag::Tag;
use crate::token::{Epoch, Nonce, Opening, ProcessId, Token, WriterId};

/// What is known of a question when its answer is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) key: Option<&'a Digest>,
    pub(super) wire: &'a Wire,
    /// How many tags were asked for, and how many were wanted also; none in a `recall`.
    pub(super) asked: Option<(usize, usize)>,
}

impl Question<'_> {
    /// An entry that can be read, and what it is known by.
    fn entry(&self, bytes: &[u8]) -> Option<(Entry, Mark)> {
        let entry = self.wire.decode(self.key?, bytes, Clock::now())?;
        Some((entry, mark(bytes)?))
    }

    /// When an entry ends that the asker holds.
    fn end(&self, bytes: &[u8]) -> Option<Instant> {
        let unix = u64::from_be_bytes(*bytes.first_chunk()?);
        // rule: the-end-of-what-is-held-is-checked
        let checked = self.wire.expiry(self.key?, unix) == *bytes;
        checked.then(|| Clock::now().to_instant(unix))
    }
}

/// The answer to `fetch` and to `recall`. An entry that cannot be read is none.
pub(super) fn fetched(answer: Vec<Value>, question: Question<'_>) -> Option<Unless> {
    let [gate, opening, entry, states, leased, further, same] =
        <[Value; 7]>::try_from(answer).ok()?;
    let opening = match opening {
        Value::Nil => None,
        Value::BulkString(bytes) => Some(Opening::from_bytes(id(&bytes)?)),
        _ => return None,
    };
    let gate = match gate {
        Value::Nil => None,
        Value::BulkString(bytes) => Some(Nonce::from_bytes(id(&bytes)?)),
        _ => return None,
    };
    let found = match entry {
        Value::Nil => None,
        Value::BulkString(bytes) => Some(bytes),
        _ => return None,
    };
    let found = found.as_deref();
    let (entry, held) = match &*bytes(same)? {
        b"s" => (None, found.and_then(|bytes| question.end(bytes))),
        b"n" => (found.and_then(|bytes| question.entry(bytes)), None),
        _ => return None,
    };
    let (entry, mark) = entry.unzip();
    let is_there = entry.is_some() || held.is_some();
    let mut states = tag_states(&bytes(states)?)?;
    let mut also = TagStates::new();
    if let Some((tags, wanted_also)) = question.asked {
        if states.len() != tags + wanted_also {
            return None;
        }
        also.extend(states.drain(tags..));
    } else if held.is_none()
        && entry
            .as_ref()
            .is_none_or(|entry| entry.tags.len() != states.len())
    {
        // The states are those of the entry's own tags.
        states.clear();
    }
    let leased = match &*bytes(leased)? {
        b"g" => Leased::Granted,
        b"t" => Leased::Taken,
        // What the script took for valid cannot be read: whoever finds that makes it anew.
        b"v" if !is_there => Leased::Granted,
        b"v" | b"n" => Leased::NotAsked,
        _ => return None,
    };
    let further = match &*bytes(further)? {
        // What cannot be read has no tags.
        _ if !is_there => Further::None,
        b"n" => Further::None,
        b"c" => Further::Current,
        b"q" => Further::Quarantined,
        b"o" => Further::Outdated,
        _ => return None,
    };
    let fetched = Fetched {
        gate,
        opening,
        entry,
        states,
        also,
        further,
        leased,
    };
    Some(Unless {
        fetched,
        mark,
        held,
    })
}

fn tag_states(mut text: &[u8]) -> Option<TagStates> {
    let mut states = TagStates::new();
    while let Some((kind, rest)) = text.split_first() {
        text = rest;
        states.push(match kind {
            b'c' => {
                let (token, rest) = text.split_at_checked(16)?;
                text = rest;
                TagState::Clean(Token::from_bytes(id(token)?))
            }
            b'q' => TagState::Quarantined,
            b'm' => TagState::Missing,
            _ => return None,
        });
    }
    Some(states)
}

/// The answer to `beat`.
pub(super) fn standing(answer: Vec<Value>) -> Option<crate::backend::Standing> {
    let [epoch, open, testified, mine] = <[Value; 4]>::try_from(answer).ok()?;
    let spaces = bytes(open)?;
    let testified = bytes(testified)?;
    Some(crate::backend::Standing {
        epoch: Epoch::from_bytes(id(&bytes(epoch)?)?),
        open: spaces
            .chunks_exact(32)
            .filter_map(|pair| {
                let (space, opening) = pair.split_at(16);
                Some((TagSpace(id(space)?), Opening::from_bytes(id(opening)?)))
            })
            .collect(),
        testified: testified
            .chunks_exact(24)
            .filter_map(|member| Some((process(member)?, TagSpace(id(&member[8..])?))))
            .collect(),
        mine: ids(&bytes(mine)?).map(WriterId::from_bytes).collect(),
    })
}

/// The answer to `quarantine`.
pub(super) fn acknowledged(answer: Vec<Value>) -> Option<Acknowledged> {
    let [epoch, opening] = <[Value; 2]>::try_from(answer).ok()?;
    Some(Acknowledged {
        epoch: Epoch::from_bytes(id(&bytes(epoch)?)?),
        opening: match opening {
            Value::Nil => None,
            opening => Some(Opening::from_bytes(id(&bytes(opening)?)?)),
        },
    })
}

/// The answer to `holders`.
pub(super) fn holders(answer: Vec<Value>) -> Option<Vec<Holder>> {
    let texts: Option<Vec<Vec<u8>>> = answer.into_iter().map(bytes).collect();
    let texts = texts?;
    texts
        .chunks(3)
        .map(|text| {
            let [writer, record, tags] = text else {
                return None;
            };
            let (space, session) = read_record(record)?;
            Some(Holder {
                writer: WriterId::from_bytes(id(writer)?),
                process: process(record)?,
                space,
                session,
                tags: ids(tags).map(Tag::from_bytes).collect(),
            })
        })
        .collect()
}

/// A writer's record: process, database, session.
pub(super) fn record(writer: &crate::backend::Writer<'_>) -> Vec<u8> {
    let mut record = writer.process.number().to_be_bytes().to_vec();
    record.push(u8::from(writer.space.is_some()));
    record.extend_from_slice(&writer.space.map_or([0; 16], |space| space.0));
    if let Some(session) = writer.session {
        record.push(1);
        record.extend_from_slice(session.as_bytes());
    } else {
        record.push(0);
    }
    record
}

fn read_record(record: &[u8]) -> Option<(Option<TagSpace>, Option<String>)> {
    let space = TagSpace(id(record.get(9..25)?)?);
    let session = match record.get(25)? {
        0 => None,
        _ => Some(String::from_utf8(record[26..].to_vec()).ok()?),
    };
    Some(((record[8] != 0).then_some(space), session))
}

/// The answer to `declare`.
pub(super) fn declarations(answer: Vec<Value>) -> Option<Declarations> {
    let [list] = <[Value; 1]>::try_from(answer).ok()?;
    let list = bytes(list)?;
    let mut rest = list.as_slice();
    let mut declarations = Declarations::new();
    while let Some((length, behind)) = rest.split_at_checked(4) {
        let length = u32::from_be_bytes(length.try_into().ok()?);
        let (one, behind) = behind.split_at_checked(usize::try_from(length).ok()?)?;
        declarations.insert(one.to_vec());
        rest = behind;
    }
    rest.is_empty().then_some(declarations)
}

/// A number, or a word of one letter.
pub(super) fn number(answer: &[Value]) -> Option<i64> {
    match answer {
        [Value::Int(number)] => Some(*number),
        _ => None,
    }
}

pub(super) fn word(answer: Vec<Value>) -> Option<u8> {
    let [word] = <[Value; 1]>::try_from(answer).ok()?;
    bytes(word)?.first().copied()
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

fn process(record: &[u8]) -> Option<ProcessId> {
    let bytes = record.first_chunk::<8>()?;
    Some(ProcessId::of(u64::from_be_bytes(*bytes)))
}

fn id(bytes: &[u8]) -> Option<[u8; 16]> {
    bytes.try_into().ok()
}

fn ids(bytes: &[u8]) -> impl Iterator<Item = [u8; 16]> + '_ {
    bytes.chunks_exact(16).filter_map(id)
}
