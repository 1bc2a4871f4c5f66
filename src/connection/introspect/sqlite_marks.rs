//! Which processes have a SQLite database open through a shared store.

use std::path::{Path, PathBuf};

use diesel::connection::LoadConnection;
use diesel::result::QueryResult;

use super::{cell, texts};
use crate::connection::gate::Mark;
use crate::shared::lock_file::{self, LockFiles};
use crate::statement::CacheDatabase;
use crate::token::ProcessId;

/// The folder of the connection's database file, and the file's name.
fn place<C>(conn: &mut C) -> QueryResult<Option<(PathBuf, String)>>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let rows = texts(
        conn,
        "SELECT file FROM pragma_database_list WHERE name = 'main'",
    )?;
    let file = Path::new(rows.first().map_or("", |row| cell(row, 0)));
    let folder = file.parent().map(Path::to_path_buf);
    let name = file.file_name().and_then(|name| name.to_str());
    Ok(folder.zip(name.map(str::to_owned)))
}

/// The processes whose sessions are marked have a locked file each beside the database.
fn marks(name: &str, class: u32) -> String {
    format!("{name}-cache-{class:08x}-")
}

/// Marks the process as one that has the database open. Returns what its sessions are called.
pub(super) fn mark<C>(conn: &mut C, mark: Mark, files: &LockFiles) -> QueryResult<Option<String>>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let Some((folder, name)) = place(conn)? else {
        return Ok(None);
    };
    let name = format!("{}{}", marks(&name, mark.class), mark.process);
    Ok(files.hold(&folder.join(&name)).then_some(name))
}

/// Whether the process that the session is of has ended: nobody holds its file.
pub(super) fn has_ended<C>(conn: &mut C, session: &str) -> QueryResult<bool>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let Some((folder, name)) = place(conn)? else {
        return Ok(false);
    };
    // Of another database, or no name of a file at all.
    if !session.starts_with(&format!("{name}-cache-")) || session.contains(['/', '\\']) {
        return Ok(false);
    }
    Ok(lock_file::is_abandoned(&folder.join(session)))
}

/// Whether a process is marked that is none of these.
pub(super) fn has_marks_besides<C>(
    conn: &mut C,
    mark: Mark,
    processes: &[ProcessId],
) -> QueryResult<bool>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let Some((folder, name)) = place(conn)? else {
        return Ok(true);
    };
    let prefix = marks(&name, mark.class);
    let Ok(files) = std::fs::read_dir(&folder) else {
        return Ok(true);
    };
    for file in files {
        let Ok(file) = file else {
            return Ok(true);
        };
        let name = file.file_name();
        let Some(process) = name.to_str().and_then(|name| name.strip_prefix(&prefix)) else {
            continue;
        };
        let known = u64::from_str_radix(process, 16).map(ProcessId::of);
        if !known.is_ok_and(|process| processes.contains(&process))
            && !lock_file::is_abandoned(&file.path())
        {
            return Ok(true);
        }
    }
    Ok(false)
}
