//! Reads this workspace's own `Cargo.lock` into SQLite and asks it questions through
//! the cache, changing rows in between in every way that Diesel has.
//!
//! `cargo run --example quickstart`; no server, no system library.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]
#![allow(missing_docs, reason = "the tables' modules are the macro's")]

use std::error::Error;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel_cache::{Cache, CacheInvalidate, CachedDsl, Outcome, Report, SaveDsl};

diesel::table! {
    packages (id) {
        id -> Integer,
        name -> Text,
        version -> Text,
        yanked -> Bool,
    }
}

diesel::table! {
    dependencies (package_id, needs) {
        package_id -> Integer,
        needs -> Text,
    }
}

diesel::joinable!(dependencies -> packages (package_id));
diesel::allow_tables_to_appear_in_same_query!(packages, dependencies);

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, AsChangeset, CacheInvalidate)]
#[cache(ttl = "10m")]
struct Package {
    id: i32,
    name: String,
    version: String,
    yanked: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("packages.sqlite");
    let cache = Cache::from_url("memory://")?;
    cache.register::<Package>();
    let pool = Pool::builder()
        .max_size(2)
        .connection_customizer(cache.customizer())
        .build(ConnectionManager::<SqliteConnection>::new(
            file.to_string_lossy(),
        ))?;
    let mut conn = pool.get()?;
    let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));
    let (packages, edges) = fill(&mut conn, lock)?;
    println!("Cargo.lock: {packages} packages, {edges} dependencies\n");
    let mut show = Show::default();

    println!("Each question twice: the first answer is read, the second one cached.");
    for _ in 0..2 {
        show.who_depends_on(&mut conn, "syn")?;
        show.most_depended_on(&mut conn)?;
        show.versions(&mut conn, "syn")?;
    }

    println!("\nA model is saved: every question that reads its table is asked anew.");
    let mut syn: Package = packages::table
        .filter(packages::name.eq("syn"))
        .select(Package::as_select())
        .first(&mut conn)?;
    syn.yanked = true;
    syn.save(&mut conn)?;
    for _ in 0..2 {
        show.versions(&mut conn, "syn")?;
    }

    println!("\nAnother connection of the pool updates in bulk: seen too.");
    let mut other = pool.get()?;
    diesel::update(packages::table)
        .set(packages::yanked.eq(false))
        .execute(&mut other)?;
    for _ in 0..2 {
        show.versions(&mut conn, "syn")?;
    }

    println!("\nRaw SQL writes one table: questions that do not read it stay cached.");
    diesel::sql_query("DELETE FROM dependencies WHERE needs = 'syn'").execute(&mut other)?;
    for _ in 0..2 {
        show.who_depends_on(&mut conn, "syn")?;
    }
    show.versions(&mut conn, "syn")?;

    println!("\nA transaction reads its own writes; rolled back, it has invalidated nothing.");
    let rolled_back: Result<(), diesel::result::Error> = other.transaction(|other| {
        diesel::update(packages::table)
            .set(packages::yanked.eq(true))
            .execute(other)?;
        show.versions(other, "syn")?;
        Err(diesel::result::Error::RollbackTransaction)
    });
    assert_eq!(rolled_back, Err(diesel::result::Error::RollbackTransaction));
    show.versions(&mut conn, "syn")?;

    println!("\nWhat may differ from call to call is never cached.");
    show.at_random(&mut conn)?;

    show.timings();
    let stats = cache.stats();
    println!(
        "\nhits {}, misses {}, stored {}",
        stats.hits, stats.misses, stats.puts
    );
    for (reason, times) in &stats.bypasses {
        println!("bypassed {times} × {reason}");
    }
    for (source, times) in &stats.invalidations {
        println!("invalidated {times} × by {source:?}");
    }
    println!(
        "{} entries of {} bytes in all",
        stats.usage.entries, stats.usage.bytes
    );
    Ok(())
}

/// Creates the tables and reads the lock file into them.
fn fill(conn: &mut SqliteConnection, lock: &str) -> QueryResult<(usize, usize)> {
    conn.batch_execute(
        "CREATE TABLE packages (id INTEGER PRIMARY KEY, name TEXT NOT NULL,
             version TEXT NOT NULL, yanked BOOLEAN NOT NULL DEFAULT FALSE);
         CREATE TABLE dependencies (package_id INTEGER NOT NULL REFERENCES packages (id),
             needs TEXT NOT NULL, PRIMARY KEY (package_id, needs));
         CREATE INDEX needed ON dependencies (needs);",
    )?;
    let (mut packages_seen, mut edges_seen) = (0, 0);
    conn.transaction(|conn| {
        for (id, block) in (1..).zip(lock.split("[[package]]").skip(1)) {
            let field = |key: &str| {
                block.lines().find_map(|line| {
                    line.strip_prefix(key)?
                        .strip_prefix(" = \"")?
                        .strip_suffix('"')
                })
            };
            let (Some(name), Some(version)) = (field("name"), field("version")) else {
                continue;
            };
            diesel::insert_into(packages::table)
                .values((
                    packages::id.eq(id),
                    packages::name.eq(name),
                    packages::version.eq(version),
                ))
                .execute(conn)?;
            packages_seen += 1;
            // A dependency is written ` "name version",`, the version only where it is needed.
            for line in block.lines().filter_map(|line| line.strip_prefix(" \"")) {
                let needs = line
                    .trim_end_matches("\",")
                    .split(' ')
                    .next()
                    .unwrap_or(line);
                edges_seen += diesel::insert_or_ignore_into(dependencies::table)
                    .values((
                        dependencies::package_id.eq(id),
                        dependencies::needs.eq(needs),
                    ))
                    .execute(conn)?;
            }
        }
        Ok((packages_seen, edges_seen))
    })
}

/// Asks the questions, says what became of each, and adds up the times.
#[derive(Default)]
struct Show {
    times: Vec<(&'static str, Outcome, Duration)>,
}

impl Show {
    fn who_depends_on(&mut self, conn: &mut SqliteConnection, name: &str) -> QueryResult<()> {
        let query = dependencies::table
            .inner_join(packages::table)
            .filter(dependencies::needs.eq(name))
            .select(packages::name)
            .distinct()
            .order(packages::name);
        let report = Report::new();
        let began = Instant::now();
        let names: Vec<String> = query.cached().report(&report).load(conn)?;
        self.say(
            "who depends on syn",
            &report,
            began,
            &format!("{} packages", names.len()),
        );
        Ok(())
    }

    fn most_depended_on(&mut self, conn: &mut SqliteConnection) -> QueryResult<()> {
        let query = dependencies::table
            .group_by(dependencies::needs)
            .select((dependencies::needs, diesel::dsl::count_star()))
            .order((diesel::dsl::count_star().desc(), dependencies::needs))
            .limit(3);
        let report = Report::new();
        let began = Instant::now();
        let most: Vec<(String, i64)> = query.cached().report(&report).load(conn)?;
        let most: Vec<String> = most.iter().map(|(name, n)| format!("{name} {n}")).collect();
        self.say("most depended on", &report, began, &most.join(", "));
        Ok(())
    }

    fn versions(&mut self, conn: &mut SqliteConnection, name: &str) -> QueryResult<()> {
        let query = packages::table
            .filter(packages::name.eq(name))
            .select(Package::as_select())
            .order(packages::id);
        let report = Report::new();
        let began = Instant::now();
        let found: Vec<Package> = query.cached().report(&report).load(conn)?;
        let found: Vec<String> = found
            .iter()
            .map(|p| {
                format!(
                    "{} {}{}",
                    p.name,
                    p.version,
                    if p.yanked { " (yanked)" } else { "" }
                )
            })
            .collect();
        self.say("all versions of syn", &report, began, &found.join(", "));
        Ok(())
    }

    fn at_random(&mut self, conn: &mut SqliteConnection) -> QueryResult<()> {
        let query = packages::table
            .select(packages::id)
            .order(diesel::dsl::sql::<diesel::sql_types::Integer>("random()"))
            .limit(1);
        let report = Report::new();
        let began = Instant::now();
        let one: Vec<i32> = query.cached().report(&report).load(conn)?;
        self.say(
            "any package",
            &report,
            began,
            &format!("{} package", one.len()),
        );
        Ok(())
    }

    fn say(&mut self, question: &'static str, report: &Report, began: Instant, answer: &str) {
        let took = began.elapsed();
        let Some(outcome) = report.outcome() else {
            return;
        };
        println!("  {question:<20} {:<32} {answer}", outcome.to_string());
        self.times.push((question, outcome, took));
    }

    fn timings(&self) {
        println!(
            "\n{:<20} {:>12} {:>12}",
            "fastest, in µs", "database", "cache"
        );
        for question in [
            "who depends on syn",
            "most depended on",
            "all versions of syn",
        ] {
            let fastest = |hit: bool| {
                self.times
                    .iter()
                    .filter(|(q, outcome, _)| *q == question && (*outcome == Outcome::Hit) == hit)
                    .map(|(_, _, took)| took.as_secs_f64() * 1e6)
                    .fold(f64::NAN, f64::min)
            };
            println!(
                "{question:<20} {:>12.1} {:>12.1}",
                fastest(false),
                fastest(true)
            );
        }
    }
}
