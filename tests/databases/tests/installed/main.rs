//! The process-wide cache, in a process of its own: it can be installed only once.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]
#![allow(
    clippy::duplicate_mod,
    reason = "a case file is compiled once per engine"
)]

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel_cache::{Cache, Error};

mod mysql;
mod postgres;
mod sqlite;
#[path = "../hazards/support.rs"]
mod support;

static CACHE: LazyLock<Cache> = LazyLock::new(|| {
    assert!(Cache::installed().is_none());
    let cache = Cache::from_url("memory://").unwrap();
    cache.install(Some(next)).unwrap();
    cache
});

/// What the user's own instrumentation was told.
static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn next() -> Option<Box<dyn Instrumentation>> {
    Some(Box::new(|event: InstrumentationEvent<'_>| {
        use InstrumentationEvent as E;
        let heard = match event {
            E::StartEstablishConnection { .. } => "establish".to_owned(),
            E::FinishEstablishConnection { .. } => "established".to_owned(),
            E::StartQuery { query, .. } => query.to_string(),
            _ => return,
        };
        HEARD
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(heard);
    }))
}

fn heard() -> Vec<String> {
    std::mem::take(&mut HEARD.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The cache, for one test at a time: a write of a connection that is not known yet invalidates
/// what every other test has cached.
fn alone() -> (&'static Cache, MutexGuard<'static, ()>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    (&CACHE, alone)
}

#[test]
fn it_can_be_installed_only_once() {
    let (_, _alone) = alone();
    let another = Cache::from_url("memory://").unwrap();
    assert!(matches!(
        another.install(None),
        Err(Error::AlreadyInstalled)
    ));
    assert!(Cache::installed().is_some());
}
