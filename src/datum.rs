//! Values whose equality in the database is equality here.
//!
//! What a text or a bind says is a [`Datum`] if it says so plainly; what a column makes of it
//! depends on the column: see [`Comparison`]. Everything else (floating point, numeric, times,
//! texts of a collation that ignores case) is no datum of any column: whatever is known by it
//! counts as not known.

use std::fmt;

/// A value, as a bind or a literal gives it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Datum {
    /// A whole number.
    Integer(i128),
    /// A text.
    Text(Box<str>),
    /// A UUID.
    Uuid([u8; 16]),
    /// True or false.
    Bool(bool),
}

impl fmt::Debug for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Binds are nobody's business.
        f.write_str(match self {
            Self::Integer(_) => "Integer",
            Self::Text(_) => "Text",
            Self::Uuid(_) => "Uuid",
            Self::Bool(_) => "Bool",
        })
    }
}

/// How the values of a column are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Comparison {
    /// Whole numbers from the first to the last.
    Integers(i128, i128),
    /// Texts of at most so many characters, byte by byte.
    Texts(u32),
    /// UUIDs.
    Uuids,
    /// True and false, and no numbers.
    Bools,
    /// Not so that this crate could tell.
    #[default]
    Unknown,
}

impl Comparison {
    /// Signed whole numbers of that many bytes.
    #[must_use]
    pub fn signed(bytes: u32) -> Self {
        let half = 1_i128 << (8 * bytes.min(8) - 1);
        Self::Integers(-half, half - 1)
    }

    /// Whole numbers of that many bytes, from zero.
    #[must_use]
    pub fn unsigned(bytes: u32) -> Self {
        Self::Integers(0, (1_i128 << (8 * bytes.min(8))) - 1)
    }

    /// The bytes that a value has in such a column, and no other value has; `None` if the
    /// column would make something else of it, or nothing.
    // rule: a-value-counts-if-the-column-keeps-it
    #[must_use]
    pub fn bytes(self, datum: &Datum) -> Option<Vec<u8>> {
        match (self, datum) {
            (Self::Integers(first, last), Datum::Integer(number))
                if (first..=last).contains(number) =>
            {
                Some(number.to_le_bytes().to_vec())
            }
            // rule: a-text-counts-if-all-sessions-spell-it-alike
            // What other bytes mean depends on the encoding of the session; and a NUL ends a
            // text for some.
            (Self::Texts(most), Datum::Text(text)) => {
                let alike = text.bytes().all(|byte| byte.is_ascii() && byte != 0);
                let fits = u32::try_from(text.len()).is_ok_and(|length| length <= most);
                (alike && fits).then(|| text.as_bytes().to_vec())
            }
            // Where there is no other, a truth value is a number.
            (Self::Integers(..), Datum::Bool(flag)) => {
                self.bytes(&Datum::Integer(i128::from(*flag)))
            }
            (Self::Bools, Datum::Bool(flag)) => Some(vec![u8::from(*flag)]),
            (Self::Uuids, Datum::Uuid(uuid)) => Some(uuid.to_vec()),
            // PostgreSQL's literals are texts, in whichever of its spellings.
            (Self::Uuids, Datum::Text(text)) => uuid(text).map(|uuid| uuid.to_vec()),
            _ => None,
        }
    }
}

/// What is bound to one placeholder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Bound {
    /// Nothing plain.
    #[default]
    Unknown,
    /// A value.
    Value(Datum),
    /// An array of values; those of its elements that are NULL are left out.
    Elements(Vec<Datum>),
}

impl From<Option<Datum>> for Bound {
    fn from(datum: Option<Datum>) -> Self {
        datum.map_or(Self::Unknown, Self::Value)
    }
}

/// A UUID in its usual form.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let hyphens = [8, 13, 18, 23];
    if text.len() != 36 || !hyphens.iter().all(|at| text.as_bytes()[*at] == b'-') {
        return None;
    }
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let plain = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| {
        u128::from_str_radix(&digits, 16)
            .ok()
            .map(u128::to_be_bytes)
    })?
}

/// The values that Diesel shows of the binds of a statement it runs: `[5, "a", Some(7)]`.
///
/// What is not plain is unknown; a list that is not understood has no values at all. A type whose
/// `Debug` shows a bare number is taken to be stored as that number.
#[must_use]
pub fn shown(binds: &str) -> Vec<Bound> {
    let Some(inside) = binds
        .trim()
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    else {
        return Vec::new();
    };
    let Some(parts) = parts(inside) else {
        return Vec::new();
    };
    parts
        .into_iter()
        .map(|part| shown_value(part.trim()))
        .collect()
}

/// Parts between commas that stand in no text and in no parenthesis.
fn parts(text: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut depth, mut quoted, mut escaped, mut begin) = (0_usize, false, false, 0);
    for (at, c) in text.char_indices() {
        if quoted {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match c {
            // A character may be a quote.
            // rule: a-character-among-binds-may-be-a-quote
            '\'' => return None,
            '"' => quoted = true,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    if quoted || depth != 0 {
        return None;
    }
    if !(text.trim().is_empty() && parts.is_empty()) {
        parts.push(&text[begin..]);
    }
    Some(parts)
}

fn shown_value(text: &str) -> Bound {
    let inner = text
        .strip_prefix("Some(")
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or(text);
    if let Some(list) = inner
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let values = parts(list).and_then(|parts| {
            let values = parts.into_iter().map(|part| plain(part.trim()));
            values.collect::<Option<Vec<Datum>>>()
        });
        return values.map_or(Bound::Unknown, Bound::Elements);
    }
    plain(inner).into()
}

/// A number as Rust shows it, a UUID, a truth value, or a text without anything that is escaped.
fn plain(text: &str) -> Option<Datum> {
    if let Ok(flag) = text.parse() {
        return Some(Datum::Bool(flag));
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Datum::Integer);
    }
    if let Some(uuid) = uuid(text) {
        return Some(Datum::Uuid(uuid));
    }
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    let bare = !inside.contains(['"', '\\']);
    bare.then(|| Datum::Text(inside.into()))
}

/// The values of a statement's binds, as [`Statement`](crate::statement::Statement) holds those
/// of PostgreSQL: the number of a type, whether there is a value, and the value.
#[must_use]
pub fn of_postgres(binds: &[u8]) -> Option<Vec<Bound>> {
    let mut rest = binds;
    let count = take_u64(&mut rest)?;
    let mut values = Vec::new();
    for _ in 0..count {
        let oid = u32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?);
        let is_some = take(&mut rest, 1)? == [1];
        let length = usize::try_from(take_u64(&mut rest)?).ok()?;
        let bytes = take(&mut rest, length)?;
        values.push(match is_some {
            true => postgres_value(oid, bytes).unwrap_or_default(),
            false => Bound::Unknown,
        });
    }
    Some(values)
}

fn postgres_value(oid: u32, bytes: &[u8]) -> Option<Bound> {
    let of = match oid {
        1000 => 16,
        1005 => 21,
        1007 => 23,
        1016 => 20,
        1009 => 25,
        1015 => 1043,
        2951 => 2950,
        _ => return postgres_scalar(oid, bytes).map(Bound::Value),
    };
    let mut rest = bytes;
    let dimensions = take_i32(&mut rest)?;
    let (_, element) = (take_i32(&mut rest)?, take_i32(&mut rest)?);
    if dimensions == 0 {
        return Some(Bound::Elements(Vec::new()));
    }
    if dimensions != 1 || u32::try_from(element) != Ok(of) {
        return None;
    }
    let (length, _) = (take_i32(&mut rest)?, take_i32(&mut rest)?);
    let mut values = Vec::new();
    for _ in 0..length {
        let size = take_i32(&mut rest)?;
        // Nothing equals a NULL.
        if size >= 0 {
            let bytes = take(&mut rest, usize::try_from(size).ok()?)?;
            values.push(postgres_scalar(of, bytes)?);
        }
    }
    Some(Bound::Elements(values))
}

/// A value of PostgreSQL, of the type of that number, if it is plain.
#[must_use]
pub fn postgres_scalar(oid: u32, bytes: &[u8]) -> Option<Datum> {
    Some(match oid {
        16 => Datum::Bool(match bytes {
            [0] => false,
            [1] => true,
            _ => return None,
        }),
        21 => Datum::Integer(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        23 => Datum::Integer(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        20 => Datum::Integer(i64::from_be_bytes(bytes.try_into().ok()?).into()),
        25 | 1043 => Datum::Text(std::str::from_utf8(bytes).ok()?.into()),
        2950 => Datum::Uuid(bytes.try_into().ok()?),
        _ => return None,
    })
}

/// What the number of a MySQL type says of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MysqlForm {
    /// A whole number that may be negative.
    Signed,
    /// A whole number from zero on.
    Unsigned,
    /// A text.
    Text,
    /// Anything else.
    Other,
}

/// The values of a statement's binds, as [`Statement`](crate::statement::Statement) holds those
/// of MySQL: the number of a type, whether there is a value, and the value.
pub fn of_mysql(binds: &[u8], form: impl Fn(u8) -> MysqlForm) -> Option<Vec<Bound>> {
    let mut rest = binds;
    let count = take_u64(&mut rest)?;
    let mut values = Vec::new();
    for _ in 0..count {
        let [number, is_some] = *take(&mut rest, 2)? else {
            return None;
        };
        let length = usize::try_from(take_u64(&mut rest)?).ok()?;
        let bytes = take(&mut rest, length)?;
        let value = mysql_scalar(form(number), bytes);
        values.push(value.filter(|_| is_some == 1).into());
    }
    Some(values)
}

/// A value of MySQL, if it is plain.
#[must_use]
pub fn mysql_scalar(form: MysqlForm, bytes: &[u8]) -> Option<Datum> {
    match form {
        MysqlForm::Signed => native(bytes, true),
        MysqlForm::Unsigned => native(bytes, false),
        MysqlForm::Text => {
            let text = std::str::from_utf8(bytes).ok()?;
            Some(Datum::Text(text.into()))
        }
        MysqlForm::Other => None,
    }
}

/// A whole number in the machine's own order of bytes.
fn native(bytes: &[u8], signed: bool) -> Option<Datum> {
    let number = match (bytes.len(), signed) {
        (1, true) => i8::from_ne_bytes(bytes.try_into().ok()?).into(),
        (2, true) => i16::from_ne_bytes(bytes.try_into().ok()?).into(),
        (4, true) => i32::from_ne_bytes(bytes.try_into().ok()?).into(),
        (8, true) => i64::from_ne_bytes(bytes.try_into().ok()?).into(),
        (1, false) => u8::from_ne_bytes(bytes.try_into().ok()?).into(),
        (2, false) => u16::from_ne_bytes(bytes.try_into().ok()?).into(),
        (4, false) => u32::from_ne_bytes(bytes.try_into().ok()?).into(),
        (8, false) => u64::from_ne_bytes(bytes.try_into().ok()?).into(),
        _ => return None,
    };
    Some(Datum::Integer(number))
}

/// The values of a statement's binds, as [`Statement`](crate::statement::Statement) holds those
/// of SQLite: as Diesel shows them.
#[must_use]
pub fn of_sqlite(binds: &[u8]) -> Option<Vec<Bound>> {
    let text = std::str::from_utf8(binds).ok()?;
    let list = text.strip_suffix(" }")?.split_once("binds: [")?.1;
    let list = parts(list.strip_suffix(']')?)?;
    Some(
        list.into_iter()
            .map(|part| sqlite_value(part.trim()).into())
            .collect(),
    )
}

/// `(I64(5), Long)`, `(String("a"), Text)`.
fn sqlite_value(text: &str) -> Option<Datum> {
    let pair = parts(text.strip_prefix('(')?.strip_suffix(')')?)?;
    let [value, _] = pair.as_slice() else {
        return None;
    };
    let (variant, inside) = value.strip_suffix(')')?.split_once('(')?;
    match variant {
        "I32" | "I64" | "String" => plain(inside),
        _ => None,
    }
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))
}

fn take_i32(rest: &mut &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(take(rest, 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Datum {
        Datum::Text(text.into())
    }

    #[test]
    fn a_column_takes_what_it_keeps() {
        let small = Comparison::signed(2);
        assert!(small.bytes(&Datum::Integer(-32_768)).is_some());
        assert_eq!(
            small.bytes(&Datum::Integer(32_768)),
            None,
            "it would be cut"
        );
        assert_eq!(small.bytes(&text("5")), None);
        assert_eq!(Comparison::unsigned(8).bytes(&Datum::Integer(-1)), None);
        assert!(
            Comparison::unsigned(8)
                .bytes(&Datum::Integer(u64::MAX.into()))
                .is_some()
        );
        assert_eq!(
            Comparison::signed(4).bytes(&Datum::Integer(7)),
            Comparison::signed(8).bytes(&Datum::Integer(7)),
            "a foreign key may be narrower"
        );
        let texts = Comparison::Texts(u32::MAX);
        assert_eq!(texts.bytes(&Datum::Integer(5)), None);
        assert_ne!(texts.bytes(&text("a")), texts.bytes(&text("A")));
        assert_ne!(texts.bytes(&text("a")), texts.bytes(&text("a ")));
        assert_eq!(texts.bytes(&text("")), Some(Vec::new()));
        assert_eq!(
            Comparison::Texts(3).bytes(&text("abc")),
            texts.bytes(&text("abc")),
            "a foreign key may be shorter"
        );
        assert_eq!(
            Comparison::Texts(3).bytes(&text("abc ")),
            None,
            "it would be cut"
        );
        for odd in ["é", "a\0b", "ab\u{7f}\u{80}"] {
            assert_eq!(texts.bytes(&text(odd)), None, "{odd:?}");
        }
        assert_eq!(Comparison::Unknown.bytes(&text("a")), None);
        let (upper, lower) = (
            text("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
            text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        );
        let bytes = Comparison::Uuids.bytes(&upper);
        assert!(bytes.is_some() && bytes == Comparison::Uuids.bytes(&lower));
    }

    #[test]
    fn what_diesel_shows() {
        assert_eq!(
            shown(r#"[5, -7, "a, b", Some(9), [1, 2], None, 2024-01-01, Id(3), 1.5]"#),
            [
                Bound::Value(Datum::Integer(5)),
                Bound::Value(Datum::Integer(-7)),
                Bound::Value(text("a, b")),
                Bound::Value(Datum::Integer(9)),
                Bound::Elements(vec![Datum::Integer(1), Datum::Integer(2)]),
                Bound::Unknown,
                Bound::Unknown,
                Bound::Unknown,
                Bound::Unknown,
            ]
        );
        // One that cannot be read makes the list unreadable.
        assert_eq!(shown(r#"[1, [2, Id(3)]]"#)[1], Bound::Unknown);
        assert_eq!(
            shown(r#"["a\"b", "x\n"]"#),
            [Bound::Unknown, Bound::Unknown]
        );
        assert_eq!(shown("[]"), [] as [Bound; 0]);
        for odd in [
            "",
            "5",
            "['\"', 5, '\"']",
            "[5'10, 5]",
            "[(]",
            "[1, \"]",
            "[1)]",
            "1]",
        ] {
            assert_eq!(shown(odd), [] as [Bound; 0], "{odd}");
        }
    }

    #[test]
    fn binds_of_postgres() {
        let mut binds = 3_u64.to_le_bytes().to_vec();
        let mut add = |oid: u32, bytes: Option<&[u8]>| {
            binds.extend(oid.to_le_bytes());
            binds.push(u8::from(bytes.is_some()));
            let bytes = bytes.unwrap_or_default();
            binds.extend((bytes.len() as u64).to_le_bytes());
            binds.extend(bytes);
        };
        let mut array = Vec::new();
        for part in [1_i32, 0, 23, 2, 1, 4, 7, -1] {
            array.extend(part.to_be_bytes());
        }
        add(23, Some(&5_i32.to_be_bytes()));
        add(1007, Some(&array));
        add(25, None);
        assert_eq!(
            of_postgres(&binds),
            Some(vec![
                Bound::Value(Datum::Integer(5)),
                Bound::Elements(vec![Datum::Integer(7)]),
                Bound::Unknown
            ])
        );
        for length in 0..binds.len() {
            let cut = of_postgres(&binds[..length]);
            assert!(cut.is_none_or(|values| values.len() == 3));
        }
    }

    #[test]
    fn binds_of_mysql() {
        let form = |number| match number {
            1 => MysqlForm::Signed,
            2 => MysqlForm::Unsigned,
            3 => MysqlForm::Text,
            _ => MysqlForm::Other,
        };
        let mut binds = 5_u64.to_le_bytes().to_vec();
        let mut add = |number: u8, is_some: u8, bytes: &[u8]| {
            binds.extend([number, is_some]);
            binds.extend((bytes.len() as u64).to_le_bytes());
            binds.extend(bytes);
        };
        add(1, 1, &(-5_i32).to_ne_bytes());
        add(2, 1, &u64::MAX.to_ne_bytes());
        add(3, 1, b"a");
        add(4, 1, b"a");
        add(1, 0, &[]);
        assert_eq!(
            of_mysql(&binds, form),
            Some(vec![
                Bound::Value(Datum::Integer(-5)),
                Bound::Value(Datum::Integer(u64::MAX.into())),
                Bound::Value(text("a")),
                Bound::Unknown,
                Bound::Unknown,
            ])
        );
        assert_eq!(of_mysql(&binds[..binds.len() - 1], form), None);
    }

    #[test]
    fn binds_of_sqlite() {
        let shown = r#"SqliteBindCollector { binds: [(I32(5), Integer), (I64(-7), Long), (String("a, (b"), Text), (Null, Integer), (F64(1.5), Double), (String("a\"b"), Text)] }"#;
        assert_eq!(
            of_sqlite(shown.as_bytes()),
            Some(vec![
                Bound::Value(Datum::Integer(5)),
                Bound::Value(Datum::Integer(-7)),
                Bound::Value(text("a, (b")),
                Bound::Unknown,
                Bound::Unknown,
                Bound::Unknown,
            ])
        );
        for odd in ["", "SqliteBindCollector { binds: [(I32(5) }", "binds: ["] {
            assert_eq!(of_sqlite(odd.as_bytes()), None, "{odd}");
        }
    }
}
