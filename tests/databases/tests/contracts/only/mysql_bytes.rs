//! MySQL's bytes: binds and cells.

use diesel::connection::{Connection, SimpleConnection};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::mysql::data_types::MysqlTime;
use diesel::mysql::{Mysql, MysqlConnection, MysqlType, MysqlValue};
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::result::Error;
use diesel::row::{Field, Row};
use diesel::sql_types::{Integer, Nullable};
use diesel_cache::test::as_stored;
use diesel_cache::{Cache, CachedDsl, Outcome, Report};

use super::engine::{self, Arena};
use crate::support::Witness;

diesel::table! { things (id) { id -> Integer, name -> Text } }

fn arena() -> Arena {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL);
         INSERT INTO things VALUES (1, 'a'), (2, 'a')",
    )
    .unwrap();
    arena
}

/// The session begins with statements of Diesel's own, which the process-wide tracker sees first.
#[test]
fn a_new_session_is_set_up_by_these_statements() {
    let arena = arena();
    let mut conn = arena.connect();
    let witness = Witness::default();
    conn.set_instrumentation(witness.clone());
    #[derive(QueryableByName)]
    struct Setting {
        #[diesel(sql_type = diesel::sql_types::Text)]
        value: String,
    }
    let sql = "SELECT CONCAT(@@time_zone, ' ', @@character_set_client) AS value";
    let found: Setting = diesel::sql_query(sql).get_result(&mut conn).unwrap();
    assert_eq!(found.value, "+00:00 utf8mb4");
}

#[test]
fn a_schema_change_commits_without_an_event() {
    let arena = arena();
    let mut conn = arena.connect();
    let witness = Witness::default();
    conn.set_instrumentation(witness.clone());
    let made = conn.transaction(|conn| {
        diesel::delete(things::table).execute(conn)?;
        conn.batch_execute("CREATE TABLE more (id INTEGER PRIMARY KEY)")?;
        Err::<(), _>(Error::RollbackTransaction)
    });
    assert!(made.is_err());
    let events = witness.take();
    assert!(
        !events.iter().any(|event| event.starts_with("commit")),
        "{events:?}"
    );
    assert_eq!(things::table.count().get_result(&mut conn), Ok(0_i64));
}

#[test]
fn binds_are_collected_as_bytes_without_a_connection() {
    let collect = |query: &dyn QueryFragment<Mysql>| {
        let mut collector = RawBytesBindCollector::<Mysql>::new();
        query
            .collect_binds(&mut collector, &mut (), &Mysql)
            .unwrap();
        (collector.binds, collector.metadata)
    };
    let four = Some(4_i32.to_ne_bytes().to_vec());
    assert_eq!(
        collect(&things::id.eq(4)),
        (vec![four.clone()], vec![MysqlType::Long])
    );
    assert_eq!(
        collect(&things::name.eq("four")),
        (vec![Some(b"four".to_vec())], vec![MysqlType::String])
    );
    let null = None::<i32>.into_sql::<Nullable<Integer>>();
    assert_eq!(collect(&null), (vec![None], vec![MysqlType::Long]));
    assert_eq!(collect(&things::id.eq_any([4, 4])).0, [four.clone(), four]);
}

/// A cell as the server sent it, whatever its type.
#[derive(Debug, Clone, PartialEq, FromSqlRow)]
struct Raw(MysqlType, Vec<u8>);

impl<ST> FromSql<ST, Mysql> for Raw {
    fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(value.value_type(), value.as_bytes().to_vec()))
    }
}

mod values {
    diesel::table! {
        use diesel::sql_types::*;
        use diesel::mysql::sql_types::*;
        vals (id) {
            id -> Integer,
            c_a -> Nullable<Bool>, c_b -> Nullable<TinyInt>, c_c -> Nullable<SmallInt>, c_d -> Nullable<BigInt>,
            c_e -> Nullable<Unsigned<TinyInt>>, c_f -> Nullable<Unsigned<SmallInt>>, c_g -> Nullable<Unsigned<Integer>>,
            c_h -> Nullable<Unsigned<BigInt>>, c_i -> Nullable<Float>, c_j -> Nullable<Double>, c_k -> Nullable<Numeric>,
            c_l -> Nullable<Text>, c_m -> Nullable<Binary>, c_n -> Nullable<Date>, c_o -> Nullable<Time>,
            c_p -> Nullable<Datetime>, c_q -> Nullable<Timestamp>, c_r -> Nullable<Text>, c_s -> Nullable<Text>,
            c_t -> Nullable<Text>,
        }
    }
}

type Cell = Option<Raw>;

#[derive(Debug, PartialEq, Queryable)]
struct Cells {
    id: i32,
    a: Cell,
    b: Cell,
    c: Cell,
    d: Cell,
    e: Cell,
    f: Cell,
    g: Cell,
    h: Cell,
    i: Cell,
    j: Cell,
    k: Cell,
    l: Cell,
    m: Cell,
    n: Cell,
    o: Cell,
    p: Cell,
    q: Cell,
    r: Cell,
    s: Cell,
    t: Cell,
}

fn filled(conn: &mut MysqlConnection) {
    conn.batch_execute(
        "CREATE TABLE vals (id int primary key, c_a bool, c_b tinyint, c_c smallint, c_d bigint, c_e tinyint unsigned,
            c_f smallint unsigned, c_g int unsigned, c_h bigint unsigned, c_i float, c_j double, c_k decimal(30, 9), c_l text,
            c_m blob, c_n date, c_o time(6), c_p datetime(6), c_q timestamp(6) null, c_r enum('calm', 'wild'), c_s set('x', 'y'), c_t json);
         INSERT INTO vals VALUES
         (1, true, -128, -32768, 9223372036854775807, 255, 65535, 4294967295, 18446744073709551615, 0.1, 1e300,
            123456789.000000001, 'á', x'00ff', '2024-02-29', '838:59:59.999999', '9999-12-31 23:59:59.999999',
            '2024-02-29 12:00:00.000001', 'wild', 'x,y', '{\"a\": [1, null]}'),
         (3, false, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', '', '1000-01-01', '00:00:00', '1000-01-01 00:00:00',
            '1970-01-01 00:00:01', 'calm', '', 'null');
         INSERT INTO vals (id) VALUES (2)",
    )
    .unwrap();
}

#[test]
fn a_hit_replays_every_cell_as_it_was_sent() {
    use values::vals as v;
    let arena = arena();
    let mut conn = arena.connect();
    filled(&mut conn);
    Cache::from_url("memory://")
        .unwrap()
        .attach(&mut conn)
        .unwrap();
    let report = Report::new();
    let query = || v::table.order(v::id);
    let plain: Vec<Cells> = query().load(&mut conn).unwrap();
    assert!(plain.len() == 3 && plain[0].t.is_some() && plain[1].t.is_none());
    let stored: Option<Vec<Cells>> = as_stored(query(), &mut conn).unwrap();
    assert_eq!(stored.as_ref(), Some(&plain));
    for hit in [false, true, true] {
        let rows: Vec<Cells> = query().cached().report(&report).load(&mut conn).unwrap();
        assert_eq!(rows, plain);
        assert_eq!(report.outcome() == Some(Outcome::Hit), hit);
    }
}

#[test]
fn a_hit_replays_dates_times_and_numbers_as_diesel_reads_them() {
    use values::vals as v;
    type Known = (
        Option<MysqlTime>,
        Option<MysqlTime>,
        Option<MysqlTime>,
        Option<MysqlTime>,
        Option<bool>,
        Option<i8>,
        Option<u8>,
        Option<u16>,
        Option<u32>,
        Option<u64>,
        Option<f32>,
        Option<String>,
    );
    let arena = arena();
    let mut conn = arena.connect();
    filled(&mut conn);
    Cache::from_url("memory://")
        .unwrap()
        .attach(&mut conn)
        .unwrap();
    let query = || {
        let columns = (
            v::c_n,
            v::c_o,
            v::c_p,
            v::c_q,
            v::c_a,
            v::c_b,
            v::c_e,
            v::c_f,
            v::c_g,
            v::c_h,
            v::c_i,
            v::c_r,
        );
        v::table.order(v::id).select(columns)
    };
    let plain: Vec<Known> = query().load(&mut conn).unwrap();
    let time = plain[0].1.unwrap();
    assert_eq!(
        (
            time.hour,
            time.minute,
            time.second,
            time.second_part,
            time.neg
        ),
        (838, 59, 59, 999_999, false)
    );
    let moment = plain[0].3.unwrap();
    assert_eq!(
        (moment.year, moment.month, moment.day, moment.second_part),
        (2024, 2, 29, 1)
    );
    let stored: Option<Vec<Known>> = as_stored(query(), &mut conn).unwrap();
    assert_eq!(format!("{stored:?}"), format!("{:?}", Some(&plain)));
    let report = Report::new();
    for hit in [false, true] {
        let rows: Vec<Known> = query().cached().report(&report).load(&mut conn).unwrap();
        assert_eq!(format!("{rows:?}"), format!("{plain:?}"));
        assert_eq!(report.outcome() == Some(Outcome::Hit), hit);
    }
}

#[test]
fn rows_of_a_column_have_one_type() {
    // What is stored keeps one type per column: a union may not mix them.
    #[derive(QueryableByName, Clone, Debug, PartialEq)]
    struct Mixed {
        #[diesel(sql_type = diesel::sql_types::Text)]
        x: String,
    }
    let arena = arena();
    let mut conn = arena.connect();
    Cache::from_url("memory://")
        .unwrap()
        .attach(&mut conn)
        .unwrap();
    let report = Report::new();
    for hit in [false, true] {
        let query = diesel::sql_query("SELECT 'a' AS x UNION ALL SELECT 1 UNION ALL SELECT 1.5");
        let rows: Vec<Mixed> = query.cached().report(&report).load(&mut conn).unwrap();
        assert_eq!(
            rows.iter().map(|row| row.x.as_str()).collect::<Vec<_>>(),
            ["a", "1", "1.5"]
        );
        assert_eq!(report.outcome() == Some(Outcome::Hit), hit);
    }
}

/// A row of whatever the server sends: each cell by its name.
#[derive(Debug, PartialEq)]
struct Anything(Vec<(String, Cell)>);

impl FromSqlRow<diesel::sql_types::Untyped, Mysql> for Anything {
    fn build_from_row<'a>(row: &impl Row<'a, Mysql>) -> deserialize::Result<Self> {
        let cells = (0..row.field_count()).map(|index| {
            let field = Row::get(row, index).ok_or("a column is missing")?;
            let value = field.value();
            let cell = value.map(|value| Raw(value.value_type(), value.as_bytes().to_vec()));
            Ok((field.field_name().ok_or("no name")?.to_owned(), cell))
        });
        cells.collect::<deserialize::Result<_>>().map(Self)
    }
}

#[test]
fn less_known_types_come_back() {
    let arena = arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE odd (id int primary key, a bit(9), b mediumint, c mediumint unsigned, d year, e binary(4), f varbinary(4),
            g tinytext, h longblob, i time, j mediumtext, k decimal(65, 30), l char(3), m bit(1), n datetime, o int(5) zerofill);
         SET SESSION sql_mode = '';
         INSERT INTO odd VALUES
         (1, b'101010101', -8388608, 16777215, 2155, 'a', '', 'x', 'y', '-838:59:59', 'p', -1.5, 'a', b'1',
            '0000-00-00 00:00:00', 7),
         (2, NULL, NULL, NULL, 0, NULL, NULL, '', '', '00:00:00.9', NULL, 0, '', b'0', '2024-00-00', 0)",
    )
    .unwrap();
    let odd = || diesel::sql_query("SELECT * FROM odd ORDER BY id");
    let plain: Vec<Anything> = odd().load(&mut conn).unwrap();
    assert_eq!((plain.len(), plain[0].0.len()), (2, 16));
    assert_eq!(as_stored(odd(), &mut conn).unwrap(), Some(plain));
    let sums = || {
        diesel::sql_query(
            "SELECT count(*) AS a, sum(b) AS b, avg(b) AS c, max(n) AS d, 1 = 1 AS e, 1.5 AS f, 1e0 AS g, NULL AS h, \
             b > 0 AS i, now(6) AS j, json_object('a', 1) AS k, @unset AS l, cast(1 AS unsigned) AS m, x'00' AS n FROM odd",
        )
    };
    let plain: Vec<Anything> = sums().load(&mut conn).unwrap();
    let mut stored: Vec<Anything> = as_stored(sums(), &mut conn).unwrap().unwrap();
    stored[0].0[9] = plain[0].0[9].clone();
    assert_eq!(stored, plain);
}
