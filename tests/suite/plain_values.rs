//! Plain values by name.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::time::Duration;

use diesel::prelude::*;
use diesel_cache::{Bypass, Cache};
use serde::{Deserialize, Serialize, Serializer};

use crate::support::{attached, memory};

#[test]
fn what_is_set_is_found_until_it_is_deleted() {
    let values = memory().values();
    assert_eq!(values.get::<String>("k"), None);
    assert!(values.set("k", "v".to_owned(), None));
    assert_eq!(values.get::<String>("k").as_deref(), Some("v"));
    assert!(values.contains("k"));
    assert!(values.delete("k"));
    assert!(!values.delete("k"));
    assert!(!values.contains("k"));
}

#[test]
fn another_type_is_not_found() {
    let values = memory().values();
    values.set("k", 1_u64, None);
    assert_eq!(values.get::<String>("k"), None);
    assert_eq!(values.get::<u64>("k"), Some(1));
}

#[test]
fn add_stores_only_where_nothing_is() {
    let values = memory().values();
    assert!(values.add("k", 1, None));
    assert!(!values.add("k", 2, None));
    assert_eq!(values.get::<i32>("k"), Some(1));
    values.delete("k");
    assert!(values.add("k", 3, None));
}

#[test]
fn of_several_adds_at_once_one_stores() {
    for _ in 0..50 {
        let values = memory().values();
        let barrier = Barrier::new(4);
        let stored: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|n| {
                    let (values, barrier) = (&values, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        usize::from(values.add("k", n, None))
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(stored, 1);
    }
}

#[test]
fn a_value_times_out() {
    let values = memory().values();
    values.set("k", 1, Some(Duration::from_nanos(1)));
    assert_eq!(values.get::<i32>("k"), None);
    assert!(!values.touch("k", None), "what has timed out is not there");
    assert!(values.add("k", 2, None), "nor in the way");
}

#[test]
fn touch_moves_the_end() {
    let values = memory().values();
    values.set("k", 1, None);
    assert!(values.touch("k", Some(Duration::from_nanos(1))));
    assert_eq!(values.get::<i32>("k"), None);
    values.set("k", 1, None);
    assert!(values.touch("k", Some(Duration::from_secs(3600))));
    assert_eq!(values.get::<i32>("k"), Some(1));
    assert!(values.touch("k", Some(Duration::ZERO)), "zero deletes");
    assert!(!values.contains("k"));
    assert!(!values.touch("k", None));
}

#[test]
fn a_time_out_of_zero_stores_nothing_and_forgets() {
    let values = memory().values();
    values.set("k", 1, None);
    assert!(!values.set("k", 2, Some(Duration::ZERO)));
    assert!(!values.contains("k"));
}

#[test]
fn several_at_once() {
    let values = memory().values();
    assert!(values.set_many([("a", 1), ("b", 2)], None).is_empty());
    let found: BTreeMap<String, i32> = values.get_many(["a", "b", "c"]);
    assert_eq!(found, BTreeMap::from([("a".into(), 1), ("b".into(), 2)]));
    assert_eq!(values.delete_many(["a", "c"]), 1);
}

#[test]
fn each_version_and_namespace_has_values_of_its_own() {
    use std::sync::Arc;
    let store = Arc::new(diesel_cache::backend::MemoryBackend::new(1 << 20));
    let cache = |namespace: &str, version| {
        let builder = Cache::builder().backend(Arc::clone(&store));
        builder
            .namespace(namespace)
            .version(version)
            .build()
            .unwrap()
    };
    let values = cache("a", 0).values();
    values.set("k", 1, None);
    assert_eq!(cache("a", 0).values().get::<i32>("k"), Some(1));
    for other in [
        values.version(1),
        cache("a", 1).values(),
        cache("b", 0).values(),
    ] {
        assert_eq!(other.get::<i32>("k"), None);
    }
}

#[test]
fn no_write_and_every_clear_ends_a_plain_value() {
    let cache = memory();
    let mut conn = attached(&cache);
    let values = cache.values();
    values.set("k", 1, None);
    diesel::sql_query("DROP TABLE tags")
        .execute(&mut conn)
        .unwrap();
    cache.invalidate_table("posts");
    assert_eq!(values.get::<i32>("k"), Some(1));
    cache.clear();
    assert_eq!(values.get::<i32>("k"), None);
}

#[test]
fn what_is_set_while_switched_off_counts_afterwards() {
    let cache = memory();
    let values = cache.values();
    values.set("k", 1, None);
    cache.set_enabled(false);
    assert_eq!(values.get::<i32>("k"), None);
    assert_eq!(cache.stats().bypassed(Bypass::Disabled), 1);
    values.set("k", 2, None);
    cache.set_enabled(true);
    assert_eq!(values.get::<i32>("k"), Some(2));
}

/// A type that will not be serialized.
#[derive(Clone, Deserialize)]
struct Stubborn;

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no"))
    }
}

#[test]
fn what_cannot_be_stored_leaves_no_older_value() {
    let cache = Cache::builder().max_entry_bytes(100).build().unwrap();
    let values = cache.values();
    values.set("k", "old".to_owned(), None);
    assert!(!values.set("k", "x".repeat(101), None));
    assert_eq!(values.get::<String>("k"), None);
    assert_eq!(cache.stats().rejected_too_large, 1);
    values.set("k", "old".to_owned(), None);
    assert!(!values.set("k", Stubborn, None));
    assert!(!values.contains("k"));
}
