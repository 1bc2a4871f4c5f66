//! MySQL's cells: as its client library leaves them in memory.

use std::ffi::{c_int, c_uint, c_ulong};
use std::mem::offset_of;

use diesel::deserialize::FromSql;
use diesel::mysql::data_types::MysqlTime;
use diesel::mysql::{Mysql, MysqlType, MysqlValue};
use diesel::result::QueryResult;
use diesel::sql_types::Timestamp;
use once_cell::sync::Lazy;

use super::{RawDatabase, RawRows, raw_bytes};

/// Larger than any client library's time.
const LARGEST_TIME: usize = 256;

/// How many bytes the client library's time has. Diesel reads no fewer.
static TIME: Lazy<Option<usize>> = Lazy::new(|| {
    let zeroes = [0; LARGEST_TIME];
    (0..=LARGEST_TIME).find(|length| {
        let value = MysqlValue::new(&zeroes[..*length], MysqlType::Timestamp);
        <MysqlTime as FromSql<Timestamp, Mysql>>::from_sql(value).is_ok()
    })
});

/// The types, in an order that never changes: each is known by its place.
const TYPES: [MysqlType; 20] = [
    MysqlType::Tiny,
    MysqlType::UnsignedTiny,
    MysqlType::Short,
    MysqlType::UnsignedShort,
    MysqlType::Long,
    MysqlType::UnsignedLong,
    MysqlType::LongLong,
    MysqlType::UnsignedLongLong,
    MysqlType::Float,
    MysqlType::Double,
    MysqlType::Numeric,
    MysqlType::Time,
    MysqlType::Date,
    MysqlType::DateTime,
    MysqlType::Timestamp,
    MysqlType::String,
    MysqlType::Blob,
    MysqlType::Bit,
    MysqlType::Set,
    MysqlType::Enum,
];

impl RawDatabase for Mysql {
    type CellType = MysqlType;

    fn cell<'v>(value: &'v MysqlValue<'_>) -> (&'v [u8], MysqlType) {
        (value.as_bytes(), value.value_type())
    }

    fn value<'a>(bytes: &'a [u8], cell_type: &'a MysqlType) -> MysqlValue<'a> {
        MysqlValue::new(bytes, *cell_type)
    }

    fn number(cell_type: &MysqlType) -> Option<u32> {
        let place = TYPES.iter().position(|known| known == cell_type)?;
        u32::try_from(place).ok()
    }

    fn cell_type(number: u32) -> Option<MysqlType> {
        TYPES.get(usize::try_from(number).ok()?).copied()
    }

    fn fits(bytes: &[u8], cell_type: &MysqlType) -> bool {
        use MysqlType as T;
        match cell_type {
            // Diesel's buffer may be larger than the client library's time.
            T::Time | T::Date | T::DateTime | T::Timestamp => {
                TIME.is_some_and(|time| bytes.len() >= time)
            }
            T::Tiny | T::UnsignedTiny => bytes.len() == 1,
            T::Short | T::UnsignedShort => bytes.len() == 2,
            T::Long | T::UnsignedLong | T::Float => bytes.len() == 4,
            T::LongLong | T::UnsignedLongLong | T::Double => bytes.len() == 8,
            _ => true,
        }
    }

    // rule: a-time-of-another-client-library-is-a-miss
    fn platform() -> String {
        let time = [
            size_of::<MysqlTime>(),
            align_of::<MysqlTime>(),
            offset_of!(MysqlTime, year),
            offset_of!(MysqlTime, month),
            offset_of!(MysqlTime, day),
            offset_of!(MysqlTime, hour),
            offset_of!(MysqlTime, minute),
            offset_of!(MysqlTime, second),
            offset_of!(MysqlTime, second_part),
            offset_of!(MysqlTime, neg),
            offset_of!(MysqlTime, time_type),
            offset_of!(MysqlTime, time_zone_displacement),
        ];
        let numbers = [
            size_of::<c_int>(),
            size_of::<c_uint>(),
            size_of::<c_ulong>(),
        ];
        format!("MySQL {time:?} {numbers:?} {:?}", *TIME)
    }
}

raw_rows!(Mysql);
