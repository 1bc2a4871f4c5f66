//! Values as they are seen from a connection.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::ready;

use diesel::connection::LoadConnection;

use super::CacheValue;
use super::compute::{Asker, Value};
use crate::bypass::Bypass;
use crate::catalogue::Reads;
use crate::connection::{self, Blocking};
use crate::core::Thread;
use crate::dependencies::Dependencies;
use crate::footprint::Name;
use crate::now::now;
use crate::statement::CacheDatabase;

impl Value {
    /// Like [`get_or_insert_with`](Self::get_or_insert_with), seen from a connection: what its open transaction
    /// has written, or cannot see yet, is computed and neither found nor stored; and sessions
    /// that differ in what the same SQL returns them do not share it.
    ///
    /// # Errors
    /// What `compute` returns; nothing is then stored.
    pub fn get_or_insert_on<C, T, E>(
        self,
        conn: &mut C,
        compute: impl FnOnce(&Dependencies, &mut C) -> Result<T, E>,
    ) -> Result<T, E>
    where
        C: LoadConnection,
        C::Backend: CacheDatabase,
        T: CacheValue,
    {
        let state = session(conn);
        if connection::tracker(conn).is_some_and(|tracker| tracker.meets_closed_gate()) {
            now(connection::open_gate(&mut Blocking(conn)));
        }
        let conn = RefCell::new(conn);
        let admits = |tables: &BTreeSet<Name>| {
            state.as_ref().map_err(|reason| *reason)?;
            let mut conn = conn.borrow_mut();
            let tracker = connection::tracker(*conn).ok_or(Bypass::Unattached)?;
            tracker.admits(&Reads {
                tables: tables.clone(),
                ..Reads::default()
            })
        };
        let asker = Asker {
            admits,
            hurried: !state.as_ref().is_ok_and(|session| session.may_wait),
            session: state.as_ref().map_or(&[], |session| &session.digest),
        };
        let compute = |value: Dependencies| ready(compute(&value, *conn.borrow_mut()));
        now(self.resolve::<Thread, _, _, _, _>(asker, |_| false, compute))
    }
}

/// What a connection says of its session.
struct Session {
    /// What decides what the same SQL returns: the database and the session's state.
    digest: [u8; 48],
    may_wait: bool,
}

fn session<C>(conn: &mut C) -> Result<Session, Bypass>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    now(connection::make_known(&mut Blocking(conn)))?;
    let tracker = connection::tracker(conn).ok_or(Bypass::Unattached)?;
    let database = tracker.database().ok_or(Bypass::Unidentified)?;
    let mut digest = [0; 48];
    digest[..16].copy_from_slice(&database.id.keys.0);
    digest[16..].copy_from_slice(&tracker.scope().ok_or(Bypass::Session)?);
    Ok(Session {
        digest,
        may_wait: tracker.may_ask(),
    })
}
