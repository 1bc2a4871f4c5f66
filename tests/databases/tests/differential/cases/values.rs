//! Values made from random tables, some within others, against the same made anew.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::{Cache, CachedDsl, Dependencies, Outcome, Report};
use diesel_cache_databases::Store;

use super::engine::{self, Conn, NAME};
use crate::chance::{Chance, seed, steps};

diesel::table! { t0 (id) { id -> Integer, n -> Integer } }
diesel::table! { t1 (id) { id -> Integer, n -> Integer } }
diesel::table! { t2 (id) { id -> Integer, n -> Integer } }
diesel::table! { t3 (id) { id -> Integer, n -> Integer } }

const TABLES: usize = 4;
const VALUES: usize = 8;

/// What a value is made of: the sums of tables, and other values.
#[derive(Debug, Clone)]
struct Recipe {
    tables: Vec<usize>,
    parts: Vec<usize>,
    /// Which table is read behind the handle's back, and named.
    named: Option<usize>,
}

macro_rules! each_table {
    ($which:expr, $table:ident => $run:expr) => {
        match $which {
            0 => {
                use self::t0 as $table;
                $run
            }
            1 => {
                use self::t1 as $table;
                $run
            }
            2 => {
                use self::t2 as $table;
                $run
            }
            _ => {
                use self::t3 as $table;
                $run
            }
        }
    };
}

fn rows(conn: &mut Conn, table: usize, value: Option<&Dependencies>) -> QueryResult<Vec<i32>> {
    each_table!(table, t => {
        let query = t::table.select(t::n).order(t::id);
        match value {
            Some(value) => query.cached().within(value).load(conn),
            None => query.load(conn),
        }
    })
}

struct Kitchen {
    cache: Cache,
    recipes: Vec<Recipe>,
}

impl Kitchen {
    /// The value, made anew without the cache.
    fn truth(&self, conn: &mut Conn, which: usize) -> QueryResult<String> {
        let recipe = &self.recipes[which];
        let mut text = format!("{which}(");
        for table in recipe.tables.iter().chain(&recipe.named) {
            text += &format!("{:?}", rows(conn, *table, None)?);
        }
        for part in &recipe.parts {
            text += &self.truth(conn, *part)?;
        }
        Ok(text + ")")
    }

    /// The value, through the cache.
    fn ask(
        &self,
        conn: &mut Conn,
        which: usize,
        outer: Option<&Dependencies>,
        report: &Report,
    ) -> QueryResult<String> {
        let recipe = &self.recipes[which];
        let mut value = self.cache.value(format!("v{which}")).report(report);
        if let Some(outer) = outer {
            value = value.within(outer);
        }
        if let Some(table) = recipe.named {
            value = value.depends_on(format!("t{table}"));
        }
        value.get_or_insert_on(conn, |value, conn| {
            let mut text = format!("{which}(");
            for table in &recipe.tables {
                text += &format!("{:?}", rows(conn, *table, Some(value))?);
            }
            if let Some(table) = recipe.named {
                text += &format!("{:?}", rows(conn, table, None)?);
            }
            for part in &recipe.parts {
                text += &self.ask(conn, *part, Some(value), &Report::new())?;
            }
            Ok(text + ")")
        })
    }
}

fn recipe(chance: &mut Chance, which: usize) -> Recipe {
    let mut tables = Vec::new();
    for _ in 0..=chance.below(2) {
        tables.push(chance.below(TABLES));
    }
    // Of earlier values only: none is a part of itself.
    let parts = match which {
        0 => Vec::new(),
        _ => (0..chance.below(3)).map(|_| chance.below(which)).collect(),
    };
    let named = chance.percent(30).then(|| chance.below(TABLES));
    Recipe {
        tables,
        parts,
        named,
    }
}

fn write(conn: &mut Conn, chance: &mut Chance) -> QueryResult<usize> {
    let (table, id, n) = (
        chance.below(TABLES),
        chance.between(1, 3),
        chance.between(0, 99),
    );
    each_table!(table, t => {
        diesel::update(t::table.find(id)).set(t::n.eq(n)).execute(conn)
    })
}

struct Tally {
    asked: usize,
    hits: usize,
}

impl Tally {
    fn compare(&mut self, kitchen: &Kitchen, conn: &mut Conn, which: usize, seed: u64) {
        let report = Report::new();
        let found = kitchen.ask(conn, which, None, &report).unwrap();
        let truth = kitchen.truth(conn, which).unwrap();
        let outcome = report.outcome();
        assert_eq!(
            found,
            truth,
            "{NAME}: value {which} differs ({outcome:?}, {:?}), seed {seed}: {:?}",
            report.unstored(),
            kitchen.recipes
        );
        self.asked += 1;
        self.hits += usize::from(outcome == Some(Outcome::Hit));
    }
}

#[test]
fn values_are_what_they_would_be_if_made_anew() {
    let (seed, steps) = (seed(), steps(400));
    let chance = &mut Chance::new(seed);
    let arena = engine::arena();
    let cache = Store::new().cache();
    let mut conns = [arena.connect(), arena.connect()];
    for table in 0..TABLES {
        conns[0]
            .batch_execute(&format!(
                "CREATE TABLE t{table} (id INTEGER PRIMARY KEY, n INTEGER NOT NULL); \
                 INSERT INTO t{table} VALUES (1, 0), (2, 0), (3, 0)"
            ))
            .unwrap();
    }
    for conn in &mut conns {
        cache.attach(conn).unwrap();
    }
    let recipes = (0..VALUES).map(|which| recipe(chance, which)).collect();
    let kitchen = Kitchen { cache, recipes };
    let mut tally = Tally { asked: 0, hits: 0 };
    for _ in 0..steps {
        let [one, two] = &mut conns;
        let which = chance.below(VALUES);
        match chance.below(10) {
            0 => {
                write(one, chance).unwrap();
            }
            1 => {
                write(two, chance).unwrap();
            }
            2 | 3 => {
                // A transaction that asks before and after it writes, while the other asks, too.
                let commits = chance.percent(60);
                let _ = one.transaction(|conn| {
                    tally.compare(&kitchen, conn, which, seed);
                    let _ = conn.transaction(|conn| {
                        write(conn, chance)?;
                        tally.compare(&kitchen, conn, which, seed);
                        match chance.percent(50) {
                            true => Ok(()),
                            false => Err(Error::RollbackTransaction),
                        }
                    });
                    tally.compare(&kitchen, conn, chance.below(VALUES), seed);
                    tally.compare(&kitchen, two, chance.below(VALUES), seed);
                    write(conn, chance)?;
                    tally.compare(&kitchen, two, which, seed);
                    match commits {
                        true => Ok(()),
                        false => Err(Error::RollbackTransaction),
                    }
                });
                tally.compare(&kitchen, two, which, seed);
            }
            _ => {
                tally.compare(&kitchen, one, which, seed);
                tally.compare(&kitchen, two, which, seed);
            }
        }
    }
    let Tally { asked, hits } = tally;
    eprintln!("{NAME}: values: {asked} asked, {hits} hits, 0 differ, seed {seed}");
    assert!(hits * 100 > asked * 20, "{hits} of {asked} hit");
}
