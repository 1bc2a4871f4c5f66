//! Cached reads.

use diesel::QueryableByName;
use diesel::result::QueryResult;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable};
use diesel_cache::asynchronous::CachedDsl;
use smallvec::SmallVec;

use super::{Broken, Conn, User, bind, perhaps};
use crate::clock::now;
use crate::event::{Found, Time};
use crate::layout::{Key, OWNERS, ROWS, TABLES, name, owned};

#[derive(Debug, Clone, QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    owner: i64,
    #[diesel(sql_type = BigInt)]
    value: i64,
}

#[derive(Debug, Clone, QueryableByName)]
struct Highest {
    #[diesel(sql_type = Nullable<BigInt>)]
    value: Option<i64>,
}

impl User {
    /// One of the reads of the workload.
    pub(super) async fn read(&mut self, conn: &mut Conn) -> Result<(), Broken> {
        let key = self.popular();
        let group = (key.table(), key.owner());
        match self.chance.below(100) {
            0..60 => self.read_one(conn, key).await,
            60..75 => self.read_mine(conn, key).await,
            75..90 => self.read_group(conn, group).await,
            _ => self.read_highest(conn, group).await,
        }
    }

    /// All that is read of an owner's rows in a table.
    pub(super) async fn read_all(
        &mut self,
        conn: &mut Conn,
        (table, owner): (usize, usize),
    ) -> Result<(), Broken> {
        self.read_group(conn, (table, owner)).await?;
        self.read_highest(conn, (table, owner)).await?;
        for key in owned(table, owner) {
            self.read_one(conn, key).await?;
            self.read_mine(conn, key).await?;
        }
        Ok(())
    }

    /// A row by its key, which stands in the text.
    pub(super) async fn read_one(&mut self, conn: &mut Conn, key: Key) -> Result<(), Broken> {
        let (table, id) = (name(key.table()), key.id());
        let text = format!("SELECT id, owner, value FROM {table} WHERE id = {id}");
        let query = sql_query(text).cached().report(&self.report);
        let (start, patience) = (now(), self.patience());
        let rows = perhaps(patience, query.load::<Row>(conn)).await;
        self.found(start, &[key], rows)
    }

    /// A row that the reader owns; others who ask for it get none.
    async fn read_mine(&mut self, conn: &mut Conn, key: Key) -> Result<(), Broken> {
        let stranger = self.chance.percent(20);
        let owner = match stranger {
            true => (key.owner() + 1) % OWNERS,
            false => key.owner(),
        };
        let (table, first, second) = (name(key.table()), bind(1), bind(2));
        let text =
            format!("SELECT id, owner, value FROM {table} WHERE id = {first} AND owner = {second}");
        let query = sql_query(text)
            .bind::<BigInt, _>(key.id())
            .bind::<BigInt, _>(owner as i64)
            .cached()
            .scope(owner.to_le_bytes())
            .report(&self.report);
        let (start, patience) = (now(), self.patience());
        let rows = perhaps(patience, query.load::<Row>(conn)).await;
        self.found(
            start,
            if stranger {
                &[]
            } else {
                std::slice::from_ref(&key)
            },
            rows,
        )
    }

    /// All rows of an owner in a table.
    async fn read_group(
        &mut self,
        conn: &mut Conn,
        (table, owner): (usize, usize),
    ) -> Result<(), Broken> {
        let (from, first) = (name(table), bind(1));
        let text = format!("SELECT id, owner, value FROM {from} WHERE owner = {first} ORDER BY id");
        let query = sql_query(text)
            .bind::<BigInt, _>(owner as i64)
            .cached()
            .report(&self.report);
        let (start, patience) = (now(), self.patience());
        let rows = perhaps(patience, query.load::<Row>(conn)).await;
        let keys: SmallVec<[Key; 8]> = owned(table, owner).collect();
        self.found(start, &keys, rows)
    }

    /// The highest value of an owner's rows in a table.
    async fn read_highest(
        &mut self,
        conn: &mut Conn,
        (table, owner): (usize, usize),
    ) -> Result<(), Broken> {
        let (from, first) = (name(table), bind(1));
        let text = format!("SELECT MAX(value) AS value FROM {from} WHERE owner = {first}");
        let query = sql_query(text)
            .bind::<BigInt, _>(owner as i64)
            .cached()
            .report(&self.report);
        let (start, patience) = (now(), self.patience());
        let row = perhaps(patience, query.get_result::<Highest>(conn)).await;
        match row {
            None => Err(Broken),
            Some(Ok(Highest { value: Some(value) })) => {
                let found = Found::Highest(owned(table, owner).collect(), value.unsigned_abs());
                self.log.read(start, self.origin(), found);
                Ok(())
            }
            Some(Ok(Highest { value: None })) => {
                self.log.foreign(Key::new(table, owner));
                Ok(())
            }
            Some(Err(error)) => self.failed(&error),
        }
    }

    /// Writes down what was found. It must be exactly these rows, in their order.
    fn found(
        &mut self,
        start: Time,
        keys: &[Key],
        rows: Option<QueryResult<Vec<Row>>>,
    ) -> Result<(), Broken> {
        let rows = match rows {
            Some(Ok(rows)) => rows,
            Some(Err(error)) => return self.failed(&error),
            // Nobody saw what it found.
            None => return Err(Broken),
        };
        let is = |key: &Key, row: &Row| key.id() == row.id && key.owner() as i64 == row.owner;
        let same = keys.len() == rows.len();
        if !same || keys.iter().zip(&rows).any(|(key, row)| !is(key, row)) {
            let strange = rows.first().map_or(0, |row| row.id.unsigned_abs() as usize);
            let key = keys.first().copied();
            self.log
                .foreign(key.unwrap_or_else(|| Key::new(strange % TABLES, strange % ROWS)));
            return Ok(());
        }
        let values = keys.iter().zip(rows);
        let values = values.map(|(key, row)| (*key, row.value.unsigned_abs()));
        let found = Found::Rows(values.collect());
        self.log.read(start, self.origin(), found);
        Ok(())
    }

    fn failed(&mut self, error: &diesel::result::Error) -> Result<(), Broken> {
        log::debug!("a read failed: {error}");
        self.log.failed();
        Err(Broken)
    }
}
