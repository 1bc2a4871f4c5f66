//! Writes that hide in triggers, functions, views and odd texts, and sessions that differ
//! unseen.

use super::attacks_kit::{probes, reads};
use super::kit::{Rig, plain_sql, read_sql, run};

const N: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO notes VALUES (1, 'n');
   CREATE FUNCTION noting(x INTEGER) RETURNS INTEGER MODIFIES SQL DATA BEGIN INSERT INTO things VALUES (x, 'x'); RETURN x; END;";

#[test]
fn attack_writes() {
    probes(&[
        ("set var", N, "SET @x = noting(7)"),
        ("set var :=", N, "SET @x := (SELECT noting(7))"),
        (
            "set session",
            N,
            "SET SESSION sort_buffer_size = 100000 + noting(7)",
        ),
        ("show where", N, "SHOW TABLES WHERE noting(7) > 0"),
        (
            "show columns where",
            N,
            "SHOW COLUMNS FROM notes WHERE noting(7) > 0 AND Field = 'id'",
        ),
        (
            "show variables where",
            N,
            "SHOW VARIABLES WHERE Variable_name = 'version' AND noting(7) > 0",
        ),
        ("analyze update", N, "ANALYZE UPDATE things SET name = 'an'"),
        (
            "analyze format",
            N,
            "ANALYZE FORMAT=JSON UPDATE things SET name = 'an'",
        ),
        ("analyze select fn", N, "ANALYZE SELECT noting(7)"),
        (
            "explain fn",
            N,
            "EXPLAIN SELECT * FROM (SELECT noting(7) AS a) t",
        ),
        (
            "explain fn2",
            N,
            "EXPLAIN SELECT * FROM notes WHERE id = noting(7)",
        ),
        (
            "set statement",
            N,
            "SET STATEMENT max_statement_time=10 FOR UPDATE things SET name = 'st'",
        ),
        (
            "begin not atomic",
            N,
            "BEGIN NOT ATOMIC UPDATE things SET name = 'ba'; END",
        ),
        ("if", N, "IF 1 THEN UPDATE things SET name = 'if'; END IF"),
        (
            "execute immediate",
            N,
            "EXECUTE IMMEDIATE 'UPDATE things SET name = ''ei'''",
        ),
        ("do", N, "DO noting(7)"),
        ("do sleep", N, "DO SLEEP(0), noting(7)"),
        ("select into", N, "SELECT noting(7) INTO @a"),
        (
            "create temp as",
            N,
            "CREATE TEMPORARY TABLE tt AS SELECT noting(7) AS a",
        ),
        (
            "temp insert",
            N,
            "CREATE TEMPORARY TABLE tt (a INTEGER)@@INSERT INTO tt VALUES (noting(7))",
        ),
        (
            "prepare",
            N,
            "PREPARE p FROM 'UPDATE things SET name = ''p'''@@EXECUTE p",
        ),
        (
            "execute using",
            N,
            "PREPARE p FROM 'SELECT ?'@@EXECUTE p USING noting(7)",
        ),
        (
            "execute immediate using",
            N,
            "EXECUTE IMMEDIATE 'SELECT ?' USING noting(7)",
        ),
        (
            "returning",
            N,
            "INSERT INTO notes VALUES (9, 'x') RETURNING noting(7)",
        ),
        ("limit", N, "SELECT /*! noting(7), */ 1"),
        ("limit M", N, "SELECT /*M! noting(7), */ 1"),
        ("limit ver", N, "SELECT /*!50000 noting(7), */ 1"),
        ("comment dashes", N, "SELECT 1--noting(-7)"),
        (
            "multi",
            N,
            "UPDATE notes n JOIN things t ON t.id = n.id SET t.name = 'mt'",
        ),
        (
            "delete multi",
            N,
            "DELETE t FROM notes n JOIN things t ON t.id = n.id",
        ),
        (
            "odku",
            N,
            "INSERT INTO things VALUES (1, 'q') ON DUPLICATE KEY UPDATE name = 'odku'",
        ),
        (
            "kill",
            N,
            "FLUSH STATUS; SET @y = (SELECT COUNT(*) FROM notes WHERE noting(id + 20) > 0)",
        ),
        (
            "call arg",
            &format!("{N} CREATE PROCEDURE pp(x INTEGER) SELECT x"),
            "CALL pp(noting(7))",
        ),
        (
            "call out",
            &format!(
                "{N} CREATE PROCEDURE pp(OUT x INTEGER) BEGIN UPDATE things SET name = 'out'; SET x = 1; END"
            ),
            "CALL pp(@o)",
        ),
        (
            "call out accent",
            &format!(
                "{N} CREATE PROCEDURE pp(OUT x INTEGER) BEGIN UPDATE things SET name = 'out'; SET x = 1; END"
            ),
            "CALL p\u{fe}(@o)@@UPDATE things SET name='x'",
        ),
        (
            "cte update",
            N,
            "UPDATE things SET name = (WITH a AS (SELECT 'z' AS q) SELECT q FROM a)",
        ),
        (
            "rename swap",
            &format!("{N} CREATE TABLE things2 LIKE things"),
            "RENAME TABLE things TO t3, things2 TO things",
        ),
        (
            "exchange",
            &format!(
                "{N} CREATE TABLE pt (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (100)); INSERT INTO pt VALUES (4,'z')"
            ),
            "ALTER TABLE pt EXCHANGE PARTITION p0 WITH TABLE things",
        ),
        (
            "get diag",
            N,
            "SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT = 'x'@@UPDATE things SET name='sig'",
        ),
        (
            "handler",
            N,
            "HANDLER notes OPEN@@HANDLER notes READ FIRST WHERE noting(7) > 0@@HANDLER notes CLOSE",
        ),
        (
            "load data",
            N,
            "LOAD DATA LOCAL INFILE '/dev/null' INTO TABLE notes (id) SET note = noting(7)@@UPDATE things SET name='ld'",
        ),
        ("set password like", N, "SET @a = 1, @b = noting(8)"),
        (
            "set names var",
            N,
            "SET @a = (SELECT x FROM (SELECT noting(9) AS x) y), NAMES utf8mb4",
        ),
        (
            "lock",
            N,
            "LOCK TABLES things WRITE@@UPDATE things SET name = 'lk'@@UNLOCK TABLES",
        ),
        ("select for", N, "VALUES (noting(7))"),
        (
            "table",
            N,
            "SELECT 1 LIMIT 1 OFFSET 0 PROCEDURE ANALYSE()@@UPDATE things SET name='pa'",
        ),
        (
            "help",
            N,
            "DESCRIBE UPDATE things SET name = 'x'@@UPDATE things SET name = 'h'",
        ),
    ]);
}

#[test]
fn attack_code() {
    let t = |body: &str| format!("{N} CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW {body}");
    let bodies: Vec<(&str, String)> = vec![
        (
            "cond comment",
            t("BEGIN /*! INSERT INTO things VALUES (NEW.id, 'x'); */ SET @q = 1; END"),
        ),
        (
            "cond comment ver",
            t("BEGIN /*!40000 INSERT INTO things VALUES (NEW.id, 'x'); */ END"),
        ),
        (
            "cond comment M",
            t("BEGIN /*M!100000 INSERT INTO things VALUES (NEW.id, 'x'); */ END"),
        ),
        (
            "comments",
            t(
                "BEGIN # it's ;\n -- it's\n SET @a = 1--1; INSERT INTO things VALUES (NEW.id, 'a\\'b;'); END",
            ),
        ),
        (
            "dashdash",
            t(
                "BEGIN DECLARE a INTEGER DEFAULT 5--(SELECT 1); INSERT INTO things VALUES (NEW.id, 'x'); END",
            ),
        ),
        (
            "dashdash same line",
            t("BEGIN DECLARE a INTEGER; SET a = 1--1; DELETE FROM things; END"),
        ),
        (
            "multi update",
            t("UPDATE others o, things t SET t.name = 'mu', o.note = 'x' WHERE 1"),
        ),
        (
            "multi update sub",
            t(
                "UPDATE (SELECT 1 AS id) o JOIN (SELECT 2 AS b) z LEFT JOIN things t ON t.id = o.id SET t.name = 'mu'",
            ),
        ),
        (
            "multi delete",
            t("DELETE QUICK t, o FROM others o JOIN things AS t ON 1"),
        ),
        (
            "delete using",
            t("DELETE FROM t USING others o JOIN things AS t ON 1"),
        ),
        (
            "replace fn",
            t(
                "BEGIN DECLARE a TEXT; SET a = REPLACE(REPLACE('a','b','c'), 'x', INSERT('q',1,1,'z')); REPLACE things SELECT 1, 'rp'; END",
            ),
        ),
        (
            "insert set",
            t("INSERT IGNORE things SET id = 7, name = 'x'"),
        ),
        (
            "odku",
            t(
                "INSERT INTO things (id, name) SELECT id, note FROM others ON DUPLICATE KEY UPDATE things.name = 'od'",
            ),
        ),
        (
            "proc",
            format!(
                "{N} CREATE PROCEDURE `p q`(IN x INTEGER, OUT y INTEGER) BEGIN DELETE FROM things; SET y = 1; END; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW BEGIN DECLARE q INTEGER; CALL `p q`(1, q); END"
            ),
        ),
        (
            "proc no parens",
            format!(
                "{N} CREATE PROCEDURE pq() DELETE FROM things; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW CALL pq"
            ),
        ),
        (
            "proc accents",
            format!(
                "{N} CREATE PROCEDURE poq() DELETE FROM things; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW CALL PÓQ"
            ),
        ),
        (
            "func accents",
            format!("{N} CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW SET @a = NÖTING(7)"),
        ),
        (
            "cursor",
            t(
                "BEGIN DECLARE done INT DEFAULT 0; DECLARE a INT; DECLARE c CURSOR FOR SELECT noting(7); OPEN c; FETCH c INTO a; CLOSE c; END",
            ),
        ),
        (
            "for loop",
            t("BEGIN FOR r IN (SELECT noting(7) AS a) DO SET @z = r.a; END FOR; END"),
        ),
        (
            "handler",
            t(
                "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION UPDATE things SET name = 'h'; SIGNAL SQLSTATE '45000'; END",
            ),
        ),
        (
            "view",
            format!(
                "{N} CREATE VIEW v AS SELECT * FROM things WITH CASCADED CHECK OPTION; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW UPDATE v SET name = 'v'"
            ),
        ),
        (
            "view join",
            format!(
                "{N} CREATE VIEW v AS SELECT t.id, t.name, o.note FROM things t JOIN others o USING (id); CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW UPDATE v SET name = 'v'"
            ),
        ),
        (
            "follows",
            format!(
                "{N} CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW SET @a = 1; CREATE TRIGGER t2 AFTER INSERT ON notes FOR EACH ROW FOLLOWS t DELETE FROM things"
            ),
        ),
        (
            "backtick odd",
            format!(
                "{N} CREATE TABLE `a``b.c(` (id INTEGER); CREATE TRIGGER tv AFTER INSERT ON `a``b.c(` FOR EACH ROW DELETE FROM things; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW INSERT INTO `a``b.c(` VALUES (1)"
            ),
        ),
        (
            "dollar name",
            format!(
                "{N} CREATE TABLE $a$b (id INTEGER); CREATE TRIGGER tv AFTER INSERT ON $a$b FOR EACH ROW DELETE FROM things; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW INSERT INTO $a$b VALUES (1)"
            ),
        ),
        (
            "dot name",
            format!(
                "{N} CREATE TABLE abc (id INTEGER); CREATE TRIGGER tv AFTER INSERT ON abc FOR EACH ROW DELETE FROM things; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW INSERT INTO .abc VALUES (1)"
            ),
        ),
        (
            "case name",
            format!(
                "{N} CREATE TABLE ABC (id INTEGER); CREATE TRIGGER tv AFTER INSERT ON ABC FOR EACH ROW DELETE FROM things; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW INSERT INTO ABC VALUES (1)"
            ),
        ),
        (
            "fk cascade",
            format!(
                "{N} CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW DELETE FROM p; INSERT INTO p VALUES (1); ALTER TABLE things ADD FOREIGN KEY (id) REFERENCES p (id) ON DELETE CASCADE"
            ),
        ),
    ];
    let cases: Vec<(&str, &str, &str)> = bodies
        .iter()
        .map(|(n, s)| (*n, s.as_str(), "INSERT INTO notes VALUES (7, 'x')"))
        .collect();
    probes(&cases);
}

#[test]
fn attack_reads() {
    reads(&[
        (
            "sequence",
            "CREATE SEQUENCE sq START WITH 1 INCREMENT BY 1 NOCACHE",
            "SELECT CAST(next_not_cached_value AS CHAR) AS name FROM sq",
            "SELECT NEXTVAL(sq)",
        ),
        (
            "sequence default",
            "CREATE SEQUENCE sq START WITH 1 INCREMENT BY 1 NOCACHE; CREATE TABLE st (id INTEGER DEFAULT NEXTVAL(sq), b INTEGER)",
            "SELECT CAST(next_not_cached_value AS CHAR) AS name FROM sq",
            "INSERT INTO st (b) VALUES (1)",
        ),
        (
            "sequence do",
            "CREATE SEQUENCE sq START WITH 1 INCREMENT BY 1 NOCACHE",
            "SELECT CAST(next_not_cached_value AS CHAR) AS name FROM sq",
            "DO SETVAL(sq, 100)",
        ),
        (
            "sequence set",
            "CREATE SEQUENCE sq START WITH 1 INCREMENT BY 1 NOCACHE",
            "SELECT CAST(next_not_cached_value AS CHAR) AS name FROM sq",
            "SET @a = NEXTVAL(sq)",
        ),
        (
            "processlist",
            "CREATE TABLE tables (name TEXT)",
            "SELECT CAST(COUNT(*) AS CHAR) AS name FROM information_schema.tables",
            "~CREATE TABLE zz (id INTEGER); DROP TABLE tables; CREATE TABLE tables (name TEXT)",
        ),
        (
            "versioned",
            "CREATE TABLE sv (id INTEGER PRIMARY KEY, name TEXT) WITH SYSTEM VERSIONING; INSERT INTO sv VALUES (1,'a'); UPDATE sv SET name = 'b'",
            "SELECT name FROM sv FOR SYSTEM_TIME ALL ORDER BY name",
            "DELETE HISTORY FROM sv",
        ),
        (
            "versioned upd",
            "CREATE TABLE sv (id INTEGER PRIMARY KEY, name TEXT) WITH SYSTEM VERSIONING; INSERT INTO sv VALUES (1,'a')",
            "SELECT name FROM sv FOR SYSTEM_TIME ALL ORDER BY name",
            "UPDATE sv SET name = 'q'",
        ),
        (
            "current role",
            "CREATE TABLE rr (name TEXT); INSERT INTO rr VALUES ('root')",
            "SELECT name FROM rr WHERE name <> COALESCE(CURRENT_ROLE(), 'x')",
            "SET ROLE NONE",
        ),
        (
            "user",
            "CREATE TABLE user (name TEXT)",
            "SELECT CAST(COUNT(*) AS CHAR) AS name FROM mysql.user",
            "~CREATE USER rv_u1@'%'",
        ),
    ]);
}

#[test]
fn attack_settings() {
    // Each statement changes what the next read returns.
    let cases = [
        (
            "sql_mode pad",
            "SET sql_mode = 'PAD_CHAR_TO_FULL_LENGTH'",
            "SELECT CAST(CONCAT('<', c, '>') AS CHAR) AS name FROM ch",
        ),
        (
            "optimizer",
            "SET sql_select_limit = 1",
            "SELECT name FROM many ORDER BY name",
        ),
        (
            "tz stored fn",
            "CALL tz()",
            "SELECT CAST(ts AS CHAR) AS name FROM tm",
        ),
        (
            "set statement tz",
            "SET STATEMENT time_zone = '+05:00' FOR SELECT 1",
            "SELECT CAST(ts AS CHAR) AS name FROM tm",
        ),
        (
            "select :=",
            "SELECT @v := 5",
            "SELECT CAST(@v AS CHAR) AS name FROM tm",
        ),
        (
            "query into var",
            "SELECT 'k' INTO @v",
            "SELECT COALESCE(CAST(@v AS CHAR), '-') AS name FROM tm",
        ),
        (
            "timestamp",
            "SET timestamp = 1000",
            "SELECT CAST(ts AS CHAR) AS name FROM tm WHERE ts > FROM_UNIXTIME(5)",
        ),
        (
            "versioning_asof",
            "SET system_versioning_asof = '2001-01-01 00:00:00'",
            "SELECT name FROM sv",
        ),
        (
            "fk",
            "SET collation_connection = utf8mb4_bin",
            "SELECT name FROM many WHERE 'A' = 'a' ORDER BY name",
        ),
        (
            "div",
            "SET div_precision_increment = 10",
            "SELECT CAST(1/3 AS CHAR) AS name FROM tm",
        ),
    ];
    let mut bad = vec![];
    for (name, how, sql) in cases {
        let r = std::panic::catch_unwind(|| {
            let rig = Rig::new();
            run(&mut rig.plain(), "CREATE TABLE ch (c CHAR(5)); INSERT INTO ch VALUES ('a'); CREATE TABLE many (name VARCHAR(5)); INSERT INTO many VALUES ('a'), ('b');
               CREATE TABLE tm (ts TIMESTAMP); INSERT INTO tm VALUES ('2020-01-01 00:00:00'); CREATE PROCEDURE tz() SET time_zone = '+09:00';
               CREATE TABLE sv (name VARCHAR(5)) WITH SYSTEM VERSIONING; INSERT INTO sv VALUES ('v')");
            let (mut one, mut two) = (rig.conn(), rig.conn());
            run(&mut two, "SET @v = 'z'");
            rig.fresh(&mut one);
            if name != "select :=" {
                read_sql(&mut one, sql);
                read_sql(&mut one, sql);
            }
            read_sql(&mut two, sql);
            run(&mut two, how);
            let got = read_sql(&mut two, sql);
            eprintln!("SETTING {name}: {got:?}");
            assert_eq!(got.0, plain_sql(&mut two, sql));
        });
        if r.is_err() {
            bad.push(name);
        }
    }
    assert!(bad.is_empty(), "FAILED {bad:?}");
}

#[test]
fn attack_more_writes() {
    let n = "CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO notes VALUES (1, 'n');
       CREATE FUNCTION noting(x INTEGER) RETURNS INTEGER MODIFIES SQL DATA BEGIN REPLACE INTO things VALUES (x, 'x'); RETURN x; END;";
    let t = |s: &str| format!("{n} {s}");
    let ins = "INSERT INTO notes VALUES (8, 'x')";
    probes(&[
        ("show where", n, "SHOW TABLES WHERE noting(7) > 0"),
        (
            "show variables where",
            n,
            "SHOW VARIABLES WHERE Variable_name = 'version' AND noting(7) > 0",
        ),
        (
            "show columns",
            n,
            "SHOW FULL COLUMNS FROM notes WHERE noting(7)",
        ),
        (
            "for loop",
            &t(
                "CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW FOR r IN (SELECT noting(17) AS a) DO SET @z = r.a; END FOR",
            ),
            ins,
        ),
        (
            "value table",
            &t(
                "CREATE TABLE `value` (id INTEGER); CREATE TRIGGER tv AFTER INSERT ON `value` FOR EACH ROW DELETE FROM things; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW INSERT INTO `value` VALUES (1)",
            ),
            ins,
        ),
        (
            "number table",
            &t(
                "CREATE TABLE 1abc (id INTEGER); CREATE TRIGGER tv AFTER INSERT ON 1abc FOR EACH ROW DELETE FROM things; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW INSERT INTO 1abc VALUES (1)",
            ),
            ins,
        ),
        (
            "dollar 1",
            &t(
                "CREATE TABLE $a (id INTEGER); CREATE TRIGGER tv AFTER INSERT ON $a FOR EACH ROW DELETE FROM things; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW INSERT INTO $a VALUES (1)",
            ),
            ins,
        ),
        (
            "dollar direct",
            &t(
                "CREATE TABLE $a$b (id INTEGER); CREATE TRIGGER tv AFTER INSERT ON $a$b FOR EACH ROW DELETE FROM things",
            ),
            "INSERT INTO $a$b VALUES (1)",
        ),
        (
            "dollar fn",
            &t(
                "CREATE FUNCTION $nt(x INTEGER) RETURNS INTEGER MODIFIES SQL DATA BEGIN DELETE FROM things; RETURN x; END; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW SET @a = $nt(7)",
            ),
            ins,
        ),
        (
            "dollar proc",
            &t(
                "CREATE PROCEDURE $nt() DELETE FROM things; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW CALL $nt",
            ),
            ins,
        ),
        (
            "accent table",
            &t(
                "CREATE TABLE Été (id INTEGER); CREATE TRIGGER tv AFTER INSERT ON Été FOR EACH ROW DELETE FROM things; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW INSERT INTO Été VALUES (1)",
            ),
            ins,
        ),
        (
            "sub in before",
            &t(
                "CREATE TRIGGER t BEFORE INSERT ON notes FOR EACH ROW SET NEW.note = CONCAT(NEW.note, (SELECT MAX(noting(id + 5)) FROM others WHERE id = 1))",
            ),
            ins,
        ),
        (
            "delete returning",
            n,
            "DELETE FROM notes WHERE id = 1 RETURNING noting(7)",
        ),
        ("accent direct", n, "SELECT NÖTING(7)"),
        ("backtick", n, "SELECT `noting` (7)"),
        (
            "view mysql elsewhere",
            &t("CREATE VIEW v AS SELECT noting(7) AS a"),
            "SELECT * FROM v",
        ),
    ]);
}

#[test]
fn attack_more_reads() {
    reads(&[
        (
            "dollar",
            "CREATE TABLE $a$b (name TEXT); INSERT INTO $a$b VALUES ('x')",
            "SELECT name FROM $a$b",
            "UPDATE $a$b SET name = 'y'",
        ),
        (
            "dollar quoted",
            "CREATE TABLE $a$b (name TEXT); INSERT INTO $a$b VALUES ('x')",
            "SELECT name FROM `$a$b`",
            "UPDATE $a$b SET name = 'y'",
        ),
        (
            "number",
            "CREATE TABLE 1abc (name TEXT); INSERT INTO 1abc VALUES ('x')",
            "SELECT name FROM `1abc`",
            "UPDATE 1abc SET name = 'y'",
        ),
        (
            "dot",
            "CREATE TABLE abc (name TEXT); INSERT INTO abc VALUES ('x')",
            "SELECT name FROM abc",
            "UPDATE .abc SET name = 'y'",
        ),
    ]);
}
