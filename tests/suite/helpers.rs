//! Several models at once, and models of every kind of key.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::signal::Veto;
use diesel_cache::{
    Cache, CacheInvalidate, CachedDsl, CreateAllDsl, CreateDsl, CreateWithKeyDsl, DeleteAllDsl,
    DeleteDsl, SaveAllDsl, SaveDsl,
};

use crate::support::{Author, NewAuthor, Notes, Tag, attached, authors, memory, tags};

fn author(id: i32, name: &str) -> Author {
    Author {
        id,
        name: name.into(),
    }
}

fn noted(cache: &Cache) -> Notes {
    let notes = Notes::new();
    let told = notes.clone();
    cache.on_pre_save::<Author>(move |event| {
        told.add(event.instance.map_or("pre", |author| &author.name));
        Ok(())
    });
    let told = notes.clone();
    cache.on_post_save::<Author>(move |event| {
        told.add(&event.instance.name);
        Ok(())
    });
    let told = notes.clone();
    cache.on_post_delete::<Author>(move |event| {
        told.add(&event.instance.name);
        Ok(())
    });
    let told = notes.clone();
    cache.on_post_commit::<Author>(move |event| {
        told.add(&format!("{:?}", event.change));
        Ok(())
    });
    notes
}

fn names(conn: &mut SqliteConnection) -> Vec<String> {
    let query = authors::table.order(authors::id).select(authors::name);
    query.cached().load(conn).unwrap()
}

#[test]
fn several_models_are_saved_deleted_and_created_with_their_signals() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = noted(&cache);
    assert_eq!(names(&mut conn), ["Ada", "Brian"]);
    let both: &[Author] = &[author(1, "A"), author(2, "B")];
    both.save_all(&mut conn).unwrap();
    assert_eq!(notes.take(), ["A", "A", "B", "B", "Saved", "Saved"]);
    assert_eq!(names(&mut conn), ["A", "B"]);
    let new = vec![NewAuthor { name: "C" }, NewAuthor { name: "D" }];
    let made: Vec<Author> = new.create_all(&mut conn).unwrap();
    assert_eq!(made, [author(3, "C"), author(4, "D")]);
    assert_eq!(notes.take(), ["pre", "pre", "C", "D", "Created", "Created"]);
    assert_eq!(names(&mut conn), ["A", "B", "C", "D"]);
    both.delete_all(&mut conn).unwrap();
    assert_eq!(notes.take(), ["A", "B", "Deleted", "Deleted"]);
    assert_eq!(names(&mut conn), ["C", "D"]);
}

#[test]
fn several_models_fail_as_a_whole() {
    let cache = memory();
    let mut conn = attached(&cache);
    let committed = Notes::new();
    let told = committed.clone();
    cache.on_post_commit::<Author>(move |_| {
        told.add("committed");
        Ok(())
    });
    let with_nobody = [author(1, "A"), author(99, "Nobody")];
    assert_eq!(with_nobody.save_all(&mut conn), Err(Error::NotFound));
    assert_eq!(with_nobody.delete_all(&mut conn), Err(Error::NotFound));
    let twice = vec![NewAuthor { name: "C" }, NewAuthor { name: "C" }];
    let twice = twice.create_all::<Author>(&mut conn);
    assert!(matches!(twice, Err(Error::DatabaseError(..))), "{twice:?}");
    let id = cache.on_post_save::<Author>(|event| match &*event.instance.name {
        "B" => Err(Veto::new("no B").into()),
        _ => Ok(()),
    });
    let with_b = [author(1, "A"), author(2, "B")];
    assert!(with_b.save_all(&mut conn).is_err());
    let with_b = vec![NewAuthor { name: "C" }, NewAuthor { name: "B" }];
    assert!(with_b.create_all::<Author>(&mut conn).is_err());
    assert_eq!(names(&mut conn), ["Ada", "Brian"]);
    assert_eq!(committed.take(), [""; 0]);
    assert!(cache.disconnect(id));
}

#[test]
fn no_models_are_no_statement() {
    let cache = memory();
    let mut conn = attached(&cache);
    cache.on_pre_save::<Author>(|_| Err(Veto::new("never").into()));
    conn.batch_execute("BEGIN").unwrap();
    let none: [Author; 0] = [];
    none.save_all(&mut conn).unwrap();
    none.delete_all(&mut conn).unwrap();
    let made = Vec::<NewAuthor<'_>>::new().create_all::<Author>(&mut conn);
    assert_eq!(made, Ok(Vec::new()));
    conn.batch_execute("COMMIT").unwrap();
}

#[test]
fn several_models_on_a_connection_without_a_cache() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = noted(&cache);
    conn.set_instrumentation(None::<Box<dyn diesel::connection::Instrumentation>>);
    [author(1, "A")].save_all(&mut conn).unwrap();
    let made = vec![NewAuthor { name: "C" }].create_all::<Author>(&mut conn);
    made.unwrap().delete_all(&mut conn).unwrap();
    assert_eq!(names(&mut conn), ["A", "Brian"]);
    assert_eq!(notes.take(), [""; 0]);
}

#[derive(Insertable)]
#[diesel(table_name = tags)]
struct NewTag {
    post_id: i32,
    name: &'static str,
    weight: i32,
}

#[test]
fn a_model_of_a_known_key_is_created() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = Notes::new();
    let told = notes.clone();
    cache.on_post_save::<Tag>(move |event| {
        told.add(&format!("{} {}", event.instance.name, event.created));
        Ok(())
    });
    let new = NewTag {
        post_id: 2,
        name: "c",
        weight: 3,
    };
    let tag: Tag = new.create_with_key((2, "c"), &mut conn).unwrap();
    assert_eq!((tag.post_id, &*tag.name, tag.weight), (2, "c", 3));
    assert_eq!(notes.take(), ["c true"]);
    let author: Author = NewAuthor { name: "Chen" }
        .create_with_key(3, &mut conn)
        .unwrap();
    assert_eq!(author.name, "Chen");
}

#[test]
fn a_key_that_is_not_the_values_inserts_nothing() {
    let cache = memory();
    let mut conn = attached(&cache);
    let new = NewTag {
        post_id: 2,
        name: "c",
        weight: 3,
    };
    let tag = new.create_with_key::<Tag>((2, "d"), &mut conn);
    assert_eq!(tag, Err(Error::NotFound));
    assert_eq!(tags::table.count().get_result::<i64>(&mut conn), Ok(2));
}

diesel::table! {
    places (country, code) {
        country -> Text,
        code -> Integer,
        title -> Text,
        street -> Nullable<Text>,
        city -> Text,
    }
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, AsChangeset, Insertable)]
#[diesel(table_name = places)]
struct Address {
    street: Option<String>,
    city: String,
}

/// A composite key, and columns in another struct.
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
#[diesel(table_name = places, primary_key(country, code))]
struct Place {
    country: String,
    code: i32,
    title: String,
    #[diesel(embed)]
    address: Address,
}

#[test]
fn embedded_columns_and_a_composite_key() {
    let cache = memory();
    let mut conn = attached(&cache);
    conn.batch_execute(
        "CREATE TABLE places (country TEXT NOT NULL, code INTEGER NOT NULL, title TEXT NOT NULL,
             street TEXT, city TEXT NOT NULL, PRIMARY KEY (country, code))",
    )
    .unwrap();
    let notes = Notes::new();
    let told = notes.clone();
    cache.on_post_save::<Place>(move |event| {
        let columns: Vec<_> = event.changed.into_iter().flatten().map(|c| &**c).collect();
        told.add(&columns.join(" "));
        Ok(())
    });
    let mut place = Place {
        country: "de".into(),
        code: 1,
        title: "Home".into(),
        address: Address {
            street: Some("Long".into()),
            city: "Ulm".into(),
        },
    };
    let made: Place = place.clone().create(&mut conn).unwrap();
    assert_eq!(made, place);
    place.code = 2;
    let made: Place = (&place)
        .create_with_key((place.country.clone(), 2), &mut conn)
        .unwrap();
    assert_eq!(made, place);
    assert_eq!(notes.take(), ["", ""]);
    place.address.city = "Bonn".into();
    place.address.street = None;
    place.save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["city title"]);
    let found: Place = places::table
        .find(("de", 2))
        .select(Place::as_select())
        .first(&mut conn)
        .unwrap();
    assert_eq!(found.address.city, "Bonn");
    assert_eq!(found.address.street.as_deref(), Some("Long"));
    place.delete(&mut conn).unwrap();
    assert_eq!(place.save(&mut conn), Err(Error::NotFound));
    assert_eq!(places::table.count().get_result::<i64>(&mut conn), Ok(1));
}
