//! Transactions that are awaited.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use diesel::result::{Error, QueryResult};
use diesel_async::{AsyncConnection, TransactionManager};

use crate::asynchronous::CacheConnection;

/// Ends the open transaction as diesel-async's `transaction` does; what it commits is announced
/// to the store before, and told to it after.
///
/// # Errors
/// That of `result`, or what the database returns.
pub(super) async fn end<C, T, E>(conn: &mut C, result: Result<T, E>) -> Result<T, E>
where
    C: CacheConnection + AsyncConnection,
    E: From<Error>,
{
    let result = match result {
        Ok(value) => {
            let announced = conn.announce_writes().await;
            announced.map(|()| value).map_err(E::from)
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(value) => {
            C::TransactionManager::commit_transaction(conn).await?;
            conn.tell_committed().await;
            Ok(value)
        }
        Err(error) => match C::TransactionManager::rollback_transaction(conn).await {
            // What went wrong first is of more interest.
            Ok(()) | Err(Error::BrokenTransactionManager) => Err(error),
            Err(of_rollback) => Err(of_rollback.into()),
        },
    }
}

/// Why a write of a model stops.
pub(super) enum Stop {
    Error(Error),
    /// A receiver panicked.
    Panic(Box<dyn Any + Send>),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Stop {
    /// The error; a panic goes on.
    pub(super) fn error(self) -> Error {
        match self {
            Self::Error(error) => error,
            Self::Panic(payload) => resume_unwind(payload),
        }
    }
}

/// Tells receivers something.
///
/// # Errors
/// What they return, or that one panicked.
// rule: a-panic-rolls-the-write-back
pub(super) fn tell(receivers: impl FnOnce() -> QueryResult<()>) -> Result<(), Stop> {
    match catch_unwind(AssertUnwindSafe(receivers)) {
        Ok(told) => told.map_err(Stop::Error),
        Err(payload) => Err(Stop::Panic(payload)),
    }
}
