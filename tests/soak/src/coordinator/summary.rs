//! What a run found, in one line of JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::clock::millis;
use crate::coordinator::Outcome;
use crate::options::{HANDED_MS, Level, OnUnreachable, Options, Path};
use crate::tally::Tally;

/// All that a run found.
pub(super) struct Found<'a> {
    pub(super) tally: &'a Tally,
    /// The counters of each cache.
    pub(super) stats: &'a [Value],
    /// How often workers ended or stopped at each point.
    pub(super) met: &'a BTreeMap<String, u64>,
    /// How many writes others have committed.
    pub(super) outside: u64,
    /// How many threads were stuck.
    pub(super) stuck: u64,
    pub(super) duration: Duration,
}

/// The line, and which promises were broken.
pub(super) fn of(options: &Options, found: &Found<'_>) -> Outcome {
    let Found { tally, stuck, .. } = *found;
    let of_faults = |what: &dyn Fn(crate::tally::OfFault) -> Value| {
        let faults = options.faults.iter();
        let counted = faults.map(|kind| (kind.name().to_owned(), what(tally.of(*kind))));
        Value::Object(counted.collect::<Map<_, _>>())
    };
    let line = json!({
        "reads": tally.reads,
        "hits": tally.hits,
        "misses": tally.misses,
        "bypasses": tally.bypasses,
        "failed_reads": tally.failed_reads,
        "writes": tally.writes,
        "committed_writes": tally.committed_writes,
        "rolled_back_writes": tally.rolled_back_writes,
        "refused_writes": tally.refused_writes,
        "overtaken_writes": tally.overtaken_writes,
        "unknown_writes": tally.unknown_writes,
        "reads_per_fault": of_faults(&|of| json!(of.reads)),
        "hits_after_fault": of_faults(&|of| json!(of.hits_after)),
        "hit_ratio_after_fault": of_faults(&|of| ratio(of.hits_after, of.reads_after)),
        "stale_per_fault": of_faults(&|of| json!(of.stale)),
        "hit_ratio": ratio(tally.hits, tally.reads),
        "hit_ratio_between_faults": ratio(tally.quiet.1, tally.quiet.0),
        "hit_ratio_at_end": ratio(tally.calm.1, tally.calm.0),
        "stale_reads": tally.stale_reads,
        "stale_while_cut_off": tally.stale_while_cut_off,
        "phantom_reads": tally.phantom_reads,
        "foreign_reads": tally.foreign_reads,
        "longest_staleness_ms": rounded(millis(tally.longest_staleness)),
        "stale_inside": tally.stale_inside,
        "longest_lag_ms": rounded(millis(tally.longest_lag)),
        "longest_lag_without_outage_ms": rounded(millis(tally.longest_quiet)),
        "outside_writes": found.outside,
        "reads_at_end": tally.reads_at_end,
        "stale_at_end": tally.stale_at_end,
        "checker_errors": tally.checker_errors,
        "stuck_threads": stuck,
        "points": found.met,
        "duration_s": rounded(found.duration.as_secs_f64()),
        "seconds": options.seconds,
        "level": options.level.text(),
        "staleness_ms": options.staleness_ms,
        "backend": options.backend.text(),
        "database": options.database.text(),
        "path": options.path.text(),
        "on_unreachable": options.on_unreachable.text(),
        "processes": options.processes,
        "threads": options.threads,
        "seed": options.seed,
        "async": options.awaits,
        "sabotage": options.sabotage.map(|sabotage| sabotage.text()),
        "stats": sum(found.stats),
    });
    Outcome {
        line: line.to_string(),
        broken: broken(options, found, &line["stats"]),
    }
}

/// What was promised and not kept.
fn broken(options: &Options, found: &Found<'_>, stats: &Value) -> Vec<String> {
    let Found { tally, stuck, .. } = *found;
    let mut broken = Vec::new();
    if tally.committed_writes == 0 {
        broken.push("nothing was committed".to_owned());
    }
    // Without sessions that can be asked about, `strong` would quietly be `eventual`.
    let announced = stats["quarantines"].as_u64().unwrap_or(0);
    if options.level != Level::Eventual && options.sabotage.is_none() && announced == 0 {
        broken.push("no write was announced before it was committed".to_owned());
    }
    let mut never = |count: u64, what: &str| {
        if count > 0 {
            broken.push(format!("{count} {what}"));
        }
    };
    never(tally.phantom_reads, "reads of what was never committed");
    never(tally.foreign_reads, "reads of other rows");
    never(tally.stale_at_end, "reads are stale at the end");
    never(tally.checker_errors, "errors of the checker");
    never(stuck, "threads were stuck");
    never(u64::from(tally.reads == 0), "read: nothing was read");
    never(
        u64::from(tally.reads_at_end == 0),
        "sweep: nothing was read at the end",
    );
    let strong = options.announces();
    // Where the store cannot be reached before a commit, staleness is what `proceed` means. On the
    // seen path every write proceeds.
    let refuses = options.on_unreachable == OnUnreachable::Abort && options.path == Path::Explicit;
    let excused = if refuses {
        0
    } else {
        tally.stale_while_cut_off
    };
    // What memory in front of the store may answer without asking is bounded, and not strong.
    let bounded = Some(options.staleness_ms).filter(|limit| *limit > 0);
    let limit = options.max_staleness_ms.or(bounded);
    match limit {
        Some(limit) if millis(tally.longest_staleness) > limit as f64 => never(
            tally.stale_reads,
            &format!("stale reads, one for longer than {limit} ms"),
        ),
        _ if options.level == Level::Durable => {
            never(
                u64::from(found.outside == 0),
                "outside: nobody wrote besides the application",
            );
            let relayed = stats["relayed"].as_u64().unwrap_or(0);
            never(u64::from(relayed == 0), "relay: it told of nothing");
            if millis(tally.longest_lag) > options.lag_ms as f64 {
                never(
                    tally.stale_reads,
                    "stale reads, one for longer than outage and lag",
                );
            }
            never(
                tally.stale_inside,
                "stale reads of what the application alone writes",
            );
        }
        // Nobody waited for the store.
        _ if options.level == Level::Strong && !strong => {
            let late = millis(tally.longest_lag) > HANDED_MS as f64;
            never(
                if late { tally.stale_reads } else { 0 },
                "stale reads, one for longer than outage and delivery",
            );
        }
        _ if strong && bounded.is_none() => never(tally.stale_reads - excused, "stale reads"),
        _ => {}
    }
    broken
}

fn ratio(part: u64, of: u64) -> Value {
    match of {
        0 => Value::Null,
        of => json!(rounded(part as f64 / of as f64)),
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// The counters of all caches, added.
fn sum(stats: &[Value]) -> Value {
    let mut sum = Map::new();
    for one in stats {
        add(&mut sum, one);
    }
    Value::Object(sum)
}

fn add(sum: &mut Map<String, Value>, one: &Value) {
    for (name, value) in one.as_object().into_iter().flatten() {
        if value.is_object() {
            let inner = sum.entry(name.clone()).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                add(inner, value);
            }
        } else {
            let before = sum.get(name).and_then(Value::as_u64).unwrap_or(0);
            sum.insert(name.clone(), json!(before + value.as_u64().unwrap_or(0)));
        }
    }
}
