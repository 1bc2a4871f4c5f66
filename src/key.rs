//! Keys: what makes two cached reads the same question.

use std::fmt;

use crate::database::KeySpace;
use crate::dialect::Dialect;

/// Everything that may change the answer: the database, the dialect, the session's
/// state, the caller's scope, the row type, the SQL and every bind.
///
/// The bytes themselves are the key, each part with its length before it, so that
/// no two questions share one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(Vec<u8>);

/// The parts of a [`Key`].
#[derive(Debug, Clone, Copy)]
pub struct KeyParts<'a> {
    /// The cache's namespace.
    pub namespace: &'a str,
    /// The database.
    pub database: KeySpace,
    /// The dialect.
    pub dialect: Dialect,
    /// A digest of the session's state.
    pub session: &'a [u8; 32],
    /// The version of everything that is stored, see
    /// [`Builder::version`](crate::Builder::version).
    pub version: u32,
    /// The versions of the models that are read, and what the query itself depends on.
    pub versions: &'a [u8],
    /// What the caller gave to `.scope()`.
    pub scope: Option<&'a [u8]>,
    /// How the rows are stored, and the name of their type.
    pub rows: (RowForm, &'a str),
    /// What the bytes of the rows must agree in, where they leave the process.
    pub platform: &'a [u8],
    /// The SQL text.
    pub sql: &'a str,
    /// The binds, each with its type, as `statement` encodes them.
    pub binds: &'a [u8],
}

/// What tells one named value from another.
#[derive(Debug, Clone, Copy, Default)]
pub struct ValueParts<'a> {
    /// The cache's namespace.
    pub namespace: &'a str,
    /// The version of everything that is stored, and of the value.
    pub versions: [u32; 2],
    /// The database and the state of the session, where the value belongs to them.
    pub session: &'a [u8],
    /// What the caller gave to `.scope()`.
    pub scope: Option<&'a [u8]>,
    /// The name.
    pub name: &'a str,
}

/// How the rows of an entry are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowForm {
    /// As values of the row type.
    Typed,
    /// As the database sent them.
    Raw,
}

impl Key {
    /// Joins the parts.
    #[must_use]
    pub fn new(parts: &KeyParts<'_>) -> Self {
        let (form, row_type) = parts.rows;
        let scope = parts.scope.unwrap_or_default();
        let mut bytes = Vec::with_capacity(
            128 + scope.len()
                + parts.namespace.len()
                + parts.versions.len()
                + row_type.len()
                + parts.sql.len()
                + parts.binds.len(),
        );
        bytes.extend_from_slice(&parts.database.0);
        bytes.push(parts.dialect as u8);
        bytes.push(form as u8);
        bytes.push(u8::from(parts.scope.is_some()));
        bytes.extend_from_slice(&parts.version.to_le_bytes());
        bytes.extend_from_slice(parts.session);
        for part in [
            parts.namespace.as_bytes(),
            parts.versions,
            scope,
            row_type.as_bytes(),
            parts.platform,
            parts.sql.as_bytes(),
            parts.binds,
        ] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        Self(bytes)
    }

    /// The key of a value that the user named: in no database, and of no query.
    #[must_use]
    pub fn of_value(parts: &ValueParts<'_>) -> Self {
        let scope = parts.scope.unwrap_or_default();
        let mut bytes = Vec::with_capacity(
            64 + parts.namespace.len() + parts.session.len() + scope.len() + parts.name.len(),
        );
        // Where a query's key has the digest of its database.
        bytes.extend_from_slice(b"a value by name!");
        bytes.push(u8::MAX);
        bytes.push(u8::from(parts.scope.is_some()));
        for version in parts.versions {
            bytes.extend_from_slice(&version.to_le_bytes());
        }
        for part in [
            parts.namespace.as_bytes(),
            parts.session,
            scope,
            parts.name.as_bytes(),
        ] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        Self(bytes)
    }

    /// The same question, asked of one of several caches that share a store.
    pub(crate) fn within(&self, prefix: &[u8; 16]) -> Self {
        Self([prefix.as_slice(), &self.0].concat())
    }

    /// The key's bytes. They hold bind values: never log them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

// The bytes hold bind values, which must not reach a log.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", &blake3::hash(&self.0).to_hex()[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>() -> KeyParts<'a> {
        KeyParts {
            namespace: "n",
            database: KeySpace([1; 16]),
            dialect: Dialect::Sqlite,
            session: &[0; 32],
            version: 0,
            versions: b"",
            scope: None,
            rows: (RowForm::Typed, "T"),
            platform: b"",
            sql: "SELECT 1",
            binds: b"b",
        }
    }

    #[test]
    fn every_part_separates() {
        let base = parts();
        let others = [
            KeyParts {
                namespace: "m",
                ..base
            },
            KeyParts {
                database: KeySpace([2; 16]),
                ..base
            },
            KeyParts {
                dialect: Dialect::Mysql,
                ..base
            },
            KeyParts {
                session: &[1; 32],
                ..base
            },
            KeyParts { version: 1, ..base },
            KeyParts {
                versions: b"v",
                ..base
            },
            KeyParts {
                scope: Some(b""),
                ..base
            },
            KeyParts {
                scope: Some(b"x"),
                ..base
            },
            KeyParts {
                rows: (RowForm::Raw, "T"),
                ..base
            },
            KeyParts {
                rows: (RowForm::Typed, "U"),
                ..base
            },
            KeyParts {
                platform: b"p",
                ..base
            },
            KeyParts {
                sql: "SELECT 2",
                ..base
            },
            KeyParts {
                binds: b"c",
                ..base
            },
            KeyParts {
                sql: "SELECT 1b",
                binds: b"",
                ..base
            },
        ];
        for other in others {
            assert_ne!(Key::new(&base), Key::new(&other), "{other:?}");
        }
        assert_eq!(Key::new(&base), Key::new(&parts()));
    }

    #[test]
    fn a_value_has_a_key_for_each_namespace_version_and_name() {
        let base = ValueParts {
            namespace: "n",
            name: "k",
            ..ValueParts::default()
        };
        let parts = [
            base,
            ValueParts {
                namespace: "",
                name: "nk",
                ..base
            },
            ValueParts {
                versions: [1, 0],
                ..base
            },
            ValueParts {
                versions: [0, 1],
                ..base
            },
            ValueParts {
                session: b"s",
                ..base
            },
            ValueParts {
                scope: Some(b""),
                ..base
            },
            ValueParts {
                scope: Some(b"s"),
                ..base
            },
            ValueParts { name: "l", ..base },
        ];
        let keys = parts.each_ref().map(Key::of_value);
        for (i, key) in keys.iter().enumerate() {
            assert_eq!(keys.iter().position(|other| key == other), Some(i));
        }
    }

    #[test]
    fn debug_shows_no_bind() {
        let key = Key::new(&KeyParts {
            binds: b"secret",
            ..parts()
        });
        assert!(!format!("{key:?}").contains("secret"));
    }
}
