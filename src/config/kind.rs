//! Kinds of settings: what a value must be, and how it is read.

use std::time::Duration;

use crate::config::Secret;
use crate::outbox::Outbox;

/// A value as it was given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A text that must be read first: from the environment or a URL.
    Word(String),
    /// A text that is a text: in quotes in TOML, or from code.
    Text(String),
    /// A text from code that must not be seen.
    Secret(Secret),
    Integer(i64),
    Float(f64),
    Switch(bool),
    Names(Vec<String>),
    Duration(Duration),
    Bytes(u64),
    /// What no setting can be.
    Other(&'static str),
}

/// What a setting's value must be, and where it goes. A range is inclusive.
pub(super) enum Kind<T> {
    Text(fn(&mut T, String)),
    /// A text that is not empty.
    Name(fn(&mut T, String)),
    /// Names in SQL, without a schema.
    Names(fn(&mut T, Vec<String>)),
    Duration(Duration, Duration, fn(&mut T, Duration)),
    Bytes(u64, fn(&mut T, u64)),
    Share(fn(&mut T, f64)),
    Switch(fn(&mut T, bool)),
    Whole(fn(&mut T, u32)),
    /// A whole number from 1.
    Positive(fn(&mut T, u32)),
    /// The name of an outbox.
    Outbox(fn(&mut T, Outbox)),
    /// 32 bytes in hexadecimal digits, which no error repeats.
    Key(fn(&mut T, String)),
    /// One of these.
    Choice(&'static [&'static str], fn(&mut T, &'static str)),
}

impl<T> std::fmt::Debug for Kind<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) | Self::Name(_) => "text",
            Self::Names(_) => "names",
            Self::Duration(..) => "duration",
            Self::Bytes(..) => "bytes",
            Self::Share(_) => "share",
            Self::Switch(_) => "switch",
            Self::Whole(_) => "whole",
            Self::Positive(_) => "positive",
            Self::Outbox(_) => "outbox",
            Self::Key(_) => "key",
            Self::Choice(..) => "choice",
        })
    }
}

impl<T> Kind<T> {
    /// Whether the value must not be seen.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Self::Key(_))
    }

    /// Sets the value, if it is allowed; says what is, if not.
    pub(super) fn set(&self, to: &mut T, value: &Value, example: &str) -> Result<(), String> {
        match self {
            Self::Text(set) => set(to, text(value).ok_or("a text")?.to_owned()),
            Self::Name(set) => {
                let name = text(value).filter(|text| !text.is_empty());
                set(to, name.ok_or("a text that is not empty")?.to_owned());
            }
            Self::Names(set) => set(to, names(value, example)?),
            Self::Duration(least, most, set) => {
                let found = duration(value, example)?;
                if !(*least..=*most).contains(&found) {
                    let positive = if least.is_zero() { "" } else { "positive " };
                    let most = humantime::format_duration(*most);
                    return Err(format!(
                        "a {positive}duration of at most {most}, such as {example}"
                    ));
                }
                set(to, found);
            }
            Self::Bytes(least, set) => {
                let found = bytes(value, example)?;
                if found < *least {
                    return Err(format!("at least {least} bytes, such as {example}"));
                }
                set(to, found);
            }
            Self::Share(set) => {
                let found = match value {
                    Value::Word(text) => text.parse().ok(),
                    Value::Float(found) => Some(*found),
                    // Exact for all that is in range.
                    Value::Integer(found) => Some(if *found == 0 { 0.0 } else { f64::NAN }),
                    _ => None,
                };
                // Not a number is in no range.
                let found = found.filter(|share| (0.0..=0.5).contains(share));
                set(
                    to,
                    found.ok_or_else(|| format!("a number from 0 to 0.5, such as {example}"))?,
                );
            }
            Self::Switch(set) => set(to, switch(value)?),
            Self::Whole(set) => {
                let allowed = || format!("a whole number below 2^32, such as {example}");
                set(to, whole(value).ok_or_else(allowed)?);
            }
            Self::Positive(set) => {
                let allowed = || format!("a whole number from 1 to 10000, such as {example}");
                let found = whole(value).filter(|found| (1..=10_000).contains(found));
                set(to, found.ok_or_else(allowed)?);
            }
            Self::Outbox(set) => {
                let found = text(value).and_then(Outbox::named);
                set(to, found.ok_or(Outbox::ALLOWED)?);
            }
            Self::Key(set) => {
                let found = text(value).filter(|text| {
                    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
                });
                set(to, found.ok_or("64 hexadecimal digits")?.to_owned());
            }
            Self::Choice(names, set) => {
                let found = names.iter().find(|name| text(value) == Some(**name));
                let allowed = || format!("one of \"{}\"", names.join("\", \""));
                set(to, found.ok_or_else(allowed)?);
            }
        }
        Ok(())
    }
}

fn whole(value: &Value) -> Option<u32> {
    match value {
        Value::Word(text) => text.parse().ok(),
        Value::Integer(found) => u32::try_from(*found).ok(),
        _ => None,
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Word(text) | Value::Text(text) => Some(text),
        Value::Secret(Secret(text)) => Some(text),
        _ => None,
    }
}

fn names(value: &Value, example: &str) -> Result<Vec<String>, String> {
    let names = match value {
        Value::Word(text) => {
            let names = text.split(',').map(|name| name.trim().to_owned());
            names.collect()
        }
        Value::Names(names) => names.clone(),
        _ => {
            let quoted: Vec<String> = example.split(',').map(|name| format!("{name:?}")).collect();
            return Err(format!("a list of names, such as [{}]", quoted.join(", ")));
        }
    };
    // A name with a schema would never be found, since footprints hold none.
    if names.iter().all(|name| is_bare(name)) {
        Ok(names)
    } else {
        Err(format!(
            "names without a schema, quotes or blanks, none of them empty, such as {example}"
        ))
    }
}

/// Whether a name in SQL stands alone: no schema before it, no quotes or blanks around it.
/// Any other would never be found.
// rule: a-name-that-is-never-found-is-refused
pub(super) fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.trim() == name && !name.contains(['.', '"', '`', '[', ']', '\''])
}

fn duration(value: &Value, example: &str) -> Result<Duration, String> {
    match value {
        Value::Duration(found) => Ok(*found),
        Value::Word(text) | Value::Text(text) => humantime::parse_duration(text)
            .map_err(|_| format!("a duration, such as 90s or {example}")),
        _ => Err(format!("a duration in quotes, such as \"{example}\"")),
    }
}

fn bytes(value: &Value, example: &str) -> Result<u64, String> {
    let size = |text: &str| {
        let size = text.parse::<bytesize::ByteSize>().ok();
        size.map(|size| size.as_u64())
    };
    let found = match value {
        Value::Bytes(found) => Some(*found),
        Value::Integer(found) => u64::try_from(*found).ok(),
        Value::Word(text) | Value::Text(text) => size(text),
        _ => None,
    };
    found.ok_or_else(|| format!("a size in bytes, such as 65536 or {example}"))
}

fn switch(value: &Value) -> Result<bool, String> {
    match value {
        Value::Switch(on) => Ok(*on),
        Value::Word(text) => match text.as_str() {
            "true" | "on" | "1" => Ok(true),
            "false" | "off" | "0" => Ok(false),
            _ => Err("true or false".to_owned()),
        },
        Value::Text(_) => Err("true or false, without quotes".to_owned()),
        _ => Err("true or false".to_owned()),
    }
}

/// Longer values are cut.
const LONGEST_SHOWN: usize = 64;

/// A value as an error shows it. What may be a URL or hold a password, put where it does
/// not belong, is not shown.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Word(text) | Value::Text(text) => shown_text(text),
        Value::Secret(_) => "\"…\"".to_owned(),
        Value::Integer(found) => found.to_string(),
        Value::Float(found) => found.to_string(),
        Value::Switch(on) => on.to_string(),
        Value::Names(names) => {
            let names: Vec<String> = names.iter().map(|name| shown_text(name)).collect();
            format!("[{}]", names.join(", "))
        }
        Value::Duration(found) => format!("{:?}", humantime::format_duration(*found).to_string()),
        Value::Bytes(found) => found.to_string(),
        Value::Other(what) => format!("({what})"),
    }
}

// rule: error-texts-hold-no-secret
fn shown_text(text: &str) -> String {
    if let Some((scheme, _)) = text.split_once("://")
        && is_plain(scheme)
    {
        return format!("\"{scheme}://…\"");
    }
    if text.contains(['@', '=']) || text.contains("://") {
        return "\"…\"".to_owned();
    }
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A key as an error shows it, if it looks like one.
pub(super) fn shown_key(key: &str) -> String {
    let short = key.len() <= LONGEST_SHOWN;
    if short && key.split('.').all(is_plain) {
        key.to_owned()
    } else {
        "…".to_owned()
    }
}

/// Whether the text can only be a name.
pub(super) fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '+'))
}
