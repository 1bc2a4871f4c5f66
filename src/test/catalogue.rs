//! What a connection's database says of its catalogue, for the tests of this crate.

use diesel::connection::LoadConnection;
use diesel::result::QueryResult;

use crate::catalogue::Catalogue;
use crate::connection::{self, Blocking};
use crate::now::now;
use crate::outbox::Outbox;
use crate::statement::CacheDatabase;

/// The catalogue.
///
/// # Errors
/// What the database returns.
pub fn catalogue<C>(conn: &mut C) -> QueryResult<Catalogue>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let outbox = Outbox::default();
    now(connection::introspect::catalogue(
        &mut Blocking(conn),
        &outbox,
    ))
}

/// What is another one after every change of the catalogue.
///
/// # Errors
/// What the database returns.
pub fn fingerprint<C>(conn: &mut C) -> QueryResult<[u8; 32]>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let view = now(connection::introspect::view(&mut Blocking(conn)))?;
    Ok(view.fingerprint)
}
