//! What follows from the code that a database keeps.

use super::super::*;
use super::{child, pg};

/// `posts` ← `comments` (deletes cascade); an insert into `posts` is noted in `audit`, by a
/// function; `audit` counts in `counts`, by another one that calls a third.
fn watched() -> Catalogue {
    let mut watched = Catalogue::default();
    for table in ["posts", "comments", "audit", "counts", "tags"] {
        watched.relation(table);
    }
    watched
        .relation("posts")
        .children
        .push(child("comments", true, true, &["id"]));
    for (name, body) in [
        (
            "note",
            "BEGIN INSERT INTO audit VALUES (NEW.id); RETURN NEW; END",
        ),
        ("count_it", "BEGIN PERFORM deep(1); RETURN NEW; END"),
        (
            "deep",
            "BEGIN UPDATE counts SET n = n + 1; PERFORM count_it(); END",
        ),
        ("clean", "BEGIN DELETE FROM posts; END"),
        ("empty", "BEGIN TRUNCATE posts CASCADE; END"),
        ("switch", "BEGIN PERFORM set_config('a', 'b', true); END"),
        ("dynamic", "BEGIN EXECUTE 'x'; END"),
    ] {
        add(&mut watched, name, body);
    }
    fire(&mut watched, "posts", Events::INSERT, "note");
    fire(&mut watched, "audit", Events::INSERT, "count_it");
    watched
}

fn add(catalogue: &mut Catalogue, name: &str, body: &str) {
    catalogue.add_routine(name, Code::of(body, Language::PlPgSql), Dialect::Postgres);
}

fn fire(catalogue: &mut Catalogue, table: &str, events: Events, function: &str) {
    let code = Code::calling([function]);
    let triggers = &mut catalogue.relation(table).triggers;
    triggers.push(Trigger {
        events,
        before: false,
        code,
    });
}

fn write(catalogue: &Catalogue, sql: &str) -> Writes {
    catalogue.writes(sql, &pg(sql), &BTreeSet::new())
}

fn tables(writes: &Writes) -> Vec<&str> {
    assert!(!writes.database && !writes.schema, "{writes:?}");
    writes.tables.iter().map(|table| &**table).collect()
}

#[test]
fn a_trigger_writes_what_its_code_writes() {
    let watched = watched();
    let writes = write(&watched, "INSERT INTO posts VALUES (1)");
    assert_eq!(tables(&writes), ["audit", "counts", "posts"]);
    assert!(!writes.sets && !writes.temporaries && !writes.redefines);
    assert_eq!(
        tables(&write(&watched, "UPDATE posts SET x = 1")),
        ["posts"]
    );
    let upsert = "INSERT INTO posts VALUES (1) ON CONFLICT (id) DO UPDATE SET x = 1";
    assert!(tables(&write(&watched, upsert)).contains(&"audit"));
}

#[test]
fn code_writes_in_every_way() {
    let mut watched = watched();
    let writes = write(&watched, "SELECT clean()");
    assert_eq!(tables(&writes), ["audit", "comments", "counts", "posts"]);
    watched.relation("posts").children[0].on_delete = false;
    watched.relation("posts").children[0].on_update = false;
    assert!(!tables(&write(&watched, "SELECT clean()")).contains(&"comments"));
    assert!(tables(&write(&watched, "SELECT empty()")).contains(&"comments"));
}

#[test]
fn cascades_fire_the_triggers_of_the_child() {
    let mut watched = watched();
    fire(&mut watched, "comments", Events::DELETE, "note");
    let writes = write(&watched, "DELETE FROM posts");
    assert_eq!(tables(&writes), ["audit", "comments", "counts", "posts"]);
}

#[test]
fn what_is_not_shown_may_do_anything() {
    let watched = watched();
    for sql in ["SELECT dynamic()", "SELECT unheard_of()"] {
        let writes = write(&watched, sql);
        assert!(writes.database && writes.sets && writes.temporaries && writes.redefines);
    }
    let writes = write(&watched, "SELECT switch()");
    assert!(writes.sets && !writes.database && writes.tables.is_empty());
}

#[test]
fn only_a_volatile_function_writes_by_itself() {
    let mut watched = watched();
    let code = Code::of(
        "BEGIN RETURN (SELECT deep(id) FROM tags); END",
        Language::PlPgSql,
    );
    watched.add_routine("peek", code.only_reading(), Dialect::Postgres);
    assert_eq!(tables(&write(&watched, "SELECT peek()")), ["counts"]);
}

#[test]
fn of_several_routines_with_one_name_each_may_be_called() {
    let mut watched = watched();
    add(&mut watched, "deep", "BEGIN DELETE FROM tags; END");
    let writes = write(&watched, "SELECT deep(1)");
    assert_eq!(tables(&writes), ["counts", "tags"]);
}

#[test]
fn a_trigger_may_change_the_row() {
    let mut watched = watched();
    assert_eq!(
        tables(&write(&watched, "UPDATE posts SET x = 1")),
        ["posts"]
    );
    watched.relation("posts").changes_more = true;
    let writes = write(&watched, "UPDATE posts SET x = 1");
    assert_eq!(tables(&writes), ["comments", "posts"]);
}

#[test]
fn an_update_may_move_a_row_to_another_partition() {
    let mut watched = watched();
    watched.join_families("tags", "tags_1");
    fire(&mut watched, "tags_1", Events::DELETE, "note");
    let writes = write(&watched, "UPDATE tags SET id = 1");
    assert_eq!(tables(&writes), ["audit", "counts", "tags", "tags_1"]);
}

#[test]
fn two_updates_of_one_table_have_their_own_columns() {
    let watched = watched();
    let sql = "WITH a AS (UPDATE posts SET x = 1 RETURNING id) UPDATE posts SET id = 2";
    assert!(tables(&write(&watched, sql)).contains(&"comments"));
    let sql = "WITH a AS (UPDATE posts SET id = 1 RETURNING id) UPDATE posts SET x = 2";
    assert!(tables(&write(&watched, sql)).contains(&"comments"));
}

#[test]
fn defaults_policies_and_views_may_call() {
    let mut watched = watched();
    let calls = |function| Code::calling([function]);
    watched.relation("tags").on_write.push(calls("deep"));
    assert_eq!(
        tables(&write(&watched, "INSERT INTO tags VALUES (1)")),
        ["counts", "tags"]
    );
    watched.relation("tags").on_access.push(calls("clean"));
    assert!(tables(&write(&watched, "SELECT * FROM tags")).contains(&"posts"));
    watched
        .relation("calling")
        .views
        .push(pg("SELECT deep(id) FROM comments"));
    assert_eq!(
        tables(&write(&watched, "SELECT * FROM calling")),
        ["counts"]
    );
    add(&mut watched, "through", "BEGIN PERFORM * FROM calling; END");
    assert!(tables(&write(&watched, "SELECT through()")).contains(&"counts"));
}

#[test]
fn maintenance_looks_at_the_conditions_of_indexes() {
    let mut watched = watched();
    watched
        .relation("tags")
        .on_write
        .push(Code::calling(["deep"]));
    for sql in [
        "ANALYZE tags",
        "VACUUM (ANALYZE) tags",
        "REINDEX TABLE tags",
    ] {
        let writes = write(&watched, sql);
        // A change of the schema is one that each read depends on.
        assert!(writes.schema || tables(&writes) == ["counts"], "{sql}");
    }
    assert_eq!(tables(&write(&watched, "ANALYZE")), ["counts"]);
    assert!(write(&watched, "SHOW work_mem").is_empty());
    assert!(write(&watched, "SELECT analyzed FROM tags").is_empty());
}

#[test]
fn what_is_called_unseen_may_write() {
    let mut watched = watched();
    watched.add_attribute("deep");
    assert_eq!(
        tables(&write(&watched, "SELECT t.deep FROM tags t")),
        ["counts"]
    );
    assert!(write(&watched, "SELECT t.other FROM tags t").is_empty());
    // PostgreSQL's own `random` needs no arguments; a user's may.
    add(&mut watched, "random", "BEGIN DELETE FROM tags; END");
    assert_eq!(tables(&write(&watched, "SELECT random('x')")), ["tags"]);
    watched.hidden_calls.insert("deep".into());
    assert_eq!(tables(&write(&watched, "SELECT 1")), ["counts"]);
}

#[test]
fn a_routine_that_is_hidden_may_do_anything() {
    let mut watched = watched();
    let code = Code::of("BEGIN CALL hidden(1); END", Language::Mysql);
    assert!(!code.opaque);
    watched.add_routine("calls", code, Dialect::Mysql);
    assert!(write(&watched, "SELECT calls()").database);
    watched.add_routine("hidden", Code::default(), Dialect::Mysql);
    assert!(!write(&watched, "SELECT calls()").database);
}

#[test]
fn opaque_code_may_write_what_ignores_a_rollback() {
    let mut watched = watched();
    assert!(!write(&watched, "SELECT dynamic()").non_transactional);
    watched.relation("audit").non_transactional = true;
    assert!(write(&watched, "SELECT dynamic()").non_transactional);
    assert!(write(&watched, "INSERT INTO posts VALUES (1)").non_transactional);
    assert!(!write(&watched, "INSERT INTO tags VALUES (1)").non_transactional);
}

#[test]
fn an_updatable_view_with_a_trigger() {
    let mut watched = watched();
    watched
        .relation("shown")
        .views
        .push(pg("WITH x AS (SELECT id FROM tags) SELECT id FROM x"));
    fire(&mut watched, "shown", Events::UPDATE, "note");
    let writes = write(&watched, "UPDATE shown SET id = 1");
    assert_eq!(tables(&writes), ["audit", "counts", "shown", "tags"]);
}
