//! What a run is asked to do.

use serde::{Deserialize, Serialize};

use crate::fault::Kind;
use crate::layout;

/// The help text.
pub(crate) const USAGE: &str = "\
soak --seconds N [--faults all|none|NAME,NAME...] [--level strong|eventual|durable]
     [--backend redis|memory|file|tiered] [--database postgres|mariadb|sqlite]
     [--path seen|explicit] [--on-unreachable proceed|abort] [--async]
     [--staleness-ms D] [--processes P] [--threads T] [--seed S] [--max-staleness-ms M] [--lag-ms L]
     [--sabotage NAME]";

/// Within what time the store is told of a write that nobody waited for.
pub(crate) const HANDED_MS: u64 = 2000;

/// What `Builder::relay` states: an interval, four seconds where who leads is gone, one after a failure.
const LAG_MS: u64 = 5250;

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) enum $name {
            $(#[serde(rename = $text)] $variant),+
        }

        impl $name {
            fn named(option: &str, text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(format!(
                        "`{option} {other}`: it must be one of {}",
                        [$($text),+].join(", ")
                    )),
                }
            }

            pub(crate) fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }
    };
}

choice! {
    /// What the cache promises.
    Level { Strong = "strong", Eventual = "eventual", Durable = "durable" }
}
choice! {
    /// Where entries live.
    Backend { Redis = "redis", Memory = "memory", File = "file", Tiered = "tiered" }
}
choice! {
    /// Which database.
    Database { Postgres = "postgres", Mariadb = "mariadb", Sqlite = "sqlite" }
}
choice! {
    /// How the cache learns of writes: it sees the statements, or the application goes through
    /// its helpers.
    Path { Seen = "seen", Explicit = "explicit" }
}
choice! {
    /// What becomes of a write that cannot be announced to the store.
    OnUnreachable { Proceed = "proceed", Abort = "abort" }
}
choice! {
    /// A rule of the protocol that is broken on purpose; the checker must notice.
    Sabotage {
        Quarantine = "quarantine-off",
        Gate = "gate-off",
        Incarnation = "incarnation-off",
        Tokens = "tokens-as-counters",
        Lift = "lift-on-unknown",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Options {
    pub(crate) seconds: u64,
    pub(crate) faults: Vec<Kind>,
    pub(crate) level: Level,
    pub(crate) backend: Backend,
    pub(crate) database: Database,
    pub(crate) path: Path,
    pub(crate) on_unreachable: OnUnreachable,
    pub(crate) processes: usize,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
    pub(crate) max_staleness_ms: Option<u64>,
    /// How late the relay may be, besides for as long as something is out of reach.
    pub(crate) lag_ms: u64,
    /// For how long the memory in front of a store may answer without asking.
    pub(crate) staleness_ms: u64,
    pub(crate) sabotage: Option<Sabotage>,
    /// Whether connections are awaited, and futures given up.
    pub(crate) awaits: bool,
}

impl Options {
    /// Whether somebody writes to that table besides the application.
    pub(crate) fn is_outside(&self, table: usize) -> bool {
        self.level == Level::Durable && layout::is_outside(table)
    }

    /// Whether each write is announced to the store before it is committed: on connections that
    /// are awaited, those of the explicit path alone.
    pub(crate) fn announces(&self) -> bool {
        let waits = !self.awaits || self.path == Path::Explicit || self.backend == Backend::Memory;
        self.level != Level::Eventual && waits
    }

    /// Reads the command line, without the program's name.
    ///
    /// # Errors
    /// What is not understood, or does not go together.
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            seconds: 60,
            faults: Kind::ALL.to_vec(),
            level: Level::Strong,
            backend: Backend::Redis,
            database: Database::Postgres,
            path: Path::Seen,
            on_unreachable: OnUnreachable::Proceed,
            processes: 0,
            threads: 2,
            seed: 1,
            max_staleness_ms: None,
            lag_ms: LAG_MS,
            staleness_ms: 0,
            sabotage: None,
            awaits: false,
        };
        let mut chosen = false;
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            if arg == "--async" {
                options.awaits = true;
                continue;
            }
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => {
                    let value = args.next();
                    let value = value.ok_or_else(|| format!("`{arg}` needs a value"))?;
                    (arg, value)
                }
            };
            let number = || {
                let number = value.parse::<u64>();
                number.map_err(|_| format!("`{name} {value}`: it must be a number"))
            };
            let few = || match number()? {
                few @ 1..=16 => Ok(few as usize),
                _ => Err(format!("`{name} {value}`: it must be from 1 to 16")),
            };
            match name.as_str() {
                "--seconds" => options.seconds = number()?,
                "--faults" => {
                    options.faults = Kind::list(&value)?;
                    chosen = value != "all";
                }
                "--level" => options.level = Level::named(&name, &value)?,
                "--backend" => options.backend = Backend::named(&name, &value)?,
                "--database" => options.database = Database::named(&name, &value)?,
                "--path" => options.path = Path::named(&name, &value)?,
                "--on-unreachable" => {
                    options.on_unreachable = OnUnreachable::named(&name, &value)?;
                }
                "--processes" => options.processes = few()?,
                "--threads" => options.threads = few()?,
                "--seed" => options.seed = number()?,
                "--max-staleness-ms" => options.max_staleness_ms = Some(number()?),
                "--lag-ms" => options.lag_ms = number()?,
                "--staleness-ms" => options.staleness_ms = number()?,
                "--sabotage" => options.sabotage = Some(Sabotage::named(&name, &value)?),
                _ => return Err(format!("unknown option `{name}`")),
            }
        }
        options.complete(chosen)
    }

    /// Checks what goes together; `chosen` if the faults were named one by one.
    fn complete(mut self, chosen: bool) -> Result<Self, String> {
        if self.processes == 0 {
            self.processes = match self.backend {
                Backend::Redis | Backend::File | Backend::Tiered => 3,
                Backend::Memory => 1,
            };
        }
        if self.backend == Backend::Memory && self.processes > 1 {
            return Err("entries in memory are one process's own: give `--processes 1`".to_owned());
        }
        if self.staleness_ms > 0 && self.backend != Backend::Tiered {
            return Err("`--staleness-ms` needs `--backend tiered`".to_owned());
        }
        let (backend, database) = (self.backend, self.database);
        let impossible = self
            .faults
            .iter()
            .find(|kind| !kind.is_possible(backend, database));
        if let (Some(kind), true) = (impossible, chosen) {
            return Err(format!(
                "`{}` cannot happen with {} and {}",
                kind.name(),
                backend.text(),
                database.text()
            ));
        }
        self.faults
            .retain(|kind| kind.is_possible(backend, database));
        Ok(self)
    }

    /// The command that repeats this run.
    pub(crate) fn command(&self) -> String {
        let faults: Vec<_> = self.faults.iter().map(|kind| kind.name()).collect();
        let faults = if faults.is_empty() {
            "none".to_owned()
        } else {
            faults.join(",")
        };
        let mut command = format!(
            "cargo xtask soak --seconds {} --faults {faults} --level {} --backend {} \
             --database {} --path {} --on-unreachable {} --processes {} --threads {} --seed {}",
            self.seconds,
            self.level.text(),
            self.backend.text(),
            self.database.text(),
            self.path.text(),
            self.on_unreachable.text(),
            self.processes,
            self.threads,
            self.seed
        );
        if self.staleness_ms > 0 {
            command.push_str(&format!(" --staleness-ms {}", self.staleness_ms));
        }
        if self.lag_ms != LAG_MS {
            command.push_str(&format!(" --lag-ms {}", self.lag_ms));
        }
        if self.awaits {
            command.push_str(" --async");
        }
        if let Some(limit) = self.max_staleness_ms {
            command.push_str(&format!(" --max-staleness-ms {limit}"));
        }
        if let Some(sabotage) = self.sabotage {
            command.push_str(&format!(" --sabotage {}", sabotage.text()));
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_run_can_be_repeated_by_its_command() {
        let line = "--seconds 5 --faults flushall,db-kill --level eventual --database mariadb \
                    --path explicit --on-unreachable=abort --threads 4 --seed 9 \
                    --max-staleness-ms 100 --lag-ms 9 --async --sabotage gate-off";
        let options = parse(line).unwrap();
        let command = options.command();
        let again = command.strip_prefix("cargo xtask soak ").unwrap();
        assert_eq!(parse(again), Ok(options));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        assert!(parse("--backend memory --processes 2").is_err());
        assert!(parse("--backend memory --faults flushall").is_err());
        assert!(parse("--database sqlite --faults db-kill").is_err());
        assert!(parse("--database oracle").is_err());
        assert!(parse("--sabotage everything").is_err());
        assert!(parse("--seconds").is_err());
        assert!(parse("--soon 1").is_err());
        let all = parse("--backend memory --database sqlite --faults all").unwrap();
        assert!(!all.faults.is_empty());
        assert!(all.faults.iter().all(|kind| !kind.is_of_the_store()));
    }
}
