//! Cells as a database sent them, which can become bytes.

use std::fmt::Debug;

use diesel::deserialize::FromSqlRow;
use diesel::result::QueryResult;
use diesel::row::Row;

use crate::statement::CacheDatabase;

/// A database whose cells can be kept, and rows be made from them again.
pub trait DatabaseCells: CacheDatabase {
    /// The cells of one result.
    type Cells: Default + Debug + Send + Sync + 'static;

    /// Keeps the cells of a row.
    ///
    /// # Errors
    /// If they cannot be kept.
    fn keep<'a, R>(cells: &mut Self::Cells, row: &R) -> QueryResult<()>
    where
        R: Row<'a, Self>;

    /// The cells as bytes, or `None` if that cannot be.
    fn encode(cells: &Self::Cells) -> Option<Vec<u8>>;

    /// The rows in the bytes of [`encode`](Self::encode), made as Diesel makes them from the
    /// database's. `None` if the bytes are not those of cells, or a row cannot be made.
    fn replay<ST, U>(bytes: &[u8]) -> Option<Vec<U>>
    where
        U: FromSqlRow<ST, Self>;

    /// A digest of what the bytes must agree in.
    fn fingerprint() -> [u8; 16];
}
