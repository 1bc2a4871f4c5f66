//! What a connection's database says of its catalogue, for the tests of this crate.

use diesel::connection::LoadConnection;
use diesel::result::QueryResult;

use crate::catalogue::Catalogue;
use crate::connection;
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
    connection::introspect::catalogue(conn, &Outbox::default())
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
    Ok(connection::introspect::view(conn)?.fingerprint)
}
