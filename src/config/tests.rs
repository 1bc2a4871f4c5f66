//! Where settings come from, which of them count, and what is said of wrong ones.

use std::ffi::OsString;

use super::*;
use crate::error::Error;

/// What each place says.
#[derive(Default)]
struct Places<'a> {
    code: Layer,
    toml: &'a [&'a str],
    env: Option<&'a [(&'a str, &'a str)]>,
}

impl Places<'_> {
    fn gather(self) -> Result<(Config, Option<Url>), Error> {
        let sources: Vec<Source> = self
            .toml
            .iter()
            .map(|text| Source::Text((*text).to_owned()))
            .collect();
        let env = self.env.map(|variables| {
            let owned = |(name, value): &(&str, &str)| (OsString::from(name), value.into());
            variables.iter().map(owned).collect()
        });
        gather(self.code, &sources, env)
    }

    fn config(self) -> Config {
        self.gather().unwrap_or_else(|error| panic!("{error}")).0
    }

    fn refusal(self) -> String {
        self.gather().expect_err("refused").to_string()
    }
}

fn in_url(query: &str) -> Places<'static> {
    let mut code = Layer::default();
    code.url(format!("memory://?{query}"), "the URL");
    Places {
        code,
        ..Places::default()
    }
}

fn in_toml<'a>(text: &'a &'a str) -> Places<'a> {
    Places {
        toml: std::slice::from_ref(text),
        ..Places::default()
    }
}

fn in_env<'a>(variables: &'a [(&'a str, &'a str)]) -> Places<'a> {
    Places {
        env: Some(variables),
        ..Places::default()
    }
}

/// The value as TOML has it: numbers and switches bare, lists as arrays.
fn toml_value<T>(key: &Key<T>) -> String {
    match key.kind {
        Kind::Share(_) | Kind::Switch(_) | Kind::Whole(_) | Kind::Positive(_) => {
            key.example.to_owned()
        }
        Kind::Names(_) => {
            let names: Vec<String> = key.example.split(',').map(|n| format!("{n:?}")).collect();
            format!("[{}]", names.join(", "))
        }
        _ => format!("{:?}", key.example),
    }
}

#[test]
fn each_setting_can_be_set_everywhere_and_changes_something() {
    for key in KEYS {
        let (name, example) = (key.name, key.example);
        let url = in_url(&format!("{name}={example}")).config();
        let toml = in_toml(&&*format!("{name} = {}", toml_value(key))).config();
        let variable = format!("DIESEL_CACHE_{}", name.to_uppercase());
        let env = in_env(&[(&variable, example)]).config();
        assert_ne!(url, Config::default(), "{name}");
        assert_eq!(url, toml, "{name}");
        assert_eq!(url, env, "{name}");
    }
    for key in TABLE_KEYS {
        let (name, example) = (key.name, key.example);
        let toml = format!("[models.Posts]\n{name} = {}", toml_value(key));
        let toml = in_toml(&&*toml).config();
        let variable = format!("DIESEL_CACHE_MODELS__POSTS__{}", name.to_uppercase());
        let env = in_env(&[(&variable, example)]).config();
        assert_ne!(toml.tables["posts"], TableConfig::default(), "{name}");
        assert_eq!(toml, env, "{name}");
    }
}

#[test]
fn each_setting_is_documented() {
    let builder = include_str!("../cache/builder.rs");
    let names = KEYS.iter().map(|key| key.name);
    for name in names.chain(["url"]) {
        assert!(builder.contains(&format!("/// | `{name}` | ")), "{name}");
    }
    let (_, of_tables) = builder.split_once("# Settings of one table").unwrap();
    for key in TABLE_KEYS {
        let row = format!("/// | `{}` | ", key.name);
        assert!(of_tables.contains(&row), "{}", key.name);
    }
}

#[test]
fn keys_are_sorted_and_no_key_hides_another() {
    assert!(KEYS.is_sorted_by(|one, two| one.name < two.name));
    assert!(TABLE_KEYS.is_sorted_by(|one, two| one.name < two.name));
    // In the environment, two underscores end a table's name.
    let tables = TABLE_KEYS.iter().map(|key| key.name);
    assert!(
        KEYS.iter()
            .map(|key| key.name)
            .chain(tables)
            .all(|name| !name.contains("__") && !["url", "config", "models"].contains(&name))
    );
}

fn seconds(config: &Config) -> u64 {
    config.ttl.as_secs()
}

#[test]
fn of_two_places_the_higher_counts() {
    let code = |url: Option<&str>, own: Option<u64>| {
        let mut code = Layer::default();
        if let Some(url) = url {
            code.url(url.to_owned(), "the URL");
        }
        if let Some(own) = own {
            code.set("ttl", Value::Duration(Duration::from_secs(own)), "code");
        }
        code
    };
    // From low to high; each alone, and each against all below it.
    let toml_one = "url = 'memory://?ttl=3s'";
    let toml_two = "ttl = '4s'";
    let toml_three = "ttl = '5s'";
    let env_url: &[_] = &[("DIESEL_CACHE_URL", "memory://?ttl=6s")];
    let env_both: &[_] = &[
        ("DIESEL_CACHE_TTL", "7s"),
        ("DIESEL_CACHE_URL", "memory://?ttl=6s"),
    ];
    let both = || code(Some("memory://?ttl=1s"), Some(2));
    let cases = [
        (code(None, None), &[][..], None, 300),
        (code(Some("memory://?ttl=1s"), None), &[], None, 1),
        (both(), &[], None, 2),
        (both(), &[toml_one], None, 3),
        (both(), &["url = 'memory://?ttl=3s'\nttl = '4s'"], None, 4),
        (both(), &[toml_one, toml_two], None, 4),
        (both(), &[toml_two, toml_three], None, 5),
        (both(), &[toml_three, toml_two], None, 4),
        (both(), &[toml_two], Some(env_url), 6),
        (both(), &[toml_two], Some(env_both), 7),
        (both(), &[], Some(&[("DIESEL_CACHE_TTL", "7s")]), 7),
        (both(), &[], Some(&[]), 2),
        (
            code(Some("memory://?ttl=1s"), None),
            &[toml_one],
            Some(env_url),
            6,
        ),
    ];
    for (at, (code, toml, env, expected)) in cases.into_iter().enumerate() {
        let places = Places { code, toml, env };
        assert_eq!(seconds(&places.config()), expected, "case {at}");
    }
}

#[test]
fn the_file_that_the_environment_names_is_between_toml_and_the_variables() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "ttl = '8s'\njitter = 0.3\n").unwrap();
    let path = file.path().to_str().unwrap();
    let config = |env: &[(&str, &str)]| {
        Places {
            toml: &["ttl = '4s'\njitter = 0.2\ncapacity = '2MiB'"],
            env: Some(env),
            ..Places::default()
        }
        .config()
    };
    let only = config(&[("DIESEL_CACHE_CONFIG", path)]);
    assert_eq!(
        (seconds(&only), only.jitter, only.capacity),
        (8, 0.3, 2 << 20)
    );
    let over = config(&[("DIESEL_CACHE_CONFIG", path), ("DIESEL_CACHE_TTL", "9s")]);
    assert_eq!((seconds(&over), over.jitter), (9, 0.3));
}

#[test]
fn a_url_that_is_replaced_sets_nothing() {
    let places = Places {
        code: in_url("capacity=2MiB&jitter=0.3").code,
        toml: &["url = 'memory://?ttl=3s'"],
        env: None,
    };
    let expected = in_url("ttl=3s").config();
    assert_eq!(places.config(), expected);
    // It must be right all the same.
    let places = Places {
        code: in_url("capacity=big").code,
        toml: &["url = 'memory://'"],
        env: None,
    };
    assert!(
        places
            .refusal()
            .contains("`capacity` in the query of the URL")
    );
}

#[test]
fn sections_of_tables_merge_by_key() {
    let config = Places {
        toml: &[
            "[models.Posts]\nttl = '1m'\nnever = true\ndepends_on = ['a', 'B']",
            "[models.posts]\nnever = false\n[models.a__b]\nenabled = false",
        ],
        env: Some(&[
            ("DIESEL_CACHE_MODELS__POSTS__TTL", "2m"),
            ("DIESEL_CACHE_MODELS__A__B__TTL", "3m"),
            ("DIESEL_CACHE_MODELS__POSTS__DEPENDS_ON", "C, d"),
            ("PATH", "/bin"),
        ]),
        ..Places::default()
    }
    .config();
    let posts = &config.tables["posts"];
    assert!(posts.enabled && !posts.settings.never);
    assert_eq!(posts.settings.ttl, Some(Duration::from_secs(120)));
    let names: Vec<&str> = posts.settings.depends_on.iter().map(|n| &**n).collect();
    assert_eq!(names, ["c", "d"]);
    let other = &config.tables["a__b"];
    assert!(!other.enabled);
    assert_eq!(other.settings.ttl, Some(Duration::from_secs(180)));
    assert_eq!(config.tables.len(), 2);
}

#[test]
fn wrong_values_say_where_they_stand_and_what_is_allowed() {
    for (text, says) in [
        (
            "ttl = 5",
            "invalid value 5 for `ttl` in the text given to `Builder::config_toml`, line 1: \
             a duration in quotes, such as \"10m\"",
        ),
        (
            "\n\nttl = 'soon'",
            "value \"soon\" for `ttl` in the text given to `Builder::config_toml`, line 3: a duration, such as 90s or 10m",
        ),
        ("ttl = '0s'", "\"0s\" for `ttl`"),
        ("ttl = '9999y'", "a positive duration of at most 1year"),
        ("ttl = 2024-01-01", "(a date) for `ttl`"),
        ("ttl = ['5m']", "[\"5m\"] for `ttl`"),
        ("[ttl]", "(a section) for `ttl`"),
        ("jitter = 0.9", "0.9 for `jitter`"),
        ("jitter = 3", "a number from 0 to 0.5, such as 0.2"),
        ("jitter = nan", "a number from 0 to 0.5"),
        ("jitter = '0.1'", "\"0.1\" for `jitter`"),
        ("capacity = 12", "12 for `capacity`"),
        ("capacity = 12", "at least 1024 bytes, such as 256MiB"),
        ("capacity = -1", "a size in bytes"),
        (
            "capacity = 'big'",
            "a size in bytes, such as 65536 or 256MiB",
        ),
        (
            "capacity = 99999999999999999999",
            "(a number that is too large)",
        ),
        ("enabled = 'true'", "true or false, without quotes"),
        ("enabled = 1", "1 for `enabled`"),
        ("namespace = 5", "5 for `namespace`"),
        ("database = ''", "a text that is not empty"),
        ("single_flight_wait = '2days'", "a duration of at most 1h"),
        (
            "pure_functions = 'half'",
            "a list of names, such as [\"half\", \"double\"]",
        ),
        ("pure_functions = ['half', 5]", "(a list of other things)"),
        ("pure_functions = ['public.half']", "names without a schema"),
        ("version = -1", "a whole number below 2^32, such as 2"),
        ("version = '2'", "\"2\" for `version`"),
        ("version = 4294967296", "4294967296 for `version`"),
        (
            "[models.posts]\nstrategy = 'Ttl'",
            "\"Ttl\" for `models.posts.strategy` in the text given to `Builder::config_toml`, line 2: one of \"version\", \"delete\", \"ttl\"",
        ),
        ("url = 5", "5 for `url`"),
        (
            "tll = '5m'",
            "unknown setting `tll` in the text given to `Builder::config_toml`, line 1 (did you mean `ttl`?); known settings are capacity, ",
        ),
        (
            "colour = 'red'",
            "unknown setting `colour` in the text given to `Builder::config_toml`, line 1; known",
        ),
        ("models = 5", "5 for `models`"),
        ("models.posts = 5", "5 for `models.posts`"),
        ("[model.posts]", "unknown setting `[model]`"),
        ("[model.posts]", "did you mean `models`?"),
        (
            "[models.posts]\ntl = '5m'",
            "unknown setting `models.posts.tl`",
        ),
        (
            "[models.posts]\ntl = '5m'",
            "line 2 (did you mean `ttl`?); known settings are depends_on, enabled",
        ),
        ("[models.posts]\nttl = 5", "5 for `models.posts.ttl`"),
        ("[models.blog.posts]", "unknown setting `models.blog.posts`"),
        (
            "[models.'blog.posts']\nttl = '5m'",
            "a table's name in SQL, without a schema",
        ),
        ("[models.posts]\n[models.Posts]", "one section for a table"),
        (
            "ttl = '5m'\nttl = '6m'",
            "line 2 is not TOML: duplicate key",
        ),
        ("ttl", "line 1 is not TOML: "),
    ] {
        let error = in_toml(&text).refusal();
        assert!(error.contains(says), "{text}: {error}");
    }
    for (variable, value, says) in [
        (
            "DIESEL_CACHE_TTL",
            "soon",
            "\"soon\" for `ttl` in the environment variable `DIESEL_CACHE_TTL`: a duration",
        ),
        ("DIESEL_CACHE_TTL", "", "\"\" for `ttl`"),
        ("DIESEL_CACHE_ENABLED", "yes please", "true or false"),
        (
            "DIESEL_CACHE_URL",
            "memory://?ttl=soon",
            "in the query of the URL in the environment variable `DIESEL_CACHE_URL`",
        ),
        (
            "DIESEL_CACHE_PURE_FUNCTIONS",
            "half,,double",
            "none of them empty",
        ),
        (
            "DIESEL_CACHE_TLL",
            "5m",
            "unknown setting `DIESEL_CACHE_TLL` in the environment (did you mean `DIESEL_CACHE_TTL`?); known settings are DIESEL_CACHE_CAPACITY, ",
        ),
        ("DIESEL_CACHE_ttl", "5m", "did you mean `DIESEL_CACHE_TTL`?"),
        ("DIESEL_CACHE_", "5m", "unknown setting `DIESEL_CACHE_`"),
        (
            "DIESEL_CACHE_CONFIGS",
            "x",
            "did you mean `DIESEL_CACHE_CONFIG`?",
        ),
        (
            "DIESEL_CACHE_CONFIG",
            "/no/such/file",
            "`/no/such/file` cannot be read: No such file",
        ),
        (
            "DIESEL_CACHE_MODELS__POSTS__TTL",
            "soon",
            "\"soon\" for `models.posts.ttl` in the environment variable `DIESEL_CACHE_MODELS__POSTS__TTL`",
        ),
        (
            "DIESEL_CACHE_MODELS__POSTS__TLL",
            "5m",
            "did you mean `DIESEL_CACHE_MODELS__POSTS__TTL`?",
        ),
        (
            "DIESEL_CACHE_MODELS__TTL",
            "5m",
            "unknown setting `DIESEL_CACHE_MODELS__TTL`",
        ),
        ("DIESEL_CACHE_MODELS____TTL", "5m", "a table's name in SQL"),
        (
            "DIESEL_CACHE_MODELS__POSTS__NEVER",
            "perhaps",
            "true or false",
        ),
    ] {
        let error = in_env(&[(variable, value)]).refusal();
        assert!(error.contains(says), "{variable}: {error}");
    }
    for (query, says) in [
        ("ttl=5", "\"5\" for `ttl` in the query of the URL"),
        (
            "ttl=1m&ttl=2m",
            "\"2m\" for `ttl` in the query of the URL: given once",
        ),
        (
            "url=memory",
            "unknown setting `url` in the query of the URL",
        ),
        ("models.posts.ttl=1m", "unknown setting `models.posts.ttl`"),
        (
            "tl=1m",
            "did you mean `ttl`?); known settings are capacity, catalogue_interval",
        ),
    ] {
        let error = in_url(query).refusal();
        assert!(error.contains(says), "{query}: {error}");
    }
    let error = in_url("tl=1m").refusal();
    assert!(!error.contains("models"), "{error}");
}

#[test]
fn wrong_values_from_code_are_refused() {
    for (key, value) in [
        ("ttl", Value::Duration(Duration::ZERO)),
        ("ttl", Value::Duration(Duration::MAX)),
        ("single_flight_wait", Value::Duration(Duration::MAX)),
        ("jitter", Value::Float(f64::NAN)),
        ("capacity", Value::Bytes(0)),
        ("database", Value::Text(String::new())),
    ] {
        let mut code = Layer::default();
        code.set(key, value, format!("`Builder::{key}`"));
        let places = Places {
            code,
            ..Places::default()
        };
        let error = places.refusal();
        let says = format!("for `{key}` in `Builder::{key}`: ");
        assert!(error.contains(&says), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStringExt;

    let odd = || OsString::from_vec(b"\xff5m".to_vec());
    let run = |name: OsString, value: OsString| {
        let error = gather(Layer::default(), &[], Some(vec![(name, value)]));
        error.expect_err("refused").to_string()
    };
    assert_eq!(
        run("DIESEL_CACHE_TTL".into(), odd()),
        "invalid value (not UTF-8) for `ttl` in the environment variable `DIESEL_CACHE_TTL`: \
         a text in UTF-8"
    );
    let mut name = OsString::from("DIESEL_CACHE_TTL");
    name.push(odd());
    assert!(run(name, "5m".into()).contains("unknown setting"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"ttl = '\xff'").unwrap();
    let error = run("DIESEL_CACHE_CONFIG".into(), file.path().into());
    assert!(
        error.contains("cannot be read: stream did not contain valid UTF-8"),
        "{error}"
    );
}

/// A password in every place where one may stand by mistake.
#[test]
fn errors_hold_no_secret() {
    const SECRET: &str = "hunter2";
    let url = "redis://user:hunter2@host/0";
    let mut texts = Vec::new();
    for text in [
        format!("ttl = '{url}'"),
        "ttl = 'host=db password=hunter2'".to_owned(),
        format!("url = '{url}'\nttl = 5"),
        format!("url = {url}"),
        format!("url = '{url}"),
        format!("url = '{url}' x"),
        format!("'{url}' = 5"),
        format!("url = ['{url}']"),
        format!("[models.'{url}.x']\nttl = '5m'"),
        format!("[models]\n'{url}' = 5"),
        format!("pure_functions = ['a.b', '{url}']"),
        format!("url = '{url}'\nurl = '{url}'"),
        format!("url = '{url}?x=hunter2'"),
        "url = 'redis://host?hunter2@x=1'".to_owned(),
    ] {
        texts.push(in_toml(&&*text).refusal());
    }
    for (variable, value) in [
        ("DIESEL_CACHE_TTL", url),
        ("DIESEL_CACHE_URL", "redis://host?ttl=user:hunter2@host"),
        ("DIESEL_CACHE_CAPACITY", "user:hunter2@host"),
        ("DIESEL_CACHE_JITTER", "a?b://hunter2"),
        ("DIESEL_CACHE_URLS", url),
    ] {
        texts.push(in_env(&[(variable, value)]).refusal());
    }
    for text in texts {
        assert!(!text.contains(SECRET), "{text}");
    }
    let mut level = Layer::default();
    level.url(url.to_owned(), "the URL");
    assert_eq!(
        format!("{level:?}"),
        "Layer { url: Some(redis://…), settings: [] }"
    );
    let source = Source::Text(format!("url = '{url}'"));
    assert_eq!(format!("{source:?}"), "text");
}
