//! What the environment says.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Where the rows are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Database {
    /// A server's URL.
    Postgres(String),
    /// A file.
    Sqlite(PathBuf),
}

/// How the blog runs.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) database: Database,
    /// The URL of the cache's store.
    pub(crate) cache: String,
    /// 0 is any that is free.
    pub(crate) port: u16,
}

impl Settings {
    /// Reads `DATABASE_URL`, `CACHE_URL` and `PORT`. None of them is needed: the rows are then in
    /// `file`, the cache in memory, and the port any.
    ///
    /// # Errors
    /// If one of them is not understood. A URL may hold a password, so the message has no more
    /// of it than its scheme.
    pub(crate) fn from_env(file: &Path) -> Result<Self> {
        Ok(Self {
            database: match variable("DATABASE_URL")? {
                Some(url) => database(&url)?,
                None => Database::Sqlite(file.to_path_buf()),
            },
            cache: variable("CACHE_URL")?.unwrap_or_else(|| "memory://".to_owned()),
            port: match variable("PORT")? {
                Some(port) => port.parse().map_err(|_| "PORT is not a port's number")?,
                None => 0,
            },
        })
    }
}

fn variable(name: &str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8").into()),
    }
}

fn database(url: &str) -> Result<Database> {
    match url.split_once("://") {
        Some(("postgres" | "postgresql", _)) => Ok(Database::Postgres(url.to_owned())),
        Some(("sqlite", file)) => Ok(Database::Sqlite(file.into())),
        Some((scheme, _)) => Err(format!(
            "DATABASE_URL begins with {scheme}://; it may begin with postgres:// or sqlite://"
        )
        .into()),
        None => Err("DATABASE_URL is not a URL: postgres://… or sqlite://FILE".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_tells_the_database() {
        let url = "postgresql://me@localhost/blog";
        assert_eq!(database(url).unwrap(), Database::Postgres(url.to_owned()));
        let file = Database::Sqlite("/tmp/blog.sqlite".into());
        assert_eq!(database("sqlite:///tmp/blog.sqlite").unwrap(), file);
    }

    #[test]
    fn a_password_is_not_repeated() {
        for url in ["mysql://me:secret@localhost/blog", "me:secret@localhost"] {
            let message = database(url).unwrap_err().to_string();
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
