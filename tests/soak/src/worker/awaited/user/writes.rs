//! Writes, by each of the ways that there are.

use diesel::result::{Error, QueryResult};
use diesel::sql_query;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use smallvec::smallvec;

use super::{Broken, Conn, RETURNS, User, bind, perhaps};
use crate::event::{Fate, Keys, Value, Verdict};
use crate::layout::{Key, OWNERS, ROWS, name, owned};
use crate::options::Path;

/// An attempt to give some rows a value.
#[derive(Debug)]
struct Part {
    value: Value,
    keys: Keys,
    /// All rows of that owner, instead of one.
    owner: Option<usize>,
    /// How many of the rows had a lower value; not known if the statement failed.
    raised: Option<usize>,
}

#[derive(Debug, diesel::QueryableByName)]
struct Raised {
    #[diesel(sql_type = BigInt)]
    #[allow(dead_code, reason = "that it comes is enough")]
    value: i64,
}

/// Sends the statement of a part.
async fn raise(conn: &mut Conn, part: &mut Part, returning: bool) -> QueryResult<()> {
    let Some(key) = part.keys.as_slice().first() else {
        return Ok(());
    };
    let (table, value) = (name(key.table()), signed(part.value));
    let places = [bind(1), bind(2), bind(3)];
    let [first, second, third] = &places;
    let (column, which) = match part.owner {
        Some(owner) => ("owner", owner as i64),
        None => ("id", key.id()),
    };
    let tail = if returning { " RETURNING value" } else { "" };
    let update = sql_query(format!(
        "UPDATE {table} SET value = {first} WHERE {column} = {second} AND value < {third}{tail}"
    ));
    let update = update
        .bind::<BigInt, _>(value)
        .bind::<BigInt, _>(which)
        .bind::<BigInt, _>(value);
    let raised = match returning {
        true => update.load::<Raised>(conn).await?.len(),
        false => update.execute(conn).await?,
    };
    part.raised = Some(raised);
    Ok(())
}

async fn raise_all(conn: &mut Conn, parts: &mut [Part]) -> QueryResult<()> {
    for part in parts {
        raise(conn, part, false).await?;
    }
    Ok(())
}

/// What a transaction does.
async fn together(conn: &mut Conn, parts: &mut [Part], commits: bool) -> QueryResult<()> {
    raise_all(conn, parts).await?;
    match commits {
        true => Ok(()),
        false => Err(Error::RollbackTransaction),
    }
}

/// In a transaction of the text's own.
async fn by_hand(conn: &mut Conn, parts: &mut [Part], commits: bool) -> QueryResult<()> {
    conn.batch_execute("BEGIN").await?;
    raise_all(conn, parts).await?;
    match commits {
        true => conn.batch_execute("COMMIT").await,
        false => {
            conn.batch_execute("ROLLBACK").await?;
            Err(Error::RollbackTransaction)
        }
    }
}

impl User {
    /// One of the writes of the workload.
    pub(super) async fn write(&mut self, conn: &mut Conn) -> Result<(), Broken> {
        let commits = !self.chance.percent(25);
        let kind = self.chance.below(100);
        let mut parts = match (self.path, kind) {
            (Path::Seen, 0..45) => vec![self.part(kind >= 35)],
            _ => self.several(),
        };
        let (patience, cache) = (self.patience(), self.cache.clone());
        let (done, rolls_back) = match (self.path, kind) {
            (Path::Seen, 0..45) => {
                let returning = RETURNS && kind.is_multiple_of(3);
                let done = perhaps(patience, raise(conn, &mut parts[0], returning)).await;
                (done, false)
            }
            (Path::Seen, 45..55) => {
                let done = perhaps(patience, by_hand(conn, &mut parts, commits)).await;
                if !matches!(done, Some(Ok(()) | Err(Error::RollbackTransaction))) {
                    // What cannot be rolled back is broken, and thrown away.
                    let _ = conn.batch_execute("ROLLBACK").await;
                }
                (done, !commits)
            }
            (path, _) => {
                let rows = &mut parts;
                let work = async |conn: &mut Conn| together(conn, rows, commits).await;
                let done = match path {
                    Path::Seen => perhaps(patience, conn.transaction(work)).await,
                    Path::Explicit => perhaps(patience, cache.transaction(conn, work)).await,
                };
                (done, !commits)
            }
        };
        self.ended(done, rolls_back, &parts)
    }

    /// One row, or all of an owner's, gets a value that is known to the coordinator from now on.
    fn part(&mut self, bulk: bool) -> Part {
        let table = self.busy.pick(&mut self.chance) as usize;
        let owner = bulk.then(|| self.chance.below(OWNERS));
        let keys: Keys = match owner {
            Some(owner) => owned(table, owner).collect(),
            None if self.chance.percent(10) => smallvec![self.popular()],
            None => smallvec![Key::new(table, self.chance.below(ROWS))],
        };
        Part {
            value: self.log.begin(&keys),
            keys,
            owner,
            raised: None,
        }
    }

    /// Rows of several tables, in an order that all writers keep.
    fn several(&mut self) -> Vec<Part> {
        let count = 1 + self.chance.below(4);
        let mut parts: Vec<Part> = (0..count).map(|_| self.part(false)).collect();
        parts.sort_unstable_by_key(|part| part.keys[0]);
        parts
    }

    /// Writes down what became of a write.
    fn ended(
        &mut self,
        done: Option<QueryResult<()>>,
        rolls_back: bool,
        parts: &[Part],
    ) -> Result<(), Broken> {
        let verdict = match &done {
            None => Verdict::Unknown,
            Some(Ok(())) if parts.iter().all(|part| part.raised == Some(0)) => Verdict::Overtaken,
            Some(Ok(())) => Verdict::Committed,
            Some(Err(Error::RollbackTransaction)) if rolls_back => Verdict::RolledBack,
            Some(Err(error)) if crate::worker::store::is_refusal(error) => Verdict::Refused,
            Some(Err(error)) => {
                log::debug!("a write failed: {error}");
                Verdict::Unknown
            }
        };
        for part in parts {
            let fate = match verdict {
                _ if part.raised == Some(0) => Fate::Void,
                Verdict::RolledBack | Verdict::Refused => Fate::Void,
                Verdict::Committed if part.raised == Some(part.keys.len()) => Fate::Committed,
                _ => Fate::Unknown,
            };
            self.log.end(part.value, &part.keys, fate);
        }
        self.log.wrote(verdict);
        match verdict {
            Verdict::Unknown => Err(Broken),
            _ => Ok(()),
        }
    }
}

fn signed(value: Value) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
