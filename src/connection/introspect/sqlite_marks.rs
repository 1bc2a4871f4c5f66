//! Which processes have a SQLite database open through a shared store.

use std::path::{Path, PathBuf};

use diesel::result::QueryResult;

use super::{cell, texts};
use crate::connection::Link;
use crate::connection::gate::Mark;
use crate::database::TagSpace;
use crate::shared::lock_file::{self, LockFiles};
use crate::token::ProcessId;

/// The folder of the connection's database file, and the file's name.
async fn place<L: Link>(conn: &mut L) -> QueryResult<Option<(PathBuf, String)>> {
    let rows = texts(
        conn,
        "SELECT file FROM pragma_database_list WHERE name = 'main'",
    )
    .await?;
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
pub(super) async fn mark<L: Link>(
    conn: &mut L,
    mark: Mark,
    files: &LockFiles,
) -> QueryResult<Option<String>> {
    let Some((folder, name)) = place(conn).await? else {
        return Ok(None);
    };
    let name = format!("{}{}", marks(&name, mark.class), mark.process);
    Ok(files.hold(&folder.join(&name)).then_some(name))
}

/// Whether this process holds the file of that name beside the database; always, if the database
/// is none of files.
pub(super) async fn lead<L: Link>(
    conn: &mut L,
    name: &str,
    files: &LockFiles,
) -> QueryResult<bool> {
    let Some((folder, database)) = place(conn).await? else {
        return Ok(true);
    };
    Ok(files.try_hold(&folder.join(format!("{database}-{name}"))))
}

/// Whether the process that the session is of has ended: nobody holds its file.
pub(super) async fn has_ended<L: Link>(
    conn: &mut L,
    space: TagSpace,
    session: &str,
) -> QueryResult<bool> {
    let Some((folder, name)) = place(conn).await? else {
        return Ok(false);
    };
    // Of another database.
    let Some(session) = session.strip_prefix(&format!("{space:?} ")) else {
        return Ok(false);
    };
    // No name of such a file at all.
    if !session.starts_with(&format!("{name}-cache-")) || session.contains(['/', '\\']) {
        return Ok(false);
    }
    Ok(lock_file::is_abandoned(&folder.join(session)))
}

/// A file, and the process that its name tells.
type Listed = (Option<ProcessId>, PathBuf);

/// The files of processes; `None` if they cannot be listed.
async fn files<L: Link>(conn: &mut L, mark: Mark) -> QueryResult<Option<Vec<Listed>>> {
    let Some((folder, name)) = place(conn).await? else {
        return Ok(None);
    };
    let prefix = marks(&name, mark.class);
    let Ok(listed) = std::fs::read_dir(&folder) else {
        return Ok(None);
    };
    let mut files = Vec::new();
    for file in listed {
        let Ok(file) = file else {
            return Ok(None);
        };
        let name = file.file_name();
        if let Some(process) = name.to_str().and_then(|name| name.strip_prefix(&prefix)) {
            let process = u64::from_str_radix(process, 16).ok().map(ProcessId::of);
            files.push((process, file.path()));
        }
    }
    Ok(Some(files))
}

/// Whether a process is marked that is none of these.
pub(super) async fn has_marks_besides<L: Link>(
    conn: &mut L,
    mark: Mark,
    processes: &[ProcessId],
) -> QueryResult<bool> {
    let files = files(conn, mark).await?;
    Ok(files.is_none_or(|files| {
        files.iter().any(|(process, path)| {
            let known = process.is_some_and(|process| processes.contains(&process));
            !known && !lock_file::is_abandoned(path)
        })
    }))
}

/// Removes the files of processes that have ended and are none of these.
pub(super) async fn forget_marks<L: Link>(
    conn: &mut L,
    mark: Mark,
    known: &[ProcessId],
) -> QueryResult<()> {
    for (process, path) in files(conn, mark).await?.unwrap_or_default() {
        if process.is_some_and(|process| process != mark.process && !known.contains(&process)) {
            lock_file::remove(&path);
        }
    }
    Ok(())
}
