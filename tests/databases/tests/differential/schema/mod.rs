//! Random schemas: tables in islands, and what makes a write to one table a write to others.
//!
//! Everything here makes SQL text. What a database does not take is left out, so each
//! statement is offered and its fate reported back.

mod actions;
mod queries;
mod routines;
mod tables;
mod triggers;
mod views;
mod writes;

use crate::chance::Chance;

/// Offers a statement to the database, and says whether it was taken.
pub(crate) type Offer<'a> = dyn FnMut(&str) -> bool + 'a;

/// The databases, as far as their SQL differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    Mysql,
    Sqlite,
}

pub(crate) use Engine::{Mysql, Postgres, Sqlite};

impl Engine {
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "postgres" => Postgres,
            "mysql" => Mysql,
            _ => Sqlite,
        }
    }

    pub(crate) fn quote(self, name: &str) -> String {
        match self {
            Mysql => format!("`{name}`"),
            Postgres | Sqlite => format!("\"{name}\""),
        }
    }

    /// The type of the widest integers in a cast.
    fn widest(self) -> &'static str {
        match self {
            Mysql => "SIGNED",
            Postgres | Sqlite => "BIGINT",
        }
    }
}

/// A column that others may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Id,
    K,
    /// A generated column.
    G,
    /// Both `id` and `k`.
    Pair,
}

/// All tables have the same columns: the key `id`, a second key `k`, the values `v` and `w`,
/// what refers to others in `r`, `s` and `q`, and `g`, which is generated.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Quoted.
    pub(crate) name: String,
    island: usize,
    /// Whether it is partitioned, or other tables inherit from it.
    partitioned: bool,
    /// Whether `g` is made of `r`, and changes as what it refers to does.
    chained: bool,
    /// Its partitions and heirs, quoted.
    parts: Vec<String>,
    keys: Vec<Key>,
    /// What `r` refers to, alone or with `s`.
    first: Option<Reference>,
    /// What `q` refers to.
    second: Option<Reference>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Reference {
    key: Key,
}

/// A view has the columns `id`, `a` and `b`.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// Quoted.
    name: String,
    island: usize,
    /// Whether to read it may write.
    writes: bool,
    /// Whether its rows are its own, and refreshed.
    materialised: bool,
    /// Whether one may try to write it: the column `a` is a `v`.
    updatable: bool,
}

/// A function or procedure with one argument.
#[derive(Debug, Clone)]
struct Routine {
    name: String,
    island: usize,
    kind: RoutineKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoutineKind {
    /// It reads tables and writes none.
    Reader,
    /// It may write.
    Writer,
    /// An aggregate whose steps write.
    Aggregate,
    Procedure,
}

/// A read with what identifies it in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Query {
    /// A text that returns three whole numbers, with a bind or without.
    Text(String, Option<i32>),
    /// One that the query builder makes, over one of the first tables, with a text in it.
    Built(usize, usize, String),
}

/// How many tables have names that the query builder knows.
pub(crate) const BUILT: usize = 4;

pub(crate) struct Schema {
    pub(crate) engine: Engine,
    pub(crate) tables: Vec<Table>,
    islands: usize,
    views: Vec<View>,
    routines: Vec<Routine>,
    /// The names of triggers, each with what it stands on.
    triggers: Vec<(String, String)>,
    /// Whether there may be what makes a whole connection or database bypass for long.
    pub(crate) heavy: bool,
    /// Whether all is made, and attached connections change it from now on.
    settled: bool,
    named: usize,
}

impl Schema {
    /// Makes a schema, in a database that is empty.
    pub(crate) fn make(engine: Engine, chance: &mut Chance, offer: &mut Offer<'_>) -> Self {
        let islands = chance.between(3, 4) as usize;
        let mut schema = Self {
            engine,
            tables: Vec::new(),
            islands,
            views: Vec::new(),
            routines: Vec::new(),
            triggers: Vec::new(),
            heavy: chance.percent(15),
            settled: false,
            named: 0,
        };
        schema.make_tables(chance, offer);
        schema.make_calm_writer(offer);
        for _ in 0..chance.between(2, 5) {
            schema.make_routine(chance, offer);
        }
        for _ in 0..chance.between(2, 5) {
            schema.make_view(chance, offer);
        }
        for _ in 0..chance.between(3, 7) {
            schema.make_trigger(chance, offer);
        }
        for table in 0..schema.tables.len() {
            offer(&schema.refill(chance, table));
        }
        for table in 0..schema.tables.len() {
            offer(&schema.bind(chance, table));
        }
        schema.settled = true;
        schema
    }

    /// A change of the schema, in use.
    pub(crate) fn change(&mut self, chance: &mut Chance, offer: &mut Offer<'_>) {
        match chance.below(10) {
            0..=2 => self.make_trigger(chance, offer),
            3 => self.drop_trigger(chance, offer),
            4 | 5 => self.make_routine(chance, offer),
            6 | 7 => self.make_view(chance, offer),
            _ => self.alter_table(chance, offer),
        }
    }

    fn fresh_name(&mut self, what: &str) -> String {
        self.named += 1;
        // Some need quotes, and none has them where it is used unquoted.
        format!("{what}{}", self.named)
    }

    /// A table, mostly of that island.
    fn near<'s>(&'s self, chance: &mut Chance, island: usize) -> (usize, &'s Table) {
        let there = chance.percent(93);
        let at: Vec<usize> = (0..self.tables.len())
            .filter(|at| !there || self.tables[*at].island == island)
            .collect();
        let at = at[chance.below(at.len())];
        (at, &self.tables[at])
    }

    fn any_island(&self, chance: &mut Chance) -> usize {
        chance.below(self.islands)
    }
}

/// One of some texts.
fn one_of<'t>(chance: &mut Chance, texts: &[&'t str]) -> &'t str {
    texts[chance.below(texts.len())]
}
