//! What ordinary applications have in their databases must not cost them their cache.

mod postgres {
    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;
    use diesel_cache::{Cache, CachedDsl, Outcome, Report};
    use diesel_cache_databases::postgres as engine;

    diesel::table! { things (id) { id -> Integer, name -> Text } }

    /// The functions that `diesel setup` makes.
    const SETUP: &str = "
        CREATE OR REPLACE FUNCTION diesel_manage_updated_at(_tbl regclass) RETURNS VOID AS $$
        BEGIN
            EXECUTE format('CREATE TRIGGER set_updated_at BEFORE UPDATE ON %s
                            FOR EACH ROW EXECUTE PROCEDURE diesel_set_updated_at()', _tbl);
        END;
        $$ LANGUAGE plpgsql;
        CREATE OR REPLACE FUNCTION diesel_set_updated_at() RETURNS trigger AS $$
        BEGIN
            IF (
                NEW IS DISTINCT FROM OLD AND
                NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at
            ) THEN
                NEW.updated_at := current_timestamp;
            END IF;
            RETURN NEW;
        END;
        $$ LANGUAGE plpgsql;";

    #[test]
    fn the_trigger_of_diesel_setup_writes_nothing_else() {
        let arena = engine::arena();
        let mut conn = arena.connect();
        conn.batch_execute(SETUP).unwrap();
        conn.batch_execute(
            "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             CREATE TABLE posts (id INTEGER PRIMARY KEY, updated_at TIMESTAMP NOT NULL DEFAULT now());
             CREATE FUNCTION twice(x INTEGER) RETURNS INTEGER IMMUTABLE LANGUAGE sql AS 'SELECT x * 2';
             INSERT INTO posts VALUES (1);
             SELECT diesel_manage_updated_at('posts');",
        )
        .unwrap();
        let cache = Cache::from_url("memory://").unwrap();
        cache.attach(&mut conn).unwrap();
        let report = Report::new();
        let read = |conn: &mut engine::Conn| -> Outcome {
            let query = things::table.order(things::id).cached().report(&report);
            let _: Vec<(i32, String)> = query.load(conn).unwrap();
            report.outcome().unwrap()
        };
        read(&mut conn);
        for sql in ["UPDATE posts SET id = 2", "SELECT twice(1)"] {
            diesel::sql_query(sql).execute(&mut conn).unwrap();
            assert_eq!(read(&mut conn), Outcome::Hit, "{sql}");
        }
    }
}
