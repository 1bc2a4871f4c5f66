use std::time::{Duration, Instant};

use super::{ALL, Postgres, assert_reads, steps};
use crate::footprint::analysis::Step;
use crate::footprint::{normalize, strip_binds};

#[test]
fn many_chained_filters() {
    for dialect in ALL {
        for count in [45, 150] {
            let mut filter = "(a.x = 1)".to_owned();
            for _ in 0..count {
                filter = format!("({filter} AND (a.x = 1))");
            }
            assert_reads(
                &format!("SELECT a.x FROM a WHERE {filter}"),
                dialect,
                &["a"],
            );
        }
    }
}

#[test]
fn deep_and_long_texts() {
    let deep = |n: usize| format!("SELECT {}1{} FROM a", "(".repeat(n), ")".repeat(n));
    let queries = |n: usize| {
        format!(
            "{}SELECT 1 FROM a{}",
            "SELECT * FROM (".repeat(n),
            ") x".repeat(n)
        )
    };
    let texts = [
        deep(200),
        deep(5_000),
        deep(200_000),
        queries(200),
        queries(5_000),
        format!("SELECT {} 1 FROM a", "NOT ".repeat(5_000)),
        format!("SELECT {} 1 FROM a", "- ".repeat(50_000)),
        format!("SELECT 1 FROM a WHERE 1{}", " AND 1".repeat(900)),
        format!("SELECT 1 FROM a WHERE 1{}", " AND 1".repeat(1_900)),
        format!("SELECT 1 FROM a WHERE 1{}", " AND 1".repeat(100_000)),
        format!("SELECT 1 FROM a{}", " UNION SELECT 1 FROM a".repeat(700)),
        format!("SELECT 1 FROM a{}", " UNION SELECT 1 FROM a".repeat(30_000)),
        format!("SELECT 1{} FROM a", "::int".repeat(1_900)),
        format!("SELECT 1{} FROM a", " IS NULL".repeat(1_900)),
        format!("SELECT x{} FROM a", ".y".repeat(1_900)),
        format!("SELECT x{} FROM a", "[1]".repeat(3_000)),
        format!(
            "SELECT {} 1 {} FROM a",
            "CASE WHEN ".repeat(400),
            "THEN 1 END".repeat(400)
        ),
        format!("SELECT {}1{} FROM a", "f(".repeat(400), ")".repeat(400)),
        format!("SELECT 1 FROM a{}", " JOIN a ON true".repeat(900)),
        format!("SELECT {}", "$a$".repeat(10_000)),
        format!("SELECT {}", "/*".repeat(10_000)),
        format!("SELECT 1 FROM a WHERE x IN ({})", "(?), ".repeat(50_000)),
        "IN (".repeat(100_000),
        "SELECT 1;".repeat(50_000),
        "(".repeat(500_000),
    ];
    for dialect in ALL {
        for text in &texts {
            let start = Instant::now();
            let steps = steps(text, dialect);
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{dialect}: {:?}: {}",
                start.elapsed(),
                text.chars().take(60).collect::<String>()
            );
            let reads_a = text.contains("FROM a");
            for step in &steps {
                match step {
                    Step::Read(access) => assert!(
                        !reads_a || access.relations.contains("a"),
                        "{}",
                        text.chars().take(60).collect::<String>()
                    ),
                    other => assert!(
                        !matches!(other, Step::Harmless),
                        "{}",
                        text.chars().take(60).collect::<String>()
                    ),
                }
            }
            let _ = normalize(text, dialect);
            let _ = strip_binds(&format!("{text} -- binds: [1]"), dialect);
        }
    }
    // Those that are not too deep are understood.
    for sql in [&texts[7], &texts[8], &texts[10], &texts[18]] {
        assert!(
            matches!(&*steps(sql, Postgres), [Step::Read(_)]),
            "{}",
            sql.chars().take(60).collect::<String>()
        );
    }
}
