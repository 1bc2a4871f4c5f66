//! The connection that a model is written through, handed on to its receivers.

use std::any::{Any, type_name};
use std::cell::RefCell;
use std::fmt;

use diesel::connection::Connection;
use diesel::result::{Error, QueryResult};

/// A connection that a receiver can ask its event for.
///
/// Implemented for the connections of the databases that are switched on. For a
/// connection of your own, such as a `#[derive(MultiConnection)]` enum, an empty `impl`
/// is enough.
#[diagnostic::on_unimplemented(
    message = "a receiver cannot be given a `{Self}`",
    label = "not a connection that diesel-cache knows",
    note = "switch on the feature `sqlite`, `postgres` or `mysql` of `diesel-cache`",
    note = "for a connection of your own: `impl ReceiverConnection for {Self} {{}}`"
)]
pub trait ReceiverConnection: Connection + 'static {
    /// This connection within the one that the model is written through: the same one,
    /// or what it wraps.
    fn within(conn: &mut dyn Any) -> Option<&mut Self> {
        conn.downcast_mut()
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! plain_or_pooled {
    ($connection:ty) => {
        impl ReceiverConnection for $connection {
            #[cfg(feature = "r2d2")]
            fn within(conn: &mut dyn Any) -> Option<&mut Self> {
                type Pooled =
                    diesel::r2d2::PooledConnection<diesel::r2d2::ConnectionManager<$connection>>;
                if conn.is::<Pooled>() {
                    return conn.downcast_mut::<Pooled>().map(|pooled| &mut **pooled);
                }
                conn.downcast_mut()
            }
        }
    };
}

#[cfg(feature = "sqlite")]
plain_or_pooled!(diesel::sqlite::SqliteConnection);

#[cfg(feature = "postgres")]
plain_or_pooled!(diesel::pg::PgConnection);

#[cfg(feature = "mysql")]
plain_or_pooled!(diesel::mysql::MysqlConnection);

/// The connection of an event; none if the event was made by hand.
pub(crate) struct Inside<'a>(Where<'a>);

enum Where<'a> {
    Nowhere,
    Open(Open<'a>),
    /// Only whoever awaits it can use it.
    #[cfg_attr(
        not(feature = "async"),
        allow(dead_code, reason = "no connection is awaited")
    )]
    Awaited,
}

struct Open<'a> {
    conn: RefCell<&'a mut (dyn Any + 'static)>,
    name: &'static str,
}

impl<'a> Inside<'a> {
    pub(crate) fn none() -> Self {
        Self(Where::Nowhere)
    }

    /// On a connection that is awaited.
    #[cfg(feature = "async")]
    pub(crate) fn awaited() -> Self {
        Self(Where::Awaited)
    }

    pub(crate) fn of<C: Connection + 'static>(conn: &'a mut C) -> Self {
        Self(Where::Open(Open {
            conn: RefCell::new(conn),
            name: type_name::<C>(),
        }))
    }

    /// Runs `run` with the connection.
    ///
    /// # Errors
    /// If there is none, it is another, or it is in use; and what `run` returns.
    pub(crate) fn with<C: ReceiverConnection, T>(
        &self,
        run: impl FnOnce(&mut C) -> QueryResult<T>,
    ) -> QueryResult<T> {
        let open = match &self.0 {
            Where::Open(open) => open,
            Where::Nowhere => return refuse("this event was sent without a connection".into()),
            Where::Awaited => {
                return refuse("a receiver cannot use a connection that is awaited".into());
            }
        };
        let Ok(mut conn) = open.conn.try_borrow_mut() else {
            return refuse("the receiver is using the event's connection already".into());
        };
        match C::within(&mut **conn) {
            Some(conn) => run(conn),
            None => refuse(format!(
                "a receiver asks for a `{}`, but the model is written through a `{}`",
                type_name::<C>(),
                open.name
            )),
        }
    }
}

impl fmt::Debug for Inside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Where::Open(open) => f.write_str(open.name),
            Where::Nowhere => f.write_str("none"),
            Where::Awaited => f.write_str("awaited"),
        }
    }
}

fn refuse<T>(why: String) -> QueryResult<T> {
    Err(Error::QueryBuilderError(why.into()))
}
