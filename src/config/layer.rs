//! Layers of settings, and which of them counts.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use crate::config::kind::{is_bare, is_plain, shown, shown_key};
use crate::config::{Config, KEYS, Key, TABLE_KEYS, Value, env, toml};
use crate::error::Error;

/// A URL and where it stands. Its `Debug` shows the scheme alone.
#[derive(Clone)]
pub(crate) struct Url {
    text: String,
    pub(crate) place: String,
}

impl Url {
    /// The scheme, and what stands between it and the query. Without a scheme it is empty.
    pub(crate) fn parts(&self) -> (&str, &str) {
        let (scheme, rest) = self.text.split_once("://").unwrap_or(("", ""));
        // A text that is no URL may hold a password: it is not repeated.
        let scheme = if is_plain(scheme) { scheme } else { "" };
        (scheme, rest.split_once('?').map_or(rest, |(body, _)| body))
    }

    fn query(&self) -> &str {
        self.text.split_once('?').map_or("", |(_, query)| query)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://…", self.parts().0)
    }
}

/// What one place says: all of its settings count over its URL's query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    url: Option<Url>,
    settings: Vec<Setting>,
}

#[derive(Debug, Clone)]
struct Setting {
    /// The table, if it is a setting of one.
    table: Option<String>,
    key: String,
    value: Value,
    place: String,
    /// Whether it stands in a URL's query, which knows fewer keys.
    in_query: bool,
}

/// Where TOML comes from.
#[derive(Clone)]
pub(crate) enum Source {
    File(PathBuf),
    Text(String),
}

impl fmt::Debug for Source {
    // A text may hold a URL with a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Text(_) => f.write_str("text"),
        }
    }
}

impl Layer {
    pub(crate) fn url(&mut self, text: String, place: impl Into<String>) {
        let place = place.into();
        self.url = Some(Url { text, place });
    }

    pub(crate) fn set(&mut self, key: &str, value: Value, place: impl Into<String>) {
        self.settings.push(Setting {
            table: None,
            key: key.to_owned(),
            value,
            place: place.into(),
            in_query: false,
        });
    }

    /// Adds to a list of names that this level may have set before.
    pub(crate) fn extend(&mut self, key: &str, more: Vec<String>, place: &str) {
        let before = self.settings.iter_mut().find(|setting| setting.key == key);
        match before.map(|setting| &mut setting.value) {
            Some(Value::Names(names)) => names.extend(more),
            _ => self.set(key, Value::Names(more), place),
        }
    }

    pub(super) fn set_of_table(&mut self, table: &str, key: &str, value: Value, place: String) {
        self.settings.push(Setting {
            table: Some(table.to_owned()),
            key: key.to_owned(),
            value,
            place,
            in_query: false,
        });
    }
}

impl Setting {
    fn apply(&self, config: &mut Config) -> Result<(), Error> {
        let Some(table) = &self.table else {
            return apply(KEYS, &self.key, config, self);
        };
        if !is_bare(table) {
            return Err(Error::Config {
                place: self.place.clone(),
                key: "models".to_owned(),
                value: shown(&Value::Text(table.clone())),
                allowed: "a table's name in SQL, without a schema".to_owned(),
            });
        }
        let table = config
            .tables
            .entry(table.to_lowercase().into())
            .or_default();
        apply(TABLE_KEYS, &self.key, table, self)
    }

    /// The key with its table, as TOML has it.
    fn path(&self) -> String {
        match &self.table {
            Some(table) => shown_key(&format!("models.{table}.{}", self.key)),
            None => shown_key(&self.key),
        }
    }
}

fn apply<T>(keys: &[Key<T>], name: &str, to: &mut T, setting: &Setting) -> Result<(), Error> {
    let Some(key) = keys.iter().find(|key| key.name == name) else {
        let mut names: Vec<&str> = keys.iter().map(|key| key.name).collect();
        if setting.table.is_none() && !setting.in_query {
            names.push("models");
            names.push("url");
        }
        return Err(unknown(
            setting.path(),
            setting.place.clone(),
            nearest(name, &names),
            &names,
        ));
    };
    key.kind
        .set(to, &setting.value, key.example)
        .map_err(|allowed| Error::Config {
            place: setting.place.clone(),
            key: setting.path(),
            value: key.shown(&setting.value),
            allowed,
        })
}

/// The error of a key that does not exist.
pub(super) fn unknown(key: String, place: String, near: Option<&str>, names: &[&str]) -> Error {
    let hint = near.map(|near| format!(" (did you mean `{near}`?)"));
    Error::UnknownSetting {
        key,
        place,
        hint: hint.unwrap_or_default(),
        known: names.join(", "),
    }
}

/// The name that was probably meant.
pub(super) fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), known);
    let near = names.iter().map(|known| (distance(known), *known)).min()?;
    (near.0 <= (near.1.len() / 3).max(1)).then_some(near.1)
}

/// The settings that count, and the URL, if there is one.
///
/// From low to high: the defaults, `code`, each of `sources`, the file that the environment
/// names, the environment. The highest URL counts, whole; its query counts at its own level.
pub(crate) fn gather(
    code: Layer,
    sources: &[Source],
    environment: Option<env::Variables>,
) -> Result<(Config, Option<Url>), Error> {
    let mut levels = vec![code];
    for source in sources {
        levels.push(toml::level(source)?);
    }
    if let Some(variables) = environment {
        let (level, file) = env::level(variables)?;
        if let Some(file) = file {
            levels.push(toml::level(&Source::File(file))?);
        }
        levels.push(level);
    }
    let highest = levels.iter().rposition(|level| level.url.is_some());
    let mut config = Config::default();
    for (at, level) in levels.iter().enumerate() {
        if let Some(url) = &level.url {
            // A URL that does not count must be right all the same.
            let mut aside = config.clone();
            // rule: a-replaced-url-sets-nothing
            let to = if highest == Some(at) {
                &mut config
            } else {
                &mut aside
            };
            apply_query(url, to)?;
        }
        for setting in &level.settings {
            setting.apply(&mut config)?;
        }
    }
    let url = levels.into_iter().rev().find_map(|level| level.url);
    Ok((config, url))
}

fn apply_query(url: &Url, config: &mut Config) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for (key, value) in form_urlencoded::parse(url.query().as_bytes()) {
        let setting = Setting {
            table: None,
            value: Value::Word(value.into_owned()),
            place: format!("the query of {}", url.place),
            key: key.into_owned(),
            in_query: true,
        };
        setting.apply(config)?;
        if !seen.insert(setting.key.clone()) {
            return Err(Error::Config {
                key: setting.path(),
                value: KEYS
                    .iter()
                    .find(|key| key.name == setting.key)
                    .map_or_else(String::new, |key| key.shown(&setting.value)),
                place: setting.place,
                allowed: "given once".to_owned(),
            });
        }
    }
    Ok(())
}
