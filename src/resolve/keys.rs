//! The keys by which rows are told apart, as processes tell each other of them.
//!
//! A read that asks for a value of a key depends on no write of other values; so whoever writes
//! must tell the value of every key that anybody reads by. What is declared of a database is kept
//! by the store, and read with the catalogue.

use std::collections::{BTreeMap, BTreeSet};

use super::encode;
use crate::database::Declarations;
use crate::footprint::Name;
use crate::precision::Key;

/// For each table, the keys that are declared.
pub type Keys = BTreeMap<Name, BTreeSet<Key>>;

/// Says how tags are made of keys. Processes that make them in other ways declare another.
const FORM: u8 = 1;

/// Keys as they are declared, and the way in which tags are made of them.
#[must_use]
pub fn declarations(keys: &Keys) -> Declarations {
    let of_table = |(table, keys): (&Name, &BTreeSet<Key>)| {
        let one = |key: &Key| {
            let mut bytes = vec![FORM];
            let names = std::iter::once(table).chain(key).map(AsRef::as_ref);
            encode(names, &mut bytes);
            bytes
        };
        keys.iter().map(one).collect::<Vec<_>>()
    };
    let mut all: Declarations = keys.iter().flat_map(of_table).collect();
    all.insert(vec![FORM]);
    all
}

/// The keys that are declared; `None` if any cannot be understood, and so not be written by.
// rule: what-others-declare-is-understood-or-writes-are-wide
#[must_use]
pub fn declared(declarations: &Declarations) -> Option<Keys> {
    let mut keys = Keys::new();
    let mut understood = false;
    for declaration in declarations {
        let (form, rest) = declaration.split_first()?;
        if *form != FORM {
            return None;
        }
        if rest.is_empty() {
            understood = true;
            continue;
        }
        let mut names = names(rest)?;
        if names.len() < 2 {
            return None;
        }
        let table = names.remove(0);
        keys.entry(table).or_default().insert(names);
    }
    // Our own way is not declared if there was no room for it.
    understood.then_some(keys)
}

/// The parts of a list, as it was encoded.
fn names(mut rest: &[u8]) -> Option<Vec<Name>> {
    let count = number(&mut rest)?;
    let mut names = Vec::new();
    for _ in 0..count {
        let length = number(&mut rest)?;
        let (name, behind) = rest.split_at_checked(length)?;
        names.push(std::str::from_utf8(name).ok()?.into());
        rest = behind;
    }
    rest.is_empty().then_some(names)
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    let (number, behind) = rest.split_first_chunk()?;
    *rest = behind;
    usize::try_from(u64::from_le_bytes(*number)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(list: &[(&str, &[&str])]) -> Keys {
        let mut keys = Keys::new();
        for (table, columns) in list {
            let key = columns.iter().map(|&column| column.into()).collect();
            keys.entry((*table).into()).or_default().insert(key);
        }
        keys
    }

    #[test]
    fn what_is_declared_comes_back() {
        let known = keys(&[("posts", &["a"]), ("posts", &["a", "b"]), ("c", &["é"])]);
        assert_eq!(declared(&declarations(&known)), Some(known));
        assert_eq!(declared(&declarations(&Keys::new())), Some(Keys::new()));
    }

    #[test]
    fn what_is_not_understood_is_nothing() {
        let known = keys(&[("posts", &["a"])]);
        let with = |more: &[u8]| {
            let mut all = declarations(&known);
            all.insert(more.to_vec());
            declared(&all)
        };
        assert_eq!(with(&[FORM]), Some(known.clone()));
        let long = declarations(&known).into_iter().max().unwrap();
        for cut in 2..long.len() {
            assert_eq!(with(&long[..cut]), None, "{cut}");
        }
        for odd in [&[][..], &[2], &[FORM, 0], &[long.as_slice(), &[0]].concat()] {
            assert_eq!(with(odd), None, "{odd:?}");
        }
        // There was no room for ours.
        assert_eq!(declared(&Declarations::new()), None);
    }
}
