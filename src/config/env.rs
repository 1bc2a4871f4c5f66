//! Settings in the environment.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::kind::shown_key;
use crate::config::layer::{nearest, unknown};
use crate::config::{KEYS, Layer, TABLE_KEYS, Value};
use crate::error::Error;

/// Variables and their values.
pub(crate) type Variables = Vec<(OsString, OsString)>;

const PREFIX: &str = "DIESEL_CACHE_";
const MODELS: &str = "MODELS__";

/// What the variables set, and the file that they name.
///
/// # Errors
/// If a variable of this crate's prefix does not exist, or is not UTF-8.
pub(super) fn level(mut variables: Variables) -> Result<(Layer, Option<PathBuf>), Error> {
    // The environment has no order of its own.
    variables.sort();
    let mut level = Layer::default();
    let mut file = None;
    for (name, value) in variables {
        let lossy = name.to_string_lossy();
        let Some(key) = lossy.strip_prefix(PREFIX) else {
            continue;
        };
        let place = format!("the environment variable `{}`", shown_key(&lossy));
        if key == "CONFIG" {
            file = Some(PathBuf::from(value));
            continue;
        }
        let Some(known) = Known::of(key) else {
            return Err(unknown_variable(key));
        };
        let value = value.into_string().map_err(|_| Error::Config {
            place: place.clone(),
            key: key.to_lowercase(),
            value: "(not UTF-8)".to_owned(),
            allowed: "a text in UTF-8".to_owned(),
        })?;
        match known {
            Known::Url => level.url(value, format!("the URL in {place}")),
            Known::Setting(key) => level.set(key, Value::Word(value), place),
            Known::OfTable(table, key) => {
                level.set_of_table(&table, key, Value::Word(value), place);
            }
        }
    }
    Ok((level, file))
}

/// What a variable sets.
enum Known {
    Url,
    Setting(&'static str),
    OfTable(String, &'static str),
}

impl Known {
    fn of(variable: &str) -> Option<Self> {
        let same = |name: &str| name.to_ascii_uppercase() == variable;
        if variable == "URL" {
            return Some(Self::Url);
        }
        if let Some(key) = KEYS.iter().find(|key| same(key.name)) {
            return Some(Self::Setting(key.name));
        }
        // The table's name may have underscores of its own, the key never two of them.
        let (table, name) = variable.strip_prefix(MODELS)?.rsplit_once("__")?;
        let key = TABLE_KEYS
            .iter()
            .find(|key| key.name.to_ascii_uppercase() == name)?;
        Some(Self::OfTable(table.to_lowercase(), key.name))
    }
}

fn unknown_variable(variable: &str) -> Error {
    let place = "the environment".to_owned();
    let key = shown_key(&format!("{PREFIX}{variable}"));
    let upper = |name: &str| format!("{PREFIX}{}", name.to_ascii_uppercase());
    let of_table = variable
        .strip_prefix(MODELS)
        .and_then(|rest| rest.rsplit_once("__"));
    let (prefix, asked, names) = match of_table {
        Some((table, name)) => {
            let names: Vec<&str> = TABLE_KEYS.iter().map(|key| key.name).collect();
            (format!("{MODELS}{table}__"), name, names)
        }
        None => {
            let mut names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
            names.extend(["config", "url", "models__table__key"]);
            (String::new(), variable, names)
        }
    };
    let near = nearest(asked, &names).map(|near| upper(&format!("{prefix}{near}")));
    let known: Vec<String> = names
        .iter()
        .map(|name| upper(&format!("{prefix}{name}")))
        .collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    unknown(key, place, near.as_deref(), &known)
}
