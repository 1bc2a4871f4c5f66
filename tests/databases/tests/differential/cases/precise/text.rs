//! Texts of SQL with binds, and the values in them.

use std::fmt::Write as _;

use super::plan::Table;
use crate::chance::Chance;
use crate::schema::{Engine, Mysql, Postgres, Sqlite};

/// A value of which it is known what the database makes of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Val {
    Null,
    Int(i32),
    Text(String),
    Bool(bool),
}

/// What is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bind {
    Int(Option<i32>),
    /// A number whose type does not show it as one.
    Odd(i32),
    Text(Option<String>),
    Bool(bool),
    /// An array, where there are some.
    Ints(Vec<Option<i32>>),
}

/// A text and its binds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) binds: Vec<Bind>,
}

/// Puts a statement together.
pub(super) struct Draft<'c> {
    pub(super) engine: Engine,
    pub(super) chance: &'c mut Chance,
    pub(super) binds: Vec<Bind>,
    /// Whether there may be binds.
    pub(super) binding: bool,
}

impl<'c> Draft<'c> {
    pub(super) fn new(engine: Engine, chance: &'c mut Chance, binding: bool) -> Self {
        Self {
            engine,
            chance,
            binds: Vec::new(),
            binding,
        }
    }

    pub(super) fn finish(self, text: String) -> Sql {
        Sql {
            text,
            binds: self.binds,
        }
    }

    pub(super) fn percent(&mut self, share: usize) -> bool {
        self.chance.percent(share)
    }

    pub(super) fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.chance.below(of.len())]
    }

    pub(super) fn bind(&mut self, bind: Bind) -> String {
        self.binds.push(bind);
        match self.engine {
            Postgres => format!("${}", self.binds.len()),
            Mysql | Sqlite => "?".to_owned(),
        }
    }

    /// A value of a column, and not NULL.
    pub(super) fn sample(&mut self, column: &str) -> Val {
        match column {
            "t" | "n" => {
                let texts = ["a", "b", "ab", "c", "A", "a ", "", "é", "5", "it's"];
                let below = if self.percent(75) { 4 } else { texts.len() };
                Val::Text(texts[self.chance.below(below)].to_owned())
            }
            "f" => Val::Bool(self.percent(50)),
            "v" => Val::Int(self.chance.between(0, 3)),
            "m" => Val::Int(self.chance.between(0, 3)),
            "id" => Val::Int(self.chance.between(1, 8)),
            "k" | "r" => Val::Int(self.chance.between(1, 4)),
            _ => Val::Int(self.chance.between(0, 4)),
        }
    }

    /// How a value is written.
    pub(super) fn put(&mut self, val: &Val) -> String {
        if self.binding && self.percent(50) {
            let bind = match val {
                Val::Null => Bind::Int(None),
                Val::Int(number) if self.percent(10) => Bind::Odd(*number),
                Val::Int(number) => Bind::Int(Some(*number)),
                Val::Text(text) => Bind::Text(Some(text.clone())),
                Val::Bool(flag) => Bind::Bool(*flag),
            };
            // A NULL that is bound as a number is none of other types.
            if *val != Val::Null {
                return self.bind(bind);
            }
        }
        match val {
            Val::Null => "NULL".to_owned(),
            Val::Int(number) => number.to_string(),
            Val::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Val::Bool(flag) if self.engine == Sqlite => u8::from(*flag).to_string(),
            Val::Bool(flag) => flag.to_string(),
        }
    }

    /// A value as it is not to be written, and what becomes of it need not be known.
    pub(super) fn odd(&mut self, column: &str) -> String {
        let n = self.chance.between(1, 4);
        let any = self.engine != Postgres;
        match column {
            "t" | "n" => match self.chance.below(6) {
                0 if any => n.to_string(),
                1 => "'abcdefgh'".to_owned(),
                2 => "'ab    '".to_owned(),
                3 if self.engine != Mysql => "'a' || 'b'".to_owned(),
                4 if self.binding && any => self.bind(Bind::Int(Some(n))),
                _ => "'5'".to_owned(),
            },
            "f" => self.one(&["TRUE", "FALSE", "NOT FALSE"]).to_owned(),
            _ => match self.chance.below(11) {
                0 | 1 => format!("'{n}'"),
                2 => format!("{n}.0"),
                3 => format!("1 + {n}"),
                4 => format!("-(-{n})"),
                5 => format!("+{n}"),
                6 if column == "m" => "70000".to_owned(),
                7 if self.engine == Mysql => format!("'{n}x'"),
                8 if any => "TRUE".to_owned(),
                9 if self.binding && any => self.bind(Bind::Text(Some(n.to_string()))),
                _ => format!("(SELECT {n})"),
            },
        }
    }

    /// Values of a column that are listed between parentheses or bound as an array.
    pub(super) fn list(&mut self, column: &str) -> (String, Vec<Val>) {
        let vals: Vec<Val> = (0..=self.chance.below(3))
            .map(|_| self.sample(column))
            .collect();
        let all_bound = self.binding && self.percent(50);
        let mut text = String::new();
        if self.engine == Postgres && all_bound && matches!(vals[0], Val::Int(_)) {
            let ints = vals.iter().map(|val| match val {
                Val::Int(number) => Some(*number),
                _ => None,
            });
            let mut ints: Vec<Option<i32>> = ints.collect();
            if self.percent(20) {
                ints.push(None);
            }
            let bound = self.bind(Bind::Ints(ints));
            return (format!("= ANY ({bound})"), vals);
        }
        for val in &vals {
            let put = match val {
                Val::Int(number) if all_bound => self.bind(Bind::Int(Some(*number))),
                val => self.put(val),
            };
            let comma = if text.is_empty() { "" } else { ", " };
            write!(text, "{comma}{put}").unwrap();
        }
        (format!("IN ({text})"), vals)
    }
}

/// The values that rows have in some columns: `(column, one of these)`.
pub(super) type Equal = Vec<(&'static str, Vec<Val>)>;

impl Draft<'_> {
    /// A condition that fixes the value of a column.
    pub(super) fn equality(
        &mut self,
        table: &Table,
        prefix: &str,
        column: &'static str,
        equal: &mut Equal,
    ) -> String {
        let (text, vals) = if self.percent(25) {
            let (list, vals) = self.list(column);
            (format!("{prefix}{column} {list}"), vals)
        } else {
            let val = self.sample(column);
            let put = self.put(&val);
            let turned = self.percent(15);
            let text = match (&val, turned) {
                (Val::Bool(true), _) if self.percent(60) => format!("{prefix}{column}"),
                (_, true) => format!("{put} = {prefix}{column}"),
                (_, false) => format!("{prefix}{column} = {put}"),
            };
            // A bind that was put and not used would be one too many.
            if text == format!("{prefix}{column}") && put.starts_with(['$', '?']) {
                self.binds.pop();
            }
            (text, vec![val])
        };
        if table.is_plain(column) {
            equal.push((column, vals));
        }
        text
    }
}
