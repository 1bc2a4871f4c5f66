//! Settings in TOML.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::layer::{nearest, unknown};
use crate::config::{KEYS, Layer, Source, Value};
use crate::error::Error;

/// What a text in TOML sets.
///
/// # Errors
/// If the file cannot be read, if the text is not TOML, or if it has a section that does not exist.
pub(super) fn level(source: &Source) -> Result<Layer, Error> {
    let (name, text) = match source {
        Source::Text(text) => (
            "the text given to `Builder::config_toml`".to_owned(),
            text.clone(),
        ),
        Source::File(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| Error::ConfigFile {
                path: path.clone(),
                source,
            })?;
            (format!("`{}`", path.display()), text)
        }
    };
    let place = |at: usize| {
        let before = text.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("{name}, line {line}")
    };
    let document = DeTable::parse(&text).map_err(|error| Error::ConfigSyntax {
        place: error
            .span()
            .map_or_else(|| name.clone(), |span| place(span.start)),
        // Without the line itself, which may hold a URL with a password.
        problem: error.message().to_owned(),
    })?;
    let mut level = Layer::default();
    for (key, value) in document.get_ref() {
        let at = place(key.span().start);
        match (&**key.get_ref(), value.get_ref()) {
            ("models", DeValue::Table(models)) => {
                set_models(&mut level, models, &place)?;
            }
            ("models", other) => return Err(not_a_section("models", other, at)),
            ("url", DeValue::String(url)) => {
                let at = format!("the URL in {at}");
                level.url(url.clone().into_owned(), at);
            }
            ("url", other) => {
                return Err(Error::Config {
                    place: at,
                    key: "url".to_owned(),
                    value: super::kind::shown(&value_of(other)),
                    allowed: "a URL in quotes, such as \"memory://\"".to_owned(),
                });
            }
            // A section of another name is no setting, even if a setting has its name.
            (key, DeValue::Table(_)) if KEYS.iter().all(|known| known.name != key) => {
                let near = nearest(key, &["models"]);
                let key = super::kind::shown_key(key);
                return Err(unknown(format!("[{key}]"), at, near, &["models"]));
            }
            (key, value) => level.set(key, value_of(value), at),
        }
    }
    Ok(level)
}

fn set_models(
    level: &mut Layer,
    models: &DeTable<'_>,
    place: &impl Fn(usize) -> String,
) -> Result<(), Error> {
    let mut seen = std::collections::BTreeSet::new();
    for (table, section) in models {
        let at = place(table.span().start);
        let table: &str = table.get_ref();
        let DeValue::Table(section) = section.get_ref() else {
            let name = super::kind::shown_key(&format!("models.{table}"));
            return Err(not_a_section(&name, section.get_ref(), at));
        };
        if !seen.insert(table.to_lowercase()) {
            return Err(Error::Config {
                place: at,
                key: "models".to_owned(),
                value: super::kind::shown(&Value::Text(table.to_owned())),
                allowed: "one section for a table, in any case".to_owned(),
            });
        }
        for (key, value) in section {
            let at = place(key.span().start);
            level.set_of_table(table, key.get_ref(), value_of(value.get_ref()), at);
        }
    }
    Ok(())
}

fn not_a_section(key: &str, found: &DeValue<'_>, place: String) -> Error {
    Error::Config {
        place,
        key: key.to_owned(),
        value: super::kind::shown(&value_of(found)),
        allowed: "sections, such as [models.posts]".to_owned(),
    }
}

fn value_of(value: &DeValue<'_>) -> Value {
    let names = |values: &[Spanned<DeValue<'_>>]| -> Option<Vec<String>> {
        let texts = values.iter().map(|value| value.get_ref().as_str());
        texts.map(|text| text.map(str::to_owned)).collect()
    };
    match value {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(found) => i64::from_str_radix(found.as_str(), found.radix())
            .map_or(Value::Other("a number that is too large"), Value::Integer),
        DeValue::Float(found) => found
            .as_str()
            .parse()
            .map_or(Value::Other("a number that is too large"), Value::Float),
        DeValue::Boolean(on) => Value::Switch(*on),
        DeValue::Array(values) => {
            names(values).map_or(Value::Other("a list of other things"), Value::Names)
        }
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Table(_) => Value::Other("a section"),
    }
}
