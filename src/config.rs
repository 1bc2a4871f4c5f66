//! Settings.

use std::time::Duration;

use crate::error::Error;

/// The settings of a cache, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) namespace: String,
    pub(crate) version: u32,
    pub(crate) ttl: Duration,
    pub(crate) negative_ttl: Option<Duration>,
    pub(crate) jitter: f64,
    pub(crate) capacity: u64,
    pub(crate) max_entry_bytes: u64,
    pub(crate) single_flight: bool,
    pub(crate) patience: Duration,
    pub(crate) read_committed_ok: bool,
    pub(crate) enabled: bool,
    pub(crate) database: Option<String>,
    pub(crate) pure_functions: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            version: 0,
            ttl: Duration::from_secs(300),
            negative_ttl: None,
            jitter: 0.1,
            capacity: 64 << 20,
            max_entry_bytes: 1 << 20,
            single_flight: true,
            patience: Duration::from_secs(1),
            read_committed_ok: false,
            enabled: true,
            database: None,
            pure_functions: Vec::new(),
        }
    }
}

const KNOWN: &str = "capacity, database, enabled, jitter, max_entry_bytes, namespace, \
                     negative_ttl, read_committed_ok, single_flight, single_flight_wait, ttl, \
                     version";

impl Config {
    /// Sets one setting from text.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        match key {
            "namespace" => self.namespace = value.to_owned(),
            "database" => self.database = Some(value.to_owned()),
            "ttl" => self.ttl = duration("ttl", value)?,
            "negative_ttl" => self.negative_ttl = Some(duration("negative_ttl", value)?),
            "version" => {
                self.version = value
                    .parse()
                    .map_err(|_| bad("version", value, "a whole number, such as 2"))?;
            }
            "single_flight_wait" => self.patience = duration("single_flight_wait", value)?,
            "jitter" => {
                self.jitter = value
                    .parse()
                    .map_err(|_| bad("jitter", value, "a number from 0 to 0.5, such as 0.1"))?;
            }
            "capacity" => self.capacity = bytes("capacity", value)?,
            "max_entry_bytes" => self.max_entry_bytes = bytes("max_entry_bytes", value)?,
            "single_flight" => self.single_flight = boolean("single_flight", value)?,
            "read_committed_ok" => self.read_committed_ok = boolean("read_committed_ok", value)?,
            "enabled" => self.enabled = boolean("enabled", value)?,
            _ => {
                return Err(Error::UnknownSetting {
                    key: key.to_owned(),
                    known: KNOWN.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Checks what no single setter can.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.ttl.is_zero() {
            return Err(bad("ttl", "0s", "a positive duration, such as 5m"));
        }
        if self.ttl > Duration::from_secs(366 * 24 * 3600) {
            return Err(bad(
                "ttl",
                &humantime::format_duration(self.ttl).to_string(),
                "at most a year, such as 5m",
            ));
        }
        if !(0.0..=0.5).contains(&self.jitter) {
            return Err(bad(
                "jitter",
                &self.jitter.to_string(),
                "a number from 0 to 0.5, such as 0.1",
            ));
        }
        if self.capacity < 1024 {
            return Err(bad(
                "capacity",
                &self.capacity.to_string(),
                "at least 1KiB, such as 64MiB",
            ));
        }
        Ok(())
    }
}

fn bad(key: &'static str, value: &str, allowed: &str) -> Error {
    Error::Config {
        key,
        value: value.to_owned(),
        allowed: allowed.to_owned(),
    }
}

fn duration(key: &'static str, value: &str) -> Result<Duration, Error> {
    humantime::parse_duration(value).map_err(|_| bad(key, value, "a duration, such as 90s or 5m"))
}

fn bytes(key: &'static str, value: &str) -> Result<u64, Error> {
    value
        .parse::<bytesize::ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| bad(key, value, "a size in bytes, such as 65536 or 64MiB"))
}

fn boolean(key: &'static str, value: &str) -> Result<bool, Error> {
    match value {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(bad(key, value, "true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(key: &str, value: &str) -> String {
        let mut config = Config::default();
        config
            .set(key, value)
            .and_then(|()| config.check())
            .expect_err("refused")
            .to_string()
    }

    #[test]
    fn bad_values_name_the_key_the_value_and_what_is_allowed() {
        for (key, value) in [
            ("ttl", "soon"),
            ("ttl", "0s"),
            ("ttl", "9999y"),
            ("negative_ttl", "never"),
            ("version", "two"),
            ("version", "-1"),
            ("jitter", "much"),
            ("jitter", "0.9"),
            ("jitter", "NaN"),
            ("capacity", "big"),
            ("capacity", "12"),
            ("max_entry_bytes", "-1"),
            ("single_flight", "maybe"),
            ("enabled", "yes please"),
        ] {
            let text = message(key, value);
            assert!(text.contains(key), "{text}");
            assert!(
                text.contains("such as") || text.contains("true or false"),
                "{text}"
            );
        }
        assert!(message("tll", "5m").contains("ttl"));
    }
}
