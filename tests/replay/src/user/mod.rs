//! The application, compiled once per database.

mod reads;
mod writes;

use std::collections::HashMap;
use std::time::Instant;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::Cache;

use super::{Conn, SCHEMA, prepare};
use crate::Run;
use crate::canonical::Digest;
use crate::counted::{Counted, Seen};
use crate::models::{Author, Comment, Post};
use crate::options::Delete;
use crate::schema::{authors, comments, posts};
use crate::tally::Tally;
use crate::trace::{Operation, Trace, Write};

/// How many rows are written at once before the replay.
const BATCH: usize = 500;

/// Replays a trace.
///
/// # Errors
/// If the database or the cache does not do what it is asked.
pub(crate) fn replay(run: &Run<'_>) -> Result<Tally, String> {
    fill(run).map_err(|error| format!("filling the tables: {error}"))?;
    let plain = connect(run).map_err(|error| error.to_string())?;
    let cache = run.store.cache();
    register(cache);
    let mut conn = Counted::new(connect(run).map_err(|error| error.to_string())?);
    let seen = Seen::default();
    let attached = cache.attach_with(&mut conn, seen.clone());
    attached.map_err(|error| format!("attaching the cache: {error}"))?;

    let mut reader = reads::Reader {
        plain: run.options.verify.then_some(plain),
        digest: Digest::new(),
        tally: Tally::default(),
    };
    let mut comments = comments_of(run.trace);
    let before = (conn.asked(), seen.statements(), run.store.round_trips()?);
    let began = Instant::now();
    for (at, operation) in run.trace.operations.iter().enumerate() {
        let done = match operation {
            Operation::Read(read) => reader.read(&mut conn, *read),
            Operation::Write(write) => {
                reader.tally.writes += 1;
                self::write(&mut conn, write, &mut comments, run.options.delete)
            }
        };
        done.map_err(|error| format!("operation {}, {operation:?}: {error}", at + 1))?;
    }
    let mut tally = reader.tally;
    tally.seconds = began.elapsed().as_secs_f64();
    tally.database_statements = conn.asked() - before.0;
    tally.of_the_application = seen.statements() - before.1;
    tally.store_round_trips = run.store.round_trips()? - before.2;
    tally.sha256 = reader.digest.hex();
    Ok(tally)
}

fn register(cache: &Cache) {
    cache
        .register::<Author>()
        .register::<Post>()
        .register::<Comment>();
}

fn write(
    conn: &mut Counted<Conn>,
    write: &Write,
    comments: &mut HashMap<i32, Comment>,
    delete: Delete,
) -> QueryResult<()> {
    match write {
        Write::UpdateTitle { id, title } => writes::update_title(conn, *id, title),
        Write::BumpViews { id } => writes::bump_views(conn, *id),
        Write::InsertComment(comment) => {
            comments.insert(comment.id, comment.clone());
            writes::insert_comment(conn, comment)
        }
        Write::DeleteComment { id } => {
            let comment = comments.remove(id).ok_or(diesel::result::Error::NotFound)?;
            match delete {
                Delete::Model => writes::delete_comment(conn, &comment),
                Delete::Id => writes::delete_comment_by_id(conn, comment.id),
            }
        }
        Write::BulkPublish {
            author_id,
            published,
        } => writes::bulk_publish(conn, *author_id, *published),
        Write::RenameAuthor { id, name } => writes::rename_author(conn, *id, name),
    }
}

/// The comments that are there, as an application has them that has shown them: who deletes one
/// has its row at hand.
fn comments_of(trace: &Trace) -> HashMap<i32, Comment> {
    let all = trace.comments.iter();
    all.map(|comment| (comment.id, comment.clone())).collect()
}

fn connect(run: &Run<'_>) -> Result<Conn, Box<dyn std::error::Error>> {
    let mut conn = Conn::establish(run.place.url())?;
    prepare(&mut conn)?;
    Ok(conn)
}

fn fill(run: &Run<'_>) -> Result<(), Box<dyn std::error::Error>> {
    let conn = &mut connect(run)?;
    for statement in SCHEMA.split(';').map(str::trim) {
        if !statement.is_empty() {
            conn.batch_execute(statement)?;
        }
    }
    conn.transaction(|conn| {
        for rows in run.trace.authors.chunks(BATCH) {
            diesel::insert_into(authors::table)
                .values(rows)
                .execute(conn)?;
        }
        for rows in run.trace.posts.chunks(BATCH) {
            diesel::insert_into(posts::table)
                .values(rows)
                .execute(conn)?;
        }
        for rows in run.trace.comments.chunks(BATCH) {
            diesel::insert_into(comments::table)
                .values(rows)
                .execute(conn)?;
        }
        QueryResult::Ok(())
    })?;
    Ok(())
}
