//! Somebody who writes to the tables of the application, and has never heard of the cache: the
//! database's own client.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::clock::now;
use crate::coordinator::collector::{Collector, Feed};
use crate::coordinator::database::Db;
use crate::event::{Event, Fate, Found, Keys, Origin, Value};
use crate::layout::{Key, OWNERS, ROWS, TABLES, name, owned};
use crate::options::{Database, Level, Options};

/// The last byte of its values: no thread of a worker has it.
const NUMBER: u64 = 255;
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it says that time passes.
const TICK: Duration = Duration::from_millis(10);
/// What it answers with at the end of each step.
const END: &str = "--end--";

#[derive(Debug)]
pub(super) struct Outsider {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64, String>>,
}

impl Outsider {
    /// Starts writing, where there are triggers that tell of it.
    pub(super) fn start(
        options: &Options,
        db: &Db,
        collector: &Collector,
    ) -> Result<Option<Self>, String> {
        if options.level != Level::Durable {
            return Ok(None);
        }
        let ended = Arc::new(AtomicBool::new(false));
        let writing = Writing {
            tables: (0..TABLES)
                .filter(|table| options.is_outside(*table))
                .collect(),
            client: Client::start(options.database, db.url())?,
            chance: Chance::of(options.seed, 1 << 42),
            feed: collector.feed(),
            last: 0,
            written: 0,
        };
        let thread = {
            let ended = Arc::clone(&ended);
            thread::spawn(move || writing.run(&ended))
        };
        Ok(Some(Self { ended, thread }))
    }

    /// Ends it. Returns how many writes it has made.
    ///
    /// # Errors
    /// What kept it from writing.
    pub(super) fn end(self) -> Result<u64, String> {
        self.ended.store(true, Ordering::SeqCst);
        let ended = self.thread.join();
        ended.map_err(|_| "the outsider panicked".to_owned())?
    }
}

struct Writing {
    tables: Vec<usize>,
    client: Client,
    chance: Chance,
    feed: Feed,
    last: Value,
    written: u64,
}

impl Writing {
    fn run(mut self, ended: &AtomicBool) -> Result<u64, String> {
        while !ended.load(Ordering::SeqCst) {
            let pause = Instant::now() + Duration::from_millis(self.chance.between(5, 80));
            while Instant::now() < pause {
                self.feed.tell(Event::Mark { at: now() });
                thread::sleep(TICK.min(pause.saturating_duration_since(Instant::now())));
            }
            self.write()?;
        }
        Ok(self.written)
    }

    /// Raises some rows: one, those of an owner, or some of two tables in a transaction.
    fn write(&mut self) -> Result<(), String> {
        let table = *self.chance.pick(&self.tables);
        let one = |chance: &mut Chance, table| Key::new(table, chance.below(ROWS));
        let mut groups: Vec<Keys> = match self.chance.below(10) {
            0..6 => vec![Keys::from_slice(&[one(&mut self.chance, table)])],
            6..8 => vec![owned(table, self.chance.below(OWNERS)).collect()],
            _ => {
                let other = *self.chance.pick(&self.tables);
                let keys = [table, other].map(|table| one(&mut self.chance, table));
                keys.iter().map(|key| Keys::from_slice(&[*key])).collect()
            }
        };
        // In an order that all writers keep.
        groups.sort_by_key(|keys| keys[0]);
        groups.dedup();
        let keys: Keys = groups.iter().flatten().copied().collect();
        let at = now();
        let value = ((at << 8) | NUMBER).max(self.last + 256);
        self.last = value;
        self.feed.tell(Event::Begin {
            at,
            value,
            keys: keys.clone(),
        });
        let updates: Vec<String> = groups.iter().map(|keys| update(keys, value)).collect();
        let text = match updates.as_slice() {
            [update] => update.clone(),
            updates => format!("BEGIN; {} COMMIT;", updates.join(" ")),
        };
        let done = self.client.ask(&text, &self.feed);
        if done.is_err() {
            // Its session was ended.
            self.client.restart()?;
        }
        let start = now();
        let rows = self.look(&keys)?;
        for (key, found) in &rows {
            let fate = match *found {
                found if found == value => Fate::Committed,
                found if found > value || done.is_err() => Fate::Unknown,
                _ => Fate::Void,
            };
            self.written += u64::from(fate == Fate::Committed);
            self.feed.tell(Event::End {
                at: now(),
                value,
                fate,
                keys: Keys::from_slice(&[*key]),
            });
        }
        self.feed.tell(Event::Read {
            start,
            end: now(),
            origin: Origin::Database,
            found: Found::Rows(rows.into_iter().collect()),
        });
        Ok(())
    }

    /// What the rows hold now.
    fn look(&mut self, keys: &Keys) -> Result<Vec<(Key, Value)>, String> {
        let selects: Vec<String> = keys
            .iter()
            .map(|key| {
                let (table, id) = (name(key.table()), key.id());
                format!("SELECT value FROM {table} WHERE id = {id};")
            })
            .collect();
        let text = selects.join(" ");
        let until = Instant::now() + PATIENCE;
        loop {
            let values = self.client.ask(&text, &self.feed);
            let values: Option<Vec<Value>> = values
                .ok()
                .and_then(|lines| lines.iter().map(|line| line.trim().parse().ok()).collect());
            if let Some(values) = values.filter(|values| values.len() == keys.len()) {
                return Ok(keys.iter().copied().zip(values).collect());
            }
            if Instant::now() > until {
                return Err("the outsider's client does not answer".to_owned());
            }
            self.client.restart()?;
        }
    }
}

fn update(keys: &Keys, value: Value) -> String {
    let ids: Vec<String> = keys.iter().map(|key| key.id().to_string()).collect();
    let (table, ids) = (name(keys[0].table()), ids.join(", "));
    format!("UPDATE {table} SET value = {value} WHERE id IN ({ids}) AND value < {value};")
}

/// A running `psql`, `mariadb` or `sqlite3`.
struct Client {
    database: Database,
    url: String,
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Client {
    fn start(database: Database, url: &str) -> Result<Self, String> {
        let mut command = program(database, url)?;
        let spawned = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = spawned.map_err(|error| format!("{command:?}: {error}"))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (mut input, output) = pipes.ok_or("a client has no pipes")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        if database == Database::Sqlite {
            writeln!(input, ".timeout 10000").map_err(|error| error.to_string())?;
        }
        Ok(Self {
            database,
            url: url.to_owned(),
            child,
            input,
            lines,
        })
    }

    fn restart(&mut self) -> Result<(), String> {
        thread::sleep(TICK);
        *self = Self::start(self.database, &self.url)?;
        Ok(())
    }

    /// Runs statements, and returns the lines that they answer with.
    fn ask(&mut self, text: &str, feed: &Feed) -> Result<Vec<String>, String> {
        let sent = writeln!(self.input, "{text} SELECT '{END}';");
        sent.map_err(|error| error.to_string())?;
        let until = Instant::now() + PATIENCE;
        let mut answer = Vec::new();
        while Instant::now() < until {
            match self.lines.recv_timeout(TICK) {
                Ok(line) if line.trim() == END => return Ok(answer),
                Ok(line) => answer.push(line),
                Err(RecvTimeoutError::Timeout) => feed.tell(Event::Mark { at: now() }),
                Err(RecvTimeoutError::Disconnected) => return Err("it has ended".to_owned()),
            }
        }
        Err("it does not answer".to_owned())
    }
}

/// The client of a database, so that it answers with bare values, one per line.
fn program(database: Database, url: &str) -> Result<Command, String> {
    Ok(match database {
        Database::Postgres => {
            let mut command = Command::new("psql");
            command.args(["-qAtX", url]);
            command
        }
        Database::Mariadb => {
            let (_, rest) = url.split_once("://").ok_or("the URL has no scheme")?;
            let (who, place) = rest.rsplit_once('@').ok_or("the URL names no user")?;
            let (user, password) = who.split_once(':').unwrap_or((who, ""));
            let (address, name) = place.split_once('/').ok_or("the URL names no database")?;
            let (host, port) = address.split_once(':').ok_or("the URL names no port")?;
            let mut command = Command::new("mariadb");
            command
                .args(["--batch", "--skip-column-names", "--unbuffered", "--force"])
                .args(["--protocol", "tcp", "--host", host, "--port", port])
                .args(["--user", user, name])
                .env("MYSQL_PWD", password);
            command
        }
        Database::Sqlite => {
            let mut command = Command::new("sqlite3");
            command.args(["-batch", "-list", url]);
            command
        }
    })
}
