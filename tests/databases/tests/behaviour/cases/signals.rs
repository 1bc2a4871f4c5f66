//! Signals, and the helpers that send them, where databases differ.

use std::sync::{Arc, Mutex};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::result::Error;
use diesel_cache::{
    Cache, CacheInvalidate, CreateAllDsl, CreateDsl, CreateWithKeyDsl, DeleteDsl, SaveDsl,
};

use super::engine::{self, Arena, Conn};

diesel::table! {
    users (id) {
        id -> Integer,
        #[sql_name = "Nick"]
        name -> Text,
        age -> Nullable<Integer>,
    }
}

diesel::table! {
    seats (hall, code) {
        hall -> Integer,
        code -> Text,
        taken -> Bool,
    }
}

#[derive(
    Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, AsChangeset, CacheInvalidate,
)]
pub(super) struct User {
    id: i32,
    pub(super) name: String,
    age: Option<i32>,
}

#[derive(Insertable)]
#[diesel(table_name = users)]
pub(super) struct NewUser {
    pub(super) name: String,
}

#[derive(
    Debug,
    Clone,
    PartialEq,
    Queryable,
    Selectable,
    Identifiable,
    AsChangeset,
    Insertable,
    CacheInvalidate,
)]
#[diesel(primary_key(hall, code))]
struct Seat {
    hall: i32,
    code: String,
    taken: bool,
}

pub(super) fn new(name: &str) -> NewUser {
    NewUser { name: name.into() }
}

/// What receivers were told.
#[derive(Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub(super) fn add(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A cache, a database with two users, and the names of those that are committed.
pub(super) fn prepared() -> (Cache, Arena, Conn, Notes) {
    let cache = Cache::from_url("memory://").unwrap();
    let arena = engine::arena();
    let mut conn = arena.connect();
    let (key, quote) = match engine::NAME {
        "mysql" => ("INTEGER PRIMARY KEY AUTO_INCREMENT", '`'),
        "postgres" => ("SERIAL PRIMARY KEY", '"'),
        _ => ("INTEGER PRIMARY KEY", '"'),
    };
    conn.batch_execute(&format!(
        "CREATE TABLE users (id {key}, {quote}Nick{quote} VARCHAR(99) NOT NULL UNIQUE,
             age INTEGER);
         CREATE TABLE seats (hall INTEGER NOT NULL, code VARCHAR(9) NOT NULL,
             taken BOOLEAN NOT NULL, PRIMARY KEY (hall, code));
         INSERT INTO users ({quote}Nick{quote}) VALUES ('ann'), ('bob');"
    ))
    .unwrap();
    cache.attach(&mut conn).unwrap();
    let notes = Notes::default();
    let told = notes.clone();
    cache.on_post_commit::<User>(move |event| {
        told.add(format!("{:?} {}", event.change, event.instance.name));
        Ok(())
    });
    (cache, arena, conn, notes)
}

pub(super) fn user(id: i32, name: &str) -> User {
    User {
        id,
        name: name.into(),
        age: None,
    }
}

const NOBODY: [&str; 0] = [];

#[test]
fn commits_are_told_of_in_and_out_of_transactions() {
    let (cache, _arena, mut conn, notes) = prepared();
    user(1, "a").save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["Saved a"]);
    let created: User = new("c").create(&mut conn).unwrap();
    assert_eq!(notes.take(), ["Created c"]);
    created.delete(&mut conn).unwrap();
    assert_eq!(notes.take(), ["Deleted c"]);
    conn.transaction(|conn| {
        user(1, "one").save(conn)?;
        let inner: QueryResult<()> = conn.transaction(|conn| {
            user(2, "never").save(conn)?;
            Err(Error::RollbackTransaction)
        });
        assert!(inner.is_err());
        conn.transaction(|conn| new("two").create::<User>(conn))?;
        assert_eq!(notes.take(), NOBODY);
        QueryResult::Ok(())
    })
    .unwrap();
    assert_eq!(notes.take(), ["Saved one", "Created two"]);
    let rolled_back: QueryResult<()> = conn.transaction(|conn| {
        user(1, "never").save(conn)?;
        Err(Error::RollbackTransaction)
    });
    assert!(rolled_back.is_err());
    conn.batch_execute("BEGIN; COMMIT").unwrap();
    assert_eq!(notes.take(), NOBODY);
    assert_eq!(cache.stats().commits_unknown, 0);
}

#[test]
fn changed_columns_are_those_in_set() {
    let (cache, _arena, mut conn, _) = prepared();
    let notes = Notes::default();
    let told = notes.clone();
    cache.on_post_save::<User>(move |event| {
        let changed = event.changed.map(|columns| {
            let columns: Vec<&str> = columns.iter().map(|column| &**column).collect();
            columns.join(" ")
        });
        told.add(format!("{changed:?}"));
        Ok(())
    });
    let mut ann = user(1, "a");
    ann.save(&mut conn).unwrap();
    ann.age = Some(9);
    ann.save(&mut conn).unwrap();
    // Unchanged rows count as saved on MySQL, too.
    ann.save(&mut conn).unwrap();
    new("c").create::<User>(&mut conn).unwrap();
    let columns = [
        r#"Some("nick")"#,
        r#"Some("age nick")"#,
        r#"Some("age nick")"#,
        "None",
    ];
    assert_eq!(notes.take(), columns);
}

#[test]
fn an_error_that_is_got_over() {
    let (cache, _arena, mut conn, notes) = prepared();
    let got_over = |conn: &mut Conn| {
        user(1, "a").save(conn)?;
        let twice = user(1, "bob").save(conn);
        assert!(matches!(twice, Err(Error::DatabaseError(..))), "{twice:?}");
        QueryResult::Ok(())
    };
    conn.transaction(got_over).unwrap();
    let name = users::table.find(1).select(users::name);
    let name: String = name.first(&mut conn).unwrap();
    match engine::NAME {
        // The commit was a rollback.
        "postgres" => assert_eq!((&*name, notes.take().len()), ("ann", 0)),
        _ => assert_eq!((&*name, notes.take()), ("a", vec!["Saved a".to_owned()])),
    }
    conn.transaction(|conn| {
        user(1, "b").save(conn)?;
        let inner = conn.transaction(|conn| user(1, "bob").save(conn));
        assert!(inner.is_err());
        user(1, "c").save(conn)
    })
    .unwrap();
    assert_eq!(notes.take(), ["Saved b", "Saved c"]);
    assert_eq!(cache.stats().commits_unknown, 0);
}

#[test]
fn several_rows_are_created_in_their_order() {
    let (cache, _arena, mut conn, notes) = prepared();
    let statements = Notes::default();
    let told = statements.clone();
    cache.on_post_write(move |event| {
        for target in event.targets {
            told.add(target.relation.to_string());
        }
        Ok(())
    });
    let names: Vec<String> = (0..1001).map(|number| format!("user {number}")).collect();
    let values: Vec<NewUser> = names.iter().map(|name| new(name)).collect();
    let users: Vec<User> = values.create_all(&mut conn).unwrap();
    let found: Vec<String> = users.iter().map(|user| user.name.clone()).collect();
    assert_eq!(found, names);
    for user in &users {
        let name = users::table.find(user.id).select(users::name);
        assert_eq!(name.first::<String>(&mut conn).as_ref(), Ok(&user.name));
    }
    assert_eq!(notes.take().len(), 1001);
    let inserts = match engine::NAME {
        "postgres" => 3,
        _ => 1001,
    };
    assert_eq!(statements.take().len(), inserts);
    let twice = vec![new("x"), new("y"), new("x")].create_all::<User>(&mut conn);
    assert!(matches!(twice, Err(Error::DatabaseError(..))), "{twice:?}");
    assert_eq!(users::table.count().get_result::<i64>(&mut conn), Ok(1003));
    assert_eq!(notes.take(), NOBODY);
}

#[test]
fn a_model_of_any_key_is_created() {
    let (_cache, _arena, mut conn, notes) = prepared();
    let seat = Seat {
        hall: 1,
        code: "B7".into(),
        taken: false,
    };
    let plain = (&seat).create::<Seat>(&mut conn);
    match engine::NAME {
        "mysql" => {
            let text = plain.unwrap_err().to_string();
            assert!(text.contains("create_with_key"), "{text}");
        }
        _ => {
            assert_eq!(plain.unwrap(), seat);
            seat.delete(&mut conn).unwrap();
        }
    }
    let made: Seat = (&seat).create_with_key((1, "B7"), &mut conn).unwrap();
    assert_eq!(made, seat);
    let twice = (&seat).create_with_key::<Seat>((1, "B7"), &mut conn);
    assert!(matches!(twice, Err(Error::DatabaseError(..))), "{twice:?}");
    let other = Seat {
        hall: 2,
        ..seat.clone()
    };
    let missed = (&other).create_with_key::<Seat>((3, "B7"), &mut conn);
    assert_eq!(missed, Err(Error::NotFound));
    assert_eq!(seats::table.count().get_result::<i64>(&mut conn), Ok(1));
    let third: User = new("c").create_with_key(3, &mut conn).unwrap();
    assert_eq!(third, user(3, "c"));
    assert_eq!(notes.take(), ["Created c"]);
}

#[test]
fn a_receiver_has_the_connection_of_a_pool() {
    let (cache, arena, mut conn, _) = prepared();
    conn.batch_execute("CREATE TABLE audit (what VARCHAR(99) NOT NULL)")
        .unwrap();
    let manager = ConnectionManager::<Conn>::new(arena.url());
    let pool = Pool::builder()
        .max_size(1)
        .connection_customizer(cache.customizer())
        .build(manager)
        .unwrap();
    cache.on_post_save_with::<User, Conn>(|event, conn| {
        diesel::sql_query(format!(
            "INSERT INTO audit VALUES ('{}')",
            event.instance.name
        ))
        .execute(conn)?;
        match &*event.instance.name {
            "no" => Err(Error::RollbackTransaction),
            _ => Ok(()),
        }
    });
    let mut pooled = pool.get().unwrap();
    user(1, "yes").save(&mut pooled).unwrap();
    assert!(user(1, "no").save(&mut pooled).is_err());
    let count = diesel::dsl::sql::<diesel::sql_types::BigInt>("SELECT COUNT(*) FROM audit");
    assert_eq!(count.get_result::<i64>(&mut conn), Ok(1));
}
