//! What a run is asked to do.

use std::path::PathBuf;

/// The help text.
pub const USAGE: &str = "\
replay --trace FILE --database sqlite|postgres|mariadb --backend memory|redis
       [--verify] [--delete model|id] [--expect-sha256 HEX] [--min-hit-ratio X]

  --verify         compare each cached read with the same query on a plain connection
  --delete         delete comments by the helper of their model (the default), or by
                   a plain statement that names their id alone
  --expect-sha256  fail if the digest of all results is another
  --min-hit-ratio  fail if fewer of the reads were hits";

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$inner:meta])* $variant:ident = $text:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$inner])* $variant),+
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
    /// Which database.
    Database {
        /// A temporary file.
        Sqlite = "sqlite",
        /// The server that `CACHE_TEST_POSTGRES_URL` names.
        Postgres = "postgres",
        /// The server that `CACHE_TEST_MYSQL_URL` names.
        Mariadb = "mariadb",
    }
}
choice! {
    /// Where entries live.
    Backend {
        /// In this process.
        Memory = "memory",
        /// In the server that `CACHE_TEST_REDIS_URL` names.
        Redis = "redis",
    }
}
choice! {
    /// How comments are deleted.
    Delete {
        /// By the helper of their model: the application has the row at hand.
        Model = "model",
        /// By a statement that names their id: it has nothing else.
        Id = "id",
    }
}

/// What a run is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The trace.
    pub trace: PathBuf,
    /// The database that it is replayed on.
    pub database: Database,
    /// Where the cache keeps its entries.
    pub backend: Backend,
    /// How comments are deleted.
    pub delete: Delete,
    /// Whether each cached read is compared with the database.
    pub verify: bool,
    /// The digest of all results, if it is known.
    pub expect_sha256: Option<String>,
    /// How many of the reads must be hits.
    pub min_hit_ratio: Option<f64>,
}

impl Options {
    /// Reads the command line, without the program's name.
    ///
    /// # Errors
    /// What is not understood, or is missing.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut trace, mut database, mut backend) = (None, None, None);
        let mut delete = Delete::Model;
        let mut verify = false;
        let (mut expect_sha256, mut min_hit_ratio) = (None, None);
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            if arg == "--verify" {
                verify = true;
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
            match name.as_str() {
                "--trace" => trace = Some(PathBuf::from(value)),
                "--database" => database = Some(Database::named(&name, &value)?),
                "--backend" => backend = Some(Backend::named(&name, &value)?),
                "--delete" => delete = Delete::named(&name, &value)?,
                "--expect-sha256" => expect_sha256 = Some(value.to_lowercase()),
                "--min-hit-ratio" => {
                    let ratio = value.parse();
                    let error = |error| format!("`{name} {value}`: {error}");
                    min_hit_ratio = Some(ratio.map_err(error)?);
                }
                other => return Err(format!("unknown option `{other}`")),
            }
        }
        Ok(Self {
            trace: trace.ok_or("`--trace` is missing")?,
            database: database.ok_or("`--database` is missing")?,
            backend: backend.ok_or("`--backend` is missing")?,
            delete,
            verify,
            expect_sha256,
            min_hit_ratio,
        })
    }
}
