//! A write between a read and the capture of what it saw. On SQLite.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::backend::{Acknowledged, Ask, CacheBackend, MemoryBackend, Put, Usage, Writer};
use diesel_cache::database::TagSpace;
use diesel_cache::entry::Entry;
use diesel_cache::error::BackendError;
use diesel_cache::key::Key;
use diesel_cache::protocol::{Fetched, Lift};
use diesel_cache::tag::Tag;
use diesel_cache::token::{ProcessId, WriterId};
use diesel_cache::{Cache, CachedDsl, Outcome, Report};

diesel::table! {
    notes (id) {
        id -> Integer,
        title -> Text,
    }
}

type Hook = Box<dyn FnOnce() + Send>;

/// A store that does something before it tells the tokens of tags alone: those that a reader
/// captures when it has its result.
#[derive(Clone)]
struct Interrupted(Arc<(MemoryBackend, Mutex<Option<Hook>>)>);

impl fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupted")
    }
}

type Answer<T> = Result<T, BackendError>;

impl CacheBackend for Interrupted {
    fn fetch(&self, ask: &Ask<'_>) -> Answer<Fetched> {
        let hook = ask.key.is_none().then(|| self.0.1.lock().unwrap().take());
        if let Some(hook) = hook.flatten() {
            hook();
        }
        self.0.0.fetch(ask)
    }
    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Answer<Fetched> {
        self.0.0.recall(key, attached)
    }
    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Answer<Put> {
        self.0.0.put(key, entry, holder)
    }
    fn put_if_absent(&self, key: Key, entry: Entry) -> Answer<Put> {
        self.0.0.put_if_absent(key, entry)
    }
    fn touch(&self, key: &Key, expires_at: Instant) -> Answer<bool> {
        self.0.0.touch(key, expires_at)
    }
    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Answer<Acknowledged> {
        self.0.0.quarantine(writer, tags)
    }
    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Answer<()> {
        self.0.0.lift(writer, tags, how)
    }
    fn renew(&self, tags: &[Tag]) -> Answer<()> {
        self.0.0.renew(tags)
    }
    fn remove(&self, key: &Key) -> Answer<bool> {
        self.0.0.remove(key)
    }
    fn purge(&self, tag: &Tag) -> Answer<()> {
        self.0.0.purge(tag)
    }
    fn clear(&self) -> Answer<()> {
        self.0.0.clear()
    }
    fn usage(&self) -> Usage {
        self.0.0.usage()
    }
}

#[test]
fn a_write_in_the_window_keeps_the_result_from_being_stored_for_its_rows() {
    let store = Interrupted(Arc::new((MemoryBackend::new(1 << 20), Mutex::default())));
    let cache = Cache::builder().backend(store.clone()).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let connect = || {
        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        cache.attach(&mut conn).unwrap();
        conn
    };
    let mut conn = connect();
    conn.batch_execute(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL);
         INSERT INTO notes VALUES (1, 'a'), (2, 'b'), (3, 'c');",
    )
    .unwrap();
    let read = |conn: &mut SqliteConnection| {
        let report = Report::new();
        let first = notes::table
            .order(notes::id)
            .limit(2)
            .cached()
            .report(&report);
        let rows: Vec<(i32, String)> = first.load(conn).unwrap();
        let titles: Vec<String> = rows.into_iter().map(|(_, title)| title).collect();
        (titles.concat(), report.outcome().unwrap())
    };
    // Of a row that it shows: what was read is outdated when it is stored.
    let mut writer = connect();
    let write = move |id: i32, title: &'static str, writer: &mut SqliteConnection| {
        let update = diesel::update(notes::table.find(id)).set(notes::title.eq(title));
        update.execute(writer).unwrap();
    };
    *store.0.1.lock().unwrap() = Some(Box::new(move || write(1, "x", &mut writer)));
    let missed = |stored| Outcome::Miss {
        stored,
        joined: false,
    };
    assert_eq!(read(&mut conn), ("ab".into(), missed(false)));
    assert!(store.0.1.lock().unwrap().is_none(), "it was interrupted");
    assert_eq!(read(&mut conn), ("xb".into(), missed(true)));
    assert_eq!(read(&mut conn), ("xb".into(), Outcome::Hit));
    // Of one that it does not show, while it is made anew: it is stored for less.
    write(2, "y", &mut conn);
    let mut writer = connect();
    *store.0.1.lock().unwrap() = Some(Box::new(move || {
        let away = diesel::update(notes::table.find(3)).set(notes::title.eq("z"));
        away.execute(&mut writer).unwrap();
    }));
    let (titles, _) = read(&mut conn);
    assert_eq!(titles, "xy");
    write(2, "b", &mut conn);
    assert_eq!(read(&mut conn).0, "xb");
    assert_eq!(read(&mut conn), ("xb".into(), Outcome::Hit));
}
