//! Writes, by each of the ways that there are.

use diesel::connection::{Connection, SimpleConnection};
use diesel::result::{Error, QueryResult};
use smallvec::smallvec;

use super::{Broken, Conn, READS_FIRST, User, raw, typed};
use crate::event::{Fate, Keys, Value, Verdict};
use crate::layout::{Key, OWNERS, ROWS, TYPED, owned};
use crate::options::Path;

/// An attempt to give some rows a value.
#[derive(Debug)]
struct Part {
    value: Value,
    keys: Keys,
    /// How many of the rows had a lower value; not known if the statement failed.
    raised: Option<usize>,
    /// Whether it is undone whatever becomes of the rest.
    void: bool,
}

/// What a transaction of the workload does in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    Commit,
    RollBack,
}

impl User {
    /// One of the writes of the workload.
    pub(super) fn write(&mut self, conn: &mut Conn) -> Result<(), Broken> {
        match (self.path, self.chance.below(100)) {
            (Path::Seen, 0..35) => self.alone(conn, false),
            (Path::Seen, 35..45) => self.alone(conn, true),
            (Path::Seen, 45..65) | (Path::Explicit, 0..40) => self.together(conn, Plan::Commit),
            (Path::Seen, 65..75) | (Path::Explicit, 40..55) => self.together(conn, Plan::RollBack),
            (Path::Seen, 75..85) | (Path::Explicit, 55..75) => self.savepoint(conn),
            (Path::Seen, 85..92) => self.by_hand(conn),
            _ => self.save(conn),
        }
    }

    /// A row to write: popular or not.
    fn target(&mut self) -> Key {
        if self.chance.percent(10) {
            self.popular()
        } else {
            Key::new(self.table(), self.chance.below(ROWS))
        }
    }

    /// A table to write.
    fn table(&mut self) -> usize {
        self.busy.pick(&mut self.chance) as usize
    }

    /// Rows of several tables, in an order that all writers keep.
    fn targets(&mut self) -> Vec<Key> {
        let count = 1 + self.chance.below(4);
        let mut keys: Vec<Key> = (0..count).map(|_| self.target()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// One statement, for one row or for all of an owner's, that commits by itself.
    fn alone(&mut self, conn: &mut Conn, bulk: bool) -> Result<(), Broken> {
        let mut parts = Vec::new();
        let done = if bulk {
            self.raise_all(conn, &mut parts)
        } else {
            let key = self.target();
            self.raise(conn, key, &mut parts)
        };
        self.ended(done, Plan::Commit, &parts)
    }

    /// Several statements in a transaction.
    fn together(&mut self, conn: &mut Conn, plan: Plan) -> Result<(), Broken> {
        let keys = self.targets();
        let bulk = self.chance.percent(10);
        let mut parts = Vec::new();
        let done = self.transaction(conn, |user, conn| {
            user.read_first(conn)?;
            for key in &keys {
                user.raise(conn, *key, &mut parts)?;
            }
            if bulk {
                user.raise_all(conn, &mut parts)?;
            }
            match plan {
                Plan::Commit => Ok(()),
                Plan::RollBack => Err(Error::RollbackTransaction),
            }
        });
        self.ended(done, plan, &parts)
    }

    /// A transaction in which a savepoint is rolled back, and another is kept.
    fn savepoint(&mut self, conn: &mut Conn) -> Result<(), Broken> {
        let keys = self.targets();
        let mut parts = Vec::new();
        let done = self.transaction(conn, |user, conn| {
            for key in &keys {
                let undo = user.chance.percent(50);
                let from = parts.len();
                let inner = conn.transaction(|conn| {
                    user.raise(conn, *key, &mut parts)?;
                    if undo {
                        Err(Error::RollbackTransaction)
                    } else {
                        Ok(())
                    }
                });
                match inner {
                    Err(Error::RollbackTransaction) if undo => {
                        parts[from..].iter_mut().for_each(|part| part.void = true);
                    }
                    other => other?,
                }
            }
            Ok(())
        });
        self.ended(done, Plan::Commit, &parts)
    }

    /// A transaction in plain SQL, of which Diesel knows nothing.
    fn by_hand(&mut self, conn: &mut Conn) -> Result<(), Broken> {
        let keys = self.targets();
        let plan = if self.chance.percent(25) {
            Plan::RollBack
        } else {
            Plan::Commit
        };
        let mut parts = Vec::new();
        let mut run = |user: &mut Self, conn: &mut Conn| {
            conn.batch_execute("BEGIN")?;
            for key in &keys {
                user.raise(conn, *key, &mut parts)?;
            }
            match plan {
                Plan::Commit => conn.batch_execute("COMMIT"),
                Plan::RollBack => {
                    conn.batch_execute("ROLLBACK")?;
                    Err(Error::RollbackTransaction)
                }
            }
        };
        let done = run(self, conn);
        if !matches!(done, Ok(()) | Err(Error::RollbackTransaction)) {
            // What cannot be rolled back is broken, and thrown away.
            let _ = conn.batch_execute("ROLLBACK");
        }
        self.ended(done, plan, &parts)
    }

    /// Models that are saved.
    fn save(&mut self, conn: &mut Conn) -> Result<(), Broken> {
        let table = self.chance.below(TYPED);
        let mut rows = vec![self.chance.below(ROWS), self.chance.below(ROWS)];
        rows.sort_unstable();
        rows.dedup();
        let keys: Keys = rows.iter().map(|row| Key::new(table, *row)).collect();
        let mut parts = Vec::new();
        let done = self.transaction(conn, |user, conn| {
            let value = user.begin(&keys, &mut parts);
            let ids: Vec<i64> = keys.iter().map(|key| key.id()).collect();
            let raised = typed::save(conn, table, &ids, signed(value))?;
            note(&mut parts, raised);
            Ok(())
        });
        self.ended(done, Plan::Commit, &parts)
    }

    fn transaction(
        &mut self,
        conn: &mut Conn,
        run: impl FnOnce(&mut Self, &mut Conn) -> QueryResult<()>,
    ) -> QueryResult<()> {
        match self.path {
            Path::Seen => conn.transaction(|conn| run(self, conn)),
            Path::Explicit => {
                let cache = self.cache.clone();
                cache.transaction(conn, |conn| run(self, conn))
            }
        }
    }

    /// At times a cached read comes first in a transaction.
    fn read_first(&mut self, conn: &mut Conn) -> QueryResult<()> {
        if READS_FIRST && self.chance.percent(30) {
            let key = self.popular();
            return self
                .read_one(conn, key)
                .map_err(|Broken| Error::BrokenTransactionManager);
        }
        Ok(())
    }

    fn begin(&mut self, keys: &Keys, parts: &mut Vec<Part>) -> Value {
        let value = self.log.begin(keys);
        parts.push(Part {
            value,
            keys: keys.clone(),
            raised: None,
            void: false,
        });
        value
    }

    fn raise(&mut self, conn: &mut Conn, key: Key, parts: &mut Vec<Part>) -> QueryResult<()> {
        let value = signed(self.begin(&smallvec![key], parts));
        let raised = if key.table() < TYPED {
            typed::raise(conn, key, value)
        } else {
            raw::raise(conn, key, value)
        };
        note(parts, raised?);
        Ok(())
    }

    fn raise_all(&mut self, conn: &mut Conn, parts: &mut Vec<Part>) -> QueryResult<()> {
        let (table, owner) = (self.table(), self.chance.below(OWNERS));
        let value = signed(self.begin(&owned(table, owner).collect(), parts));
        let raised = if table < TYPED {
            typed::raise_all(conn, table, owner as i64, value)
        } else {
            raw::raise_all(conn, table, owner as i64, value)
        };
        note(parts, raised?);
        Ok(())
    }

    /// Writes down what became of a write.
    fn ended(&mut self, done: QueryResult<()>, plan: Plan, parts: &[Part]) -> Result<(), Broken> {
        let verdict = match &done {
            Ok(()) => {
                let void = |part: &Part| part.void || part.raised == Some(0);
                if parts.iter().all(void) {
                    Verdict::Overtaken
                } else {
                    Verdict::Committed
                }
            }
            Err(Error::RollbackTransaction) if plan == Plan::RollBack => Verdict::RolledBack,
            Err(error) if crate::worker::store::is_refusal(error) => Verdict::Refused,
            Err(error) => {
                log::debug!("a write failed: {error}");
                Verdict::Unknown
            }
        };
        for part in parts {
            self.log.end(part.value, &part.keys, part.fate(verdict));
        }
        self.log.wrote(verdict);
        match verdict {
            Verdict::Unknown => Err(Broken),
            _ => Ok(()),
        }
    }
}

impl Part {
    fn fate(&self, verdict: Verdict) -> Fate {
        match verdict {
            _ if self.void || self.raised == Some(0) => Fate::Void,
            Verdict::RolledBack | Verdict::Refused => Fate::Void,
            Verdict::Committed if self.raised == Some(self.keys.len()) => Fate::Committed,
            _ => Fate::Unknown,
        }
    }
}

/// The last statement raised that many rows.
fn note(parts: &mut [Part], raised: usize) {
    if let Some(part) = parts.last_mut() {
        part.raised = Some(raised);
    }
}

fn signed(value: Value) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
