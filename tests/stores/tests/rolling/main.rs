//! Deployments that overlap: processes whose models declare other keys of one table.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_cache_faults::RedisServer;
use diesel_cache_stores::until;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A process of the deployment, killed when it is dropped.
struct Process {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn run(&mut self, sql: &str) -> String {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(format!("{sql}\n").as_bytes()).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "it ended at {sql}");
        line.trim_end().to_owned()
    }

    /// Whether it was a hit, and the rows.
    fn read(&mut self, sql: &str) -> (bool, String) {
        let answer = self.run(sql);
        let (outcome, rows) = answer.split_once(' ').unwrap_or((&answer, ""));
        (outcome == "hit", rows.to_owned())
    }

    fn until_hit(&mut self, sql: &str) {
        until("it hits", || self.read(sql).0);
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

struct World {
    server: RedisServer,
    folder: tempfile::TempDir,
    judge: SqliteConnection,
    chance: StdRng,
    last: i32,
}

const WARM: &str = "SELECT id, owner, kind, body FROM items WHERE owner = -1";

fn by(column: &str, value: i32) -> String {
    format!("SELECT id, owner, kind, body FROM items WHERE {column} = {value} ORDER BY id")
}

impl World {
    fn new(seed: u64) -> Self {
        let server = RedisServer::start(&[]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("db.sqlite");
        let mut judge = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        judge
            .batch_execute(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 20000;
                 CREATE TABLE items (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL,
                     kind INTEGER NOT NULL, body TEXT NOT NULL);",
            )
            .unwrap();
        let chance = StdRng::seed_from_u64(seed);
        Self {
            server,
            folder,
            judge,
            chance,
            last: 0,
        }
    }

    fn start(&self, role: &str) -> Process {
        let url = format!(
            "{}?namespace=rolling&io_timeout=20s&connect_timeout=20s&catalogue_interval=0s",
            self.server.url()
        );
        let mut child = Command::new(env!("CARGO_BIN_EXE_deployed"))
            .args([
                &url,
                self.folder.path().join("db.sqlite").to_str().unwrap(),
                role,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Process { child, answers }
    }

    /// What the database says.
    fn truth(&mut self, sql: &str) -> String {
        let sql = sql.replace(
            "id, owner, kind, body",
            "id || ',' || owner || ',' || kind || ',' || body AS line",
        );
        let lines: Vec<Line> = diesel::sql_query(sql).load(&mut self.judge).unwrap();
        let lines: Vec<_> = lines.into_iter().map(|line| line.line).collect();
        lines.join(" ")
    }

    fn below(&mut self, limit: i32) -> i32 {
        self.chance.random_range(0..limit)
    }

    fn a_read(&mut self) -> String {
        match self.below(4) {
            0 | 1 => by("owner", self.below(4)),
            2 => by("kind", self.below(3)),
            _ => by("id", self.below(12)),
        }
    }

    fn a_write(&mut self) -> String {
        self.last += 1;
        let (id, owner, kind) = (self.below(12), self.below(4), self.below(3));
        let body = self.last;
        match self.below(8) {
            0..3 => format!("INSERT OR IGNORE INTO items VALUES ({id}, {owner}, {kind}, '{body}')"),
            3 => format!(
                "INSERT OR IGNORE INTO items (id, owner, kind, body) VALUES ({id}, {owner}, {kind}, '{body}')"
            ),
            4 => format!("UPDATE items SET owner = {owner} WHERE id = {id}"),
            5 => format!("UPDATE items SET kind = {kind} WHERE owner = {owner}"),
            6 => format!("UPDATE items SET body = '{body}' WHERE id = {id}"),
            _ => format!("DELETE FROM items WHERE id = {id}"),
        }
    }

    /// Random operations, one after the other; each read is compared. Returns how many hit.
    fn work(&mut self, processes: &mut [&mut Process], operations: usize) -> usize {
        let mut hits = 0;
        let count = i32::try_from(processes.len()).unwrap();
        for _ in 0..operations {
            let who = usize::try_from(self.below(count)).unwrap();
            if self.below(4) == 0 {
                let sql = self.a_write();
                processes[who].run(&sql);
                continue;
            }
            let sql = self.a_read();
            let (hit, rows) = processes[who].read(&sql);
            assert_eq!(rows, self.truth(&sql), "process {who}, a hit: {hit}: {sql}");
            hits += usize::from(hit);
        }
        hits
    }
}

/// Writes of rows of other owners and kinds leave a read alone, whoever writes.
fn tells_rows_apart(world: &mut World, processes: &mut [&mut Process]) {
    processes[0].run("DELETE FROM items");
    for (id, owner) in [(1, 1), (2, 2)] {
        let values = format!("({id}, {owner}, {owner}, 'x')");
        processes[0].run(&format!(
            "INSERT INTO items (id, owner, kind, body) VALUES {values}"
        ));
    }
    let sql = by("owner", 1);
    for at in 0..processes.len() {
        processes[0].until_hit(&sql);
        let write = format!("UPDATE items SET body = '{at}' WHERE owner = 2");
        assert_eq!(processes[at].run(&write), "1");
        let (hit, rows) = processes[0].read(&sql);
        assert_eq!(rows, world.truth(&sql));
        assert!(hit, "{at} writes");
        processes[at].run(&format!("UPDATE items SET body = '{at}' WHERE owner = 1"));
        let (hit, rows) = processes[0].read(&sql);
        assert_eq!(rows, world.truth(&sql));
        assert!(!hit, "{at} writes");
    }
}

#[test]
fn versions_that_declare_other_keys_write_for_each_other() {
    let mut world = World::new(14);
    let mut old = world.start("none");
    old.until_hit(WARM);
    world.work(&mut [&mut old], 200);
    // The new one comes while the old one goes on.
    let mut new = world.start("owner");
    world.work(&mut [&mut old, &mut new], 300);
    new.until_hit(WARM);
    let mut hits = world.work(&mut [&mut old, &mut new], 1000);
    let mut newest = world.start("kind");
    world.work(&mut [&mut old, &mut new, &mut newest], 300);
    newest.until_hit(WARM);
    hits += world.work(&mut [&mut old, &mut new, &mut newest], 1000);
    tells_rows_apart(&mut world, &mut [&mut new, &mut old, &mut newest]);
    drop(new);
    hits += world.work(&mut [&mut old, &mut newest], 300);
    drop(newest);
    // What has gone is still declared.
    let mut again = world.start("owner");
    again.until_hit(WARM);
    hits += world.work(&mut [&mut old, &mut again], 500);
    drop(old);
    again.until_hit(WARM);
    hits += world.work(&mut [&mut again], 300);
    tells_rows_apart(&mut world, &mut [&mut again]);
    assert!(hits > 300, "{hits} hits");
}

#[test]
fn a_store_that_forgets_what_is_declared_is_told_again() {
    let mut world = World::new(15);
    let (mut old, mut new) = (world.start("none"), world.start("owner"));
    new.until_hit(WARM);
    old.until_hit(WARM);
    for round in 0..5 {
        world.work(&mut [&mut old, &mut new], 200);
        world.server.command(&["FLUSHALL"]).unwrap();
        world.work(&mut [&mut old, &mut new], 200);
        // In turn the one and the other is the first to ask again.
        match round % 2 {
            0 => old.until_hit(WARM),
            _ => new.until_hit(WARM),
        }
        world.work(&mut [&mut old, &mut new], 200);
        new.until_hit(WARM);
        old.until_hit(WARM);
    }
    tells_rows_apart(&mut world, &mut [&mut new, &mut old]);
}
