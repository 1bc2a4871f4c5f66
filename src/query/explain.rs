//! Why a cached read is answered as it is.

use std::collections::HashMap;
use std::time::Instant;

use diesel::connection::{Connection, LoadConnection};
use diesel::deserialize::FromSqlRow;
use diesel::expression::QueryMetadata;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::query_dsl::CompatibleType;

use crate::backend::{Ask, Databases};
use crate::bypass::Bypass;
use crate::connection::Blocking;
use crate::core::Core;
use crate::entry::Entry;
use crate::explain::{Dependency, Explanation, MissReason, Standing};
use crate::now::now;
use crate::outcome::Outcome;
use crate::protocol::{Judgement, TagState, judge};
use crate::query::Cached;
use crate::query::plan::{self, Plan};
use crate::query::rows::{DatabaseRows, Stored};
use crate::statement::CacheDatabase;
use crate::tag::Tag;

impl<Q> Cached<Q> {
    /// Tells what would become of the read if it were run now for rows of type `U`: whether it would
    /// hit, miss or be bypassed, and why; its key; what its result depends on, how each of
    /// that stands, and what renewed it last.
    ///
    /// The query is not run, and nothing is stored; the session and the catalogue may be asked about,
    /// as before a read. What it says may be outdated when it returns.
    ///
    /// ```
    /// use diesel::prelude::*;
    /// use diesel_cache::{Cache, CachedDsl, Outcome};
    ///
    /// diesel::table! { posts (id) { id -> Integer, title -> Text } }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut conn = SqliteConnection::establish(":memory:")?;
    /// # diesel::sql_query("CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL)")
    /// #     .execute(&mut conn)?;
    /// # let cache = Cache::from_url("memory://")?;
    /// # cache.attach(&mut conn)?;
    /// let post = || posts::table.find(1).cached();
    /// post().load::<(i32, String)>(&mut conn)?;
    /// let title = posts::title.eq("new");
    /// diesel::update(posts::table.find(1)).set(title).execute(&mut conn)?;
    /// let why = post().explain::<(i32, String), _, _>(&mut conn);
    /// assert_eq!(why.outcome, Outcome::Hit, "there was no such post, and there is none: {why}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn explain<U, Conn, ST>(&self, conn: &mut Conn) -> Explanation
    where
        Conn: Connection + LoadConnection,
        Q: Query + QueryFragment<Conn::Backend> + QueryId,
        Q::SqlType: CompatibleType<U, Conn::Backend, SqlType = ST>,
        Conn::Backend: DatabaseRows<ST, U> + QueryMetadata<Q::SqlType>,
        U: FromSqlRow<ST, Conn::Backend> + 'static,
        ST: 'static,
    {
        type Rows<DB, ST, U> = <DB as DatabaseRows<ST, U>>::Stored;
        let rows = (
            <Rows<Conn::Backend, ST, U> as Stored<Conn::Backend>>::FORM,
            std::any::type_name::<U>(),
        );
        let platform = <Rows<Conn::Backend, ST, U> as Stored<Conn::Backend>>::fingerprint();
        let statement = Conn::Backend::describe(&self.query);
        let sql = statement
            .as_ref()
            .map(|statement| statement.sql.clone())
            .unwrap_or_default();
        let conn = &mut Blocking(conn);
        let planned = plan::cache_for(&self.options, conn).and_then(|cache| {
            let options = &self.options;
            now(plan::plan(cache, statement, options, conn, rows, platform))
        });
        match planned {
            Ok(plan) => explained(&plan, &plan.names()),
            Err(reason) => bypassed(sql, reason),
        }
    }
}

fn bypassed(sql: String, reason: Bypass) -> Explanation {
    Explanation {
        outcome: Outcome::Bypass(reason),
        sql,
        key: None,
        tables: Vec::new(),
        miss: None,
        dependencies: Vec::new(),
    }
}

fn explained(plan: &Plan, names: &HashMap<Tag, String>) -> Explanation {
    let core = plan.cache.core();
    let tags = &plan.footprint.tags;
    let ask = Ask::entry(&plan.key, tags, Databases::One(plan.space));
    let mut explanation = Explanation {
        key: Some(blake3::hash(plan.key.as_bytes()).to_string()),
        tables: plan.footprint.reads.tables.iter().cloned().collect(),
        ..bypassed(plan.sql.clone(), Bypass::Backend)
    };
    let (Ok(fetched), Ok(recalled)) = (
        core.backend.fetch(&ask),
        core.backend.recall(&plan.key, &core.attached()),
    ) else {
        return explanation;
    };
    let gate = fetched.gate;
    let entry = fetched.entry.clone();
    let base = fetched.states.clone();
    let found = match &entry {
        Some(entry) if entry.tags.len() == recalled.states.len() => Some((entry, &recalled.states)),
        _ => None,
    };
    explanation.dependencies = match found {
        Some((entry, states)) if entry.tags.starts_with(tags) => {
            let held = entry.vector.tokens.iter().map(Some);
            let all = entry.tags.iter().zip(states.iter()).zip(held);
            all.map(|((tag, state), held)| {
                let standing = match (state, held) {
                    (TagState::Clean(token), Some(held)) if token == held => Standing::Current,
                    (TagState::Quarantined, _) => Standing::Quarantined,
                    _ => Standing::Changed,
                };
                dependency(core, *tag, standing, names)
            })
            .collect()
        }
        _ => {
            let all = tags.iter().zip(base.iter());
            all.map(|(tag, state)| {
                let standing = match state {
                    TagState::Clean(_) => Standing::Current,
                    TagState::Quarantined => Standing::Quarantined,
                    TagState::Missing => Standing::Unknown,
                };
                dependency(core, *tag, standing, names)
            })
            .collect()
        }
    };
    let miss = |reason| {
        let stored = plan.fill == crate::connection::Fill::Allowed;
        (
            Outcome::Miss {
                stored,
                joined: false,
            },
            Some(reason),
        )
    };
    let why = |entry: &Entry| {
        if gate != Some(entry.vector.nonce) {
            MissReason::Cleared
        } else if !entry.tags.starts_with(tags) {
            MissReason::OtherDependencies
        } else {
            MissReason::Invalidated
        }
    };
    let expired = |entry: &Entry| entry.expires_at <= Instant::now();
    (explanation.outcome, explanation.miss) = match judge(fetched, tags) {
        Judgement::Hit(entry) if expired(&entry) => miss(MissReason::Expired),
        Judgement::Hit(_) => (Outcome::Hit, None),
        Judgement::Closed => (Outcome::Bypass(Bypass::Closed), None),
        Judgement::Quarantined => (Outcome::Bypass(Bypass::Quarantined), None),
        Judgement::Miss(_) | Judgement::Establish => {
            miss(entry.as_ref().map_or(MissReason::Absent, why))
        }
    };
    explanation
}

fn dependency(
    core: &Core,
    tag: Tag,
    standing: Standing,
    names: &HashMap<Tag, String>,
) -> Dependency {
    let known = names.get(&tag).cloned();
    Dependency {
        what: known.unwrap_or_else(|| "a row that the result shows".to_owned()),
        tag,
        standing,
        renewed: core.renewal(&tag),
    }
}
