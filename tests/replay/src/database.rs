//! A database of the run's own.

use diesel::connection::{Connection, SimpleConnection};
use diesel::mysql::MysqlConnection;
use diesel::pg::PgConnection;
use tempfile::TempDir;

use crate::options::Database;
use crate::store::{own_name, server};

/// A database of the run's own; dropping it removes it.
#[derive(Debug)]
pub(crate) struct Place {
    url: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A file in a folder, which goes with it.
    File {
        _folder: TempDir,
    },
    Postgres {
        server: String,
        name: String,
    },
    Mariadb {
        server: String,
        name: String,
    },
}

impl Place {
    /// Creates it, without tables.
    ///
    /// # Errors
    /// If no server is named, or it refuses.
    pub(crate) fn create(database: Database) -> Result<Self, String> {
        let name = own_name();
        let (url, kind) = match database {
            Database::Sqlite => {
                let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
                let url = folder.path().join("blog.sqlite").display().to_string();
                (url, Kind::File { _folder: folder })
            }
            Database::Postgres => {
                let server = server("CACHE_TEST_POSTGRES_URL")?;
                let url = in_database(&server, &name)?;
                (url, Kind::Postgres { server, name })
            }
            Database::Mariadb => {
                let server = server("CACHE_TEST_MYSQL_URL")?;
                let url = in_database(&server, &name)?;
                (url, Kind::Mariadb { server, name })
            }
        };
        kind.run("CREATE DATABASE")?;
        Ok(Self { url, kind })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Kind {
    /// Runs `verb` for the database, on its server.
    fn run(&self, verb: &str) -> Result<(), String> {
        match self {
            Self::File { .. } => Ok(()),
            Self::Postgres { server, name } => ask::<PgConnection>(server, verb, name),
            Self::Mariadb { server, name } => ask::<MysqlConnection>(server, verb, name),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = self.kind.run("DROP DATABASE") {
            eprintln!("replay: {error}");
        }
    }
}

fn ask<C: Connection + SimpleConnection>(
    server: &str,
    verb: &str,
    name: &str,
) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{verb} {name}: {error}");
    let mut conn = C::establish(server).map_err(|error| failed(&error))?;
    let done = conn.batch_execute(&format!("{verb} {name}"));
    done.map_err(|error| failed(&error))
}

fn in_database(server: &str, name: &str) -> Result<String, String> {
    let base = server.split('?').next().unwrap_or_default();
    let (base, _) = base
        .rsplit_once('/')
        .ok_or("the server's URL has no path")?;
    Ok(format!("{base}/{name}"))
}
