//! What a server is asked, as it tells itself by `MONITOR`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use diesel_cache::backend::{Ask, CacheBackend, Databases, Lease, Writer};
use diesel_cache::database::TagSpace;
use diesel_cache::key::{Key, ValueParts};
use diesel_cache::protocol::{Judgement, Lift, judge};
use diesel_cache::tag::Tag;
use diesel_cache::token::{Opening, ProcessId, WriterId};
use diesel_cache_faults::{Client, RedisServer, Reply};

use crate::connect;

/// A watch over a server.
///
/// Each command that comes over the network is a round trip; what scripts call inside the server
/// is none, and is not told. Scripts are told by what they do: `fetch`, `put`, `lift`. Beats of
/// the cache's worker, which come by the clock, are left out.
#[derive(Debug)]
pub struct Watch {
    monitor: Client,
    plain: Client,
    scripts: HashMap<String, &'static str>,
    marks: u32,
}

impl Watch {
    /// # Panics
    /// If the server does not answer.
    pub fn start(server: &RedisServer) -> Self {
        let mut watch = Self {
            monitor: server.client().unwrap(),
            plain: server.client().unwrap(),
            scripts: HashMap::new(),
            marks: 0,
        };
        watch
            .monitor
            .patience(Some(Duration::from_secs(60)))
            .unwrap();
        watch.monitor.command(&["MONITOR"]).unwrap();
        watch.learn(server);
        watch
    }

    /// Does each operation once, to know its script again.
    fn learn(&mut self, server: &RedisServer) {
        let backend = connect(&server.url(), "learnt by the watch");
        let (process, id) = (ProcessId::fresh(), WriterId::fresh());
        let space = TagSpace::of(b"watch");
        let tags = [Tag::any(space, "t")];
        let key = Key::of_value(&ValueParts::default());
        let writer = Writer {
            id,
            process,
            space: None,
            session: None,
        };
        let fetch = |establish, lease| {
            let ask = Ask {
                establish,
                lease,
                ..Ask::entry(&key, &tags, Databases::None)
            };
            backend.fetch(&ask).unwrap()
        };
        let lease = Lease {
            holder: process,
            patience: Duration::from_secs(1),
        };
        self.lines();
        let mut name = |what: &'static str, act: &mut dyn FnMut()| {
            act();
            for line in self.lines() {
                let digest = line.get(1).cloned().unwrap_or_default();
                if line[0] == "evalsha" || line[0] == "eval" {
                    self.scripts.entry(digest).or_insert(what);
                }
            }
        };
        name("beat", &mut || drop(backend.beat(process, &[space])));
        name("fetch", &mut || drop(fetch(false, None)));
        name("capture", &mut || drop(fetch(true, Some(lease))));
        name("release", &mut || drop(backend.release(&key, process)));
        name("quarantine", &mut || {
            drop(backend.quarantine(&writer, &tags))
        });
        name("lift", &mut || drop(backend.lift(id, &tags, Lift::Renew)));
        name("renew", &mut || drop(backend.renew(&tags)));
        let epoch = backend.beat(process, &[space]).unwrap().epoch;
        name("testify", &mut || {
            drop(backend.testify(process, epoch, &[]))
        });
        let opening = Opening::fresh();
        name("open", &mut || drop(backend.open(epoch, space, opening)));
        let vector = match judge(fetch(true, None), &tags) {
            Judgement::Miss(vector) => vector,
            other => panic!("{other:?}"),
        };
        let entry = crate::entry(&tags, vector, b"");
        name("put", &mut || {
            drop(backend.put(key.clone(), entry.clone(), None))
        });
    }

    /// The round trips since the last time, beats left out.
    pub fn seen(&mut self) -> Vec<String> {
        let lines = self.lines();
        let named = lines.into_iter().map(|line| {
            let script = line.get(1).and_then(|digest| self.scripts.get(digest));
            match (line[0].as_str(), script) {
                ("evalsha", Some(name)) => (*name).to_owned(),
                _ => line.join(" "),
            }
        });
        let by_the_clock = ["beat", "testify", "open"];
        named
            .filter(|name| !by_the_clock.contains(&name.as_str()))
            .collect()
    }

    /// The words of each command since the last time.
    fn lines(&mut self) -> Vec<Vec<String>> {
        self.marks += 1;
        let mark = format!("mark-{}-{:x}", self.marks, rand::random::<u64>());
        self.plain.text(&["ECHO", &mark]).unwrap();
        let limit = Instant::now() + Duration::from_secs(60);
        let mut lines = Vec::new();
        loop {
            assert!(
                Instant::now() < limit,
                "the server does not tell of a command"
            );
            let Reply::Status(line) = self.monitor.reply().unwrap() else {
                continue;
            };
            if line.contains(&mark) {
                return lines;
            }
            // `1700000000.000000 [0 127.0.0.1:5000] "GET" "key"`; from a script: `[0 lua]`.
            let (head, words) = line.split_once("] ").unwrap_or((&line, ""));
            if head.ends_with(" lua") || words.starts_with("\"ECHO\"") {
                continue;
            }
            let mut words = words.split("\" \"").map(|word| word.trim_matches('"'));
            let command = words.next().unwrap_or_default().to_lowercase();
            let first = words.next().unwrap_or_default().to_owned();
            lines.push(vec![command, first]);
        }
    }
}
