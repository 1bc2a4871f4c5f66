#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

use proptest::prelude::*;

use super::{Column, RawDatabase, RawRows};
use crate::codec;
use crate::query::rows::{Stored, raw_bytes};

/// What a row is made of: for each column its name and the number of its type, and the cells.
type Table = (Vec<(Option<String>, u32)>, Vec<Vec<Option<Vec<u8>>>>);

fn raw<DB: RawDatabase>((columns, rows): &Table) -> RawRows<DB> {
    let mut raw = RawRows::<DB> {
        columns: columns
            .iter()
            .map(|(name, number)| Column {
                name: name.as_deref().map(Box::from),
                cell_type: DB::cell_type(*number),
            })
            .collect(),
        rows: rows.len(),
        ..RawRows::default()
    };
    for cell in rows.iter().flatten() {
        let range = cell.as_ref().map(|cell| {
            let start = raw.bytes.len();
            raw.bytes.extend_from_slice(cell);
            start..raw.bytes.len()
        });
        raw.cells.push(range);
    }
    raw
}

/// All that a row type may ask of the rows.
fn seen<DB: RawDatabase>(rows: &RawRows<DB>) -> Table {
    let columns = rows.columns.iter().map(|column| {
        let number = column.cell_type.as_ref().and_then(DB::number);
        (column.name.as_deref().map(str::to_owned), number.unwrap())
    });
    let cell = |cell: &Option<_>| {
        let range: std::ops::Range<usize> = Option::clone(cell)?;
        Some(rows.bytes[range].to_vec())
    };
    let width = rows.columns.len().max(1);
    let cells = rows.cells.chunks(width);
    let cells = cells.map(|row| row.iter().map(cell).collect());
    (columns.collect(), cells.collect())
}

/// A table of texts, whose type has this number.
fn table(number: u32) -> impl Strategy<Value = Table> {
    (1..6_usize).prop_flat_map(move |width| {
        let column = any::<Option<String>>().prop_map(move |name| (name, number));
        let row = prop::collection::vec(any::<Option<Vec<u8>>>(), width);
        let columns = prop::collection::vec(column, width);
        (columns, prop::collection::vec(row, 0..20))
    })
}

fn check<DB: RawDatabase>(table: &Table, noise: &[u8], at: prop::sample::Index) {
    let bytes = raw::<DB>(table).encode().unwrap();
    let back = RawRows::<DB>::decode(&bytes).unwrap();
    assert_eq!(&seen(&back), table);
    assert_eq!(back.rows, table.1.len());
    // Again, and the same.
    assert_eq!(back.encode().unwrap(), bytes);
    // Whatever else is a miss, or rows that can be walked.
    let mut damaged = bytes.clone();
    for (place, noise) in (at.index(bytes.len())..bytes.len()).zip(noise) {
        damaged[place] = *noise;
    }
    let fingerprint = RawRows::<DB>::fingerprint();
    let noise = [&fingerprint[..], noise].concat();
    for bytes in [&damaged, &noise, &bytes[..at.index(bytes.len())].to_vec()] {
        if let Some(rows) = RawRows::<DB>::decode(bytes) {
            let mut walked = 0;
            while rows.row(walked).is_some() {
                walked += 1;
            }
            assert_eq!(walked, rows.rows);
        }
    }
}

fn refuses_other_fingerprints<DB: RawDatabase>(number: u32) {
    let table = (vec![(None, number)], vec![vec![Some(b"x".to_vec())]]);
    let bytes = raw::<DB>(&table).encode().unwrap();
    assert!(RawRows::<DB>::decode(&bytes).is_some());
    for place in 0..codec::FINGERPRINT {
        let mut other = bytes.clone();
        other[place] ^= 1;
        assert!(RawRows::<DB>::decode(&other).is_none());
    }
}

#[cfg(feature = "postgres_backend")]
mod postgres {
    use diesel::pg::Pg;

    use super::*;

    proptest! {
        #[test]
        fn rows_come_back_and_noise_does_not_panic(
            table in table(25), noise in any::<Vec<u8>>(), at in any::<prop::sample::Index>()
        ) {
            check::<Pg>(&table, &noise, at);
        }
    }

    #[test]
    fn rows_of_others_are_refused() {
        refuses_other_fingerprints::<Pg>(25);
    }

    #[test]
    fn cells_without_a_type_are_refused() {
        let columns = vec![(Some("a"), None::<u32>)];
        let cells = vec![Some(codec::Bytes(b"x"))];
        let fingerprint = raw_bytes::fingerprint::<Pg>();
        let bytes = codec::seal(fingerprint, &(columns, 1_u64, cells)).unwrap();
        assert!(RawRows::<Pg>::decode(&bytes).is_none());
    }

    #[test]
    fn rows_without_columns_are_bounded() {
        let sealed = |rows: u64| {
            let columns: Vec<(Option<&str>, Option<u32>)> = Vec::new();
            let cells: Vec<Option<codec::Bytes<'_>>> = Vec::new();
            codec::seal(raw_bytes::fingerprint::<Pg>(), &(columns, rows, cells)).unwrap()
        };
        assert_eq!(RawRows::<Pg>::decode(&sealed(3)).unwrap().rows, 3);
        assert!(RawRows::<Pg>::decode(&sealed(u64::MAX)).is_none());
    }
}

#[cfg(feature = "mysql_backend")]
mod mysql {
    use diesel::mysql::{Mysql, MysqlType};

    use super::*;

    fn number(of: MysqlType) -> u32 {
        Mysql::number(&of).unwrap()
    }

    proptest! {
        #[test]
        fn rows_come_back_and_noise_does_not_panic(
            table in table(15), noise in any::<Vec<u8>>(), at in any::<prop::sample::Index>()
        ) {
            check::<Mysql>(&table, &noise, at);
        }
    }

    #[test]
    fn rows_of_others_are_refused() {
        refuses_other_fingerprints::<Mysql>(15);
    }

    /// These numbers stand in stores.
    #[test]
    fn the_numbers_of_types_stay() {
        use MysqlType as T;
        let first = [
            T::Tiny,
            T::UnsignedTiny,
            T::Short,
            T::UnsignedShort,
            T::Long,
        ];
        let more = [
            T::UnsignedLong,
            T::LongLong,
            T::UnsignedLongLong,
            T::Float,
            T::Double,
        ];
        let times = [T::Numeric, T::Time, T::Date, T::DateTime, T::Timestamp];
        let last = [T::String, T::Blob, T::Bit, T::Set, T::Enum];
        let all = [first, more, times, last].concat();
        assert_eq!(
            all.iter().copied().map(number).collect::<Vec<_>>(),
            (0..20).collect::<Vec<_>>()
        );
        for of in all {
            assert_eq!(Mysql::cell_type(number(of)), Some(of));
        }
        assert_eq!(Mysql::cell_type(20), None);
        assert_eq!(Mysql::cell_type(u32::MAX), None);
    }

    #[test]
    fn a_cell_that_is_shorter_than_its_type_is_refused() {
        let decodes = |of, length| {
            let cell = vec![Some(vec![0; length])];
            let table = (vec![(None, number(of))], vec![cell]);
            let bytes = raw::<Mysql>(&table).encode().unwrap();
            RawRows::<Mysql>::decode(&bytes).is_some()
        };
        for (of, length) in [
            (MysqlType::Tiny, 1),
            (MysqlType::UnsignedShort, 2),
            (MysqlType::Long, 4),
            (MysqlType::Float, 4),
            (MysqlType::UnsignedLongLong, 8),
            (MysqlType::Double, 8),
        ] {
            assert!(decodes(of, length));
            assert!(!decodes(of, length - 1) && !decodes(of, length + 1) && !decodes(of, 0));
        }
        for of in [
            MysqlType::Time,
            MysqlType::Date,
            MysqlType::DateTime,
            MysqlType::Timestamp,
        ] {
            // Older client libraries have a shorter time than others, none a shorter one than that.
            assert!(!decodes(of, 32) && decodes(of, 48));
        }
        assert!(decodes(MysqlType::String, 0) && decodes(MysqlType::Bit, 3));
    }

    #[test]
    fn the_platform_tells_how_the_client_library_lays_out_a_time() {
        let platform = Mysql::platform();
        assert!(
            platform.ends_with("Some(40)") || platform.ends_with("Some(48)"),
            "{platform}"
        );
    }
}
