//! PostgreSQL's cells: in the format of its protocol, the same on every platform.

use std::num::NonZeroU32;

use diesel::pg::{Pg, PgValue};
use diesel::result::QueryResult;

use super::{RawDatabase, RawRows, raw_bytes};

impl RawDatabase for Pg {
    type CellType = NonZeroU32;

    fn cell<'v>(value: &'v PgValue<'_>) -> (&'v [u8], NonZeroU32) {
        (value.as_bytes(), value.get_oid())
    }

    fn value<'a>(bytes: &'a [u8], cell_type: &'a NonZeroU32) -> PgValue<'a> {
        PgValue::new(bytes, cell_type)
    }

    fn number(oid: &NonZeroU32) -> Option<u32> {
        Some(oid.get())
    }

    fn cell_type(number: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(number)
    }

    fn fits(_: &[u8], _: &NonZeroU32) -> bool {
        true
    }

    fn platform() -> String {
        "PostgreSQL".to_owned()
    }
}

raw_rows!(Pg);
